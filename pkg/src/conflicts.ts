/**
 * Conflicts: changes that met a newer row at the server. All three versions are kept until somebody decides, and unrelated changes go on.
 * A decision is a change like any other, and can be undone for seven days.
 */
import type { Connection } from "./connection.js";
import { appError } from "./errors.js";
import { type Json, toPlainObject } from "./guard.js";
import type { EntityName, RecordOf, WritableName } from "./infer.js";
import type { AnyRecord, RecordShape } from "./records.js";
import type { Entities } from "./schema.js";
import { watch, type Watch, type WatchOptions } from "./watch.js";

/** Whose version counts: what was written on this device, or what the server has. */
export type Side = "local" | "server";

/** The fields of a record, some of them. */
type Some<R> = { readonly [Field in Exclude<keyof R, "id">]?: R[Field] };

/** A change that met a newer row. */
export interface Conflict<Name extends string = string, R = AnyRecord> {
  /** Its place in the outbox: what `resolve` and `undo` find it by. */
  readonly position: number;
  /** The change's id. */
  readonly change: string;
  readonly op: "create" | "update" | "delete";
  readonly entity: Name;
  /** The record's id. */
  readonly id: string;
  /** When it was written, by the device's clock. */
  readonly at: Date;
  /** The values that the change was made on. */
  readonly base: Some<R>;
  /** The values that it wrote. */
  readonly local: Some<R>;
  /** What the server has now; `null` when the record is deleted there. Pulls keep it up to date. */
  readonly server: { readonly version: number; readonly fields: Some<R> } | null;
  /** The fields that both sides changed, each to another value: those that a decision must name. */
  readonly contested: readonly string[];
}

/** A conflict of any of an app's entities; `entity` tells which. */
export type ConflictOf<E extends Entities> = {
  [Name in WritableName<E> & EntityName<E>]: Conflict<Name, RecordOf<E[Name]>>;
}[WritableName<E> & EntityName<E>];

/** One side for everything, or by field: a side, or another value. Fields that are not named keep what was written here. */
export type Decision<Local> =
  Side | { readonly [Field in keyof Local]?: Side | { readonly value: Exclude<Local[Field], undefined> } };

/** `db.conflicts` */
export interface Conflicts<E extends Entities> {
  /** The open conflicts, the oldest first. */
  list(): Promise<ConflictOf<E>[]>;
  /** The same, now and whenever they change. */
  watch(options?: WatchOptions): Watch<ConflictOf<E>>;
  /**
   * Decides a conflict; what is left of the change is sent again. Rejects with `conflict/undecided` when a contested field is not named,
   * with `conflict/deleted` when there is nothing at the server to write to (then only `"server"` is possible).
   */
  resolve<const C extends Pick<Conflict, "position" | "entity"> & { readonly local: object }>(
    conflict: C,
    decision: Decision<C["local"]>,
  ): Promise<void>;
  /** Decides all open conflicts of an entity for one side; resolves to how many there were. */
  resolveAll(entity: WritableName<E>, side: Side): Promise<number>;
  /**
   * Takes a decision back. Resolves to `"open"` when the conflict is there again, to `"written"` when the server had the decision already
   * and its earlier values are written back as a new change.
   */
  undo(conflict: number | Pick<Conflict, "position">): Promise<"open" | "written">;
}

/** The engine's JSON. */
type RawConflict = Omit<Conflict, "at" | "server"> & { at: number; server?: Conflict["server"] };

export class ConflictsFacade implements Conflicts<Entities> {
  readonly #connection: Connection;
  readonly #shapes: ReadonlyMap<string, RecordShape>;

  constructor(connection: Connection, shapes: ReadonlyMap<string, RecordShape>) {
    this.#connection = connection;
    this.#shapes = shapes;
  }

  async list(): Promise<never[]> {
    return this.#decode(await this.#connection.call((engine) => engine.conflicts()));
  }

  watch({ signal }: WatchOptions = {}): Watch<never> {
    const decode = (text: string): never[] => this.#decode(text);
    return watch({ connection: this.#connection, entity: "@conflicts", query: "", decode, signal });
  }

  async resolve(conflict: Pick<Conflict, "position" | "entity">, decision: Decision<object>): Promise<void> {
    const position = positionOf(conflict);
    const resolution = JSON.stringify(this.#resolution(conflict.entity, decision));
    await this.#connection.call((engine) => engine.resolve(position, resolution));
  }

  async resolveAll(entity: string, side: Side): Promise<number> {
    if (!isSide(side)) throw appError("conflict/undecided", 'all conflicts are decided for "local" or for "server"');
    return this.#connection.call((engine) => engine.resolveAll(entity, JSON.stringify({ all: side })));
  }

  async undo(conflict: number | Pick<Conflict, "position">): Promise<"open" | "written"> {
    const position = positionOf(conflict);
    return (await this.#connection.call((engine) => engine.undo(position))) ? "open" : "written";
  }

  #resolution(entity: string, decision: Decision<object>): object {
    if (isSide(decision)) return { all: decision };
    const wrong = (): never => {
      throw appError("conflict/undecided", 'a field is decided by "local", "server" or { value }');
    };
    if (typeof decision !== "object" || decision === null) return wrong();
    const fields: { [field: string]: Side | { value: Json | undefined } } = {};
    for (const [field, choice] of Object.entries(decision as { readonly [field: string]: unknown })) {
      if (isSide(choice)) fields[field] = choice;
      else if (typeof choice === "object" && choice !== null && "value" in choice) {
        fields[field] = { value: this.#value(entity, field, choice.value) };
      } else return wrong();
    }
    return { fields };
  }

  #value(entity: string, field: string, value: unknown): Json | undefined {
    const one = { [field]: value };
    return (this.#shapes.get(entity)?.encode(one) ?? toPlainObject(one, entity))[field];
  }

  #decode(text: string): never[] {
    const conflicts = (JSON.parse(text) as RawConflict[]).map((raw): Conflict => {
      const dates = (fields: object): Some<AnyRecord> => this.#shapes.get(raw.entity)?.dates(fields) ?? fields;
      const server = raw.server ?? null;
      return {
        ...raw,
        at: new Date(raw.at),
        base: dates(raw.base),
        local: dates(raw.local),
        server: server && { version: server.version, fields: dates(server.fields) },
      };
    });
    // Which entities there are is the interface's business.
    return conflicts as never[];
  }
}

function isSide(value: unknown): value is Side {
  return value === "local" || value === "server";
}

/** The engine counts in whole numbers; anything else must not reach it. */
export function positionOf(place: number | { readonly position: number }): number {
  const position = typeof place === "object" && place !== null ? place.position : place;
  if (!Number.isSafeInteger(position) || position < 0) {
    throw appError("value/type", "a position is a number that a list gave");
  }
  return position;
}
