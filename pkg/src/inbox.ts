/** The inbox: changes that the server refused. A refusal is not a deletion; they stay until somebody deals with them. */
import { positionOf } from "./conflicts.js";
import type { Connection } from "./connection.js";
import { toPlainObject } from "./guard.js";
import { watch, type Watch, type WatchOptions } from "./watch.js";
import type { Write, Writer } from "./writes.js";

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

/** A change that has nothing to stand on without a refused one: refused with it, or still waiting in the outbox. */
export type DependentChange = Omit<RefusedChange, "code" | "message" | "fields"> & {
  readonly place: "inbox" | "outbox";
};

/** A change, or its position. */
type Place = number | Pick<RefusedChange, "position">;

/** `db.inbox` */
export interface Inbox {
  /** All refused changes, the oldest first. */
  list(): Promise<RefusedChange[]>;
  /** The same, now and whenever they change. */
  watch(options?: WatchOptions): Watch<RefusedChange>;
  /**
   * Writes a refused change again, with other values where `fields` has some, and then those that were refused because of it. Resolves,
   * when that is on the device, to the new changes. Nothing has changed when it rejects: the values are checked like those of any write.
   */
  resend(change: Place, fields?: { readonly [field: string]: unknown }): Promise<Write[]>;
  /** What a discard would take along: what was written on top of a refused new record. */
  dependents(change: Place): Promise<DependentChange[]>;
  /** Removes one for good, and what depends on it. */
  discard(change: Place): Promise<void>;
  /** The refused changes as lines of JSON, for support. */
  export(): Promise<Blob>;
}

/** The engine's JSON. */
interface RawItem extends Pick<RefusedChange, "position" | "code" | "message"> {
  readonly place: "inbox" | "outbox";
  readonly fields?: RefusedChange["fields"] | null;
  readonly entry: Pick<RefusedChange, "change" | "op" | "entity" | "id"> &
    Partial<Pick<RefusedChange, "set" | "was">> & { at: number };
}

export class InboxFacade implements Inbox {
  readonly #connection: Connection;
  readonly #writer: Writer;

  constructor(connection: Connection, writer: Writer) {
    this.#connection = connection;
    this.#writer = writer;
  }

  async list(): Promise<RefusedChange[]> {
    return decode(await this.#connection.call((engine) => engine.inbox()));
  }

  watch({ signal }: WatchOptions = {}): Watch<RefusedChange> {
    return watch({ connection: this.#connection, entity: "@inbox", query: "", decode, signal });
  }

  async resend(change: Place, fields: { readonly [field: string]: unknown } = {}): Promise<Write[]> {
    const [position, patch] = [positionOf(change), JSON.stringify({ patch: toPlainObject(fields, "fields") })];
    const text = await this.#connection.call((engine) => engine.resend(position, patch));
    return this.#writer.written(text);
  }

  async dependents(change: Place): Promise<DependentChange[]> {
    const position = positionOf(change);
    const text = await this.#connection.call((engine) => engine.dependents(position));
    return (JSON.parse(text) as RawItem[]).map((item) => ({ place: item.place, position: item.position, ...toChange(item) }));
  }

  async discard(change: Place): Promise<void> {
    const position = positionOf(change);
    await this.#connection.call((engine) => engine.discard(position));
  }

  async export(): Promise<Blob> {
    const lines = (await this.list()).map((change) => `${JSON.stringify(change)}\n`);
    return new Blob(lines, { type: "application/x-ndjson" });
  }
}

function decode(text: string): RefusedChange[] {
  return (JSON.parse(text) as RawItem[]).map(toRefusedChange);
}

function toRefusedChange(item: RawItem): RefusedChange {
  const { position, code, message, fields } = item;
  return { position, ...toChange(item), code, message, fields: fields ?? {} };
}

function toChange({ entry }: RawItem): Omit<DependentChange, "place" | "position"> {
  const { change, op, entity, id, set = {}, was = {}, at } = entry;
  return { change, op, entity, id, set, was, at: new Date(at) };
}
