/** The inbox: changes that the server refused. A refusal is not a deletion; they stay until somebody deals with them. */
import type { Connection } from "./connection.js";
import { appError } from "./errors.js";

/** A change that the server refused. */
export interface RefusedChange {
  /** Its place in the inbox. */
  readonly position: number;
  /** The change's id. */
  readonly change: string;
  readonly op: "create" | "update" | "delete";
  readonly entity: string;
  /** The record's id. */
  readonly id: string;
  /** The new values, as they were sent: times are milliseconds since 1970. */
  readonly set: { readonly [field: string]: unknown };
  /** The values before. */
  readonly was: { readonly [field: string]: unknown };
  /** When it was written, by the device's clock. */
  readonly at: Date;
  /** The server's stable code, for example `constraint/required`. */
  readonly code: string;
  /** The same for people. */
  readonly message: string;
  /** Field name → what is wrong with it. */
  readonly fields: { readonly [field: string]: string };
}

/** `db.inbox` */
export interface Inbox {
  /** All refused changes, the oldest first. */
  list(): Promise<RefusedChange[]>;
  /** Removes one, for good. */
  discard(position: number): Promise<void>;
}

/** The engine's JSON. */
interface RawItem extends Pick<RefusedChange, "position" | "code" | "message"> {
  readonly fields?: RefusedChange["fields"] | null;
  readonly entry: Pick<RefusedChange, "change" | "op" | "entity" | "id"> &
    Partial<Pick<RefusedChange, "set" | "was">> & { at: number };
}

export class InboxFacade implements Inbox {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async list(): Promise<RefusedChange[]> {
    const text = await this.#connection.call((engine) => engine.inbox());
    return (JSON.parse(text) as RawItem[]).map(toRefusedChange);
  }

  async discard(position: number): Promise<void> {
    if (!Number.isSafeInteger(position) || position < 0) {
      throw appError("value/type", "a position is a number that inbox.list() gave");
    }
    await this.#connection.call((engine) => engine.discard(position));
  }
}

function toRefusedChange({ position, code, message, fields, entry }: RawItem): RefusedChange {
  const { change, op, entity, id, set = {}, was = {}, at } = entry;
  return { position, change, op, entity, id, set, was, at: new Date(at), code, message, fields: fields ?? {} };
}
