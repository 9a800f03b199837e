/** The records of one entity: read, write, watch. */
import type { Connection } from "./connection.js";
import type { WriteDto } from "./engine.js";
import { appError } from "./errors.js";
import { isWellFormed } from "./guard.js";
import type { CreateInput, RecordOf, UpdateInput } from "./infer.js";
import { type Direction, encodeQuery, type Matching, type NumberName, type OrderedName, type Query } from "./query.js";
import { newRecordId } from "./record-id.js";
import type { AnyRecord, RecordShape } from "./records.js";
import type { Entity } from "./schema.js";
import { watch, type Watch, type WatchOptions } from "./watch.js";
import { type Created, withWrite, type Write, type Writer } from "./writes.js";

/** What every entity can do. */
export interface ReadableCollection<R> {
  /** The record of that id. */
  get(id: string): Promise<R | undefined>;
  /** The records that match, in order. */
  query(query?: Query<R>): Promise<R[]>;
  /** The first record that matches. */
  first(query?: Omit<Query<R>, "limit">): Promise<R | undefined>;
  /** How many match. */
  count(query?: Matching<R>): Promise<number>;
  /** The sum of a field over the records that match and have a value in it; 0 without any. */
  sum(field: NumberName<R>, query?: Matching<R>): Promise<number>;
  /** The mean of a field over the records that match and have a value in it; `null` without any. */
  avg(field: NumberName<R>, query?: Matching<R>): Promise<number | null>;
  /** The smallest value of a field in the records that match; `null` without any. */
  min<N extends OrderedName<R>>(field: N, query?: Matching<R>): Promise<NonNullable<R[N]> | null>;
  /** The largest value of a field in the records that match; `null` without any. */
  max<N extends OrderedName<R>>(field: N, query?: Matching<R>): Promise<NonNullable<R[N]> | null>;
  /** The records that match, now and after every change. */
  watch(query?: Query<R>, options?: WatchOptions): Watch<R>;
}

/** An entity that takes new records. */
export interface AppendableCollection<R, Create> extends ReadableCollection<R> {
  /** Makes a record. Resolves when it is on the device. */
  create(fields: Create): Promise<Created<R>>;
}

/** An entity that takes all changes. */
export interface WritableCollection<R, Create, Update> extends AppendableCollection<R, Create> {
  /** Changes some fields of a record. Resolves when that is on the device. */
  update(id: string, fields: Update): Promise<Write>;
  /** Deletes a record. Resolves when that is on the device. */
  delete(id: string): Promise<Write>;
}

/** What an entity of a schema can do; its policy decides. */
export type CollectionOf<E extends Entity> = E["policy"] extends "readOnly"
  ? ReadableCollection<RecordOf<E>>
  : E["policy"] extends "appendOnly"
    ? AppendableCollection<RecordOf<E>, CreateInput<E>>
    : WritableCollection<RecordOf<E>, CreateInput<E>, UpdateInput<E>>;

/** Fields whose names are not known while the app is compiled. */
export interface AnyFields {
  readonly [field: string]: unknown;
}

/** An entity whose name is not known while the app is compiled. The engine checks what the compiler cannot. */
export type AnyCollection = WritableCollection<AnyRecord, AnyFields, AnyFields>;

/** One class for all entities: what a policy forbids is refused by the engine, with its code, also where no compiler has looked. */
export class Collection implements AnyCollection {
  readonly #connection: Connection;
  readonly #writer: Writer;
  readonly #shape: RecordShape;

  constructor(connection: Connection, writer: Writer, shape: RecordShape) {
    this.#connection = connection;
    this.#writer = writer;
    this.#shape = shape;
  }

  async create(fields: AnyFields): Promise<Created<AnyRecord>> {
    const dto = createDto(this.#shape, fields);
    const write = await this.#writer.writeOne(dto);
    return withWrite(this.#shape.revive({ id: write.id, ...dto.fields }), write);
  }

  async update(id: string, fields: AnyFields): Promise<Write> {
    return this.#writer.writeOne(updateDto(this.#shape, id, fields));
  }

  async delete(id: string): Promise<Write> {
    return this.#writer.writeOne(deleteDto(this.#shape, id));
  }

  async get(id: string): Promise<AnyRecord | undefined> {
    const checked = checkId(id);
    const text = await this.#connection.call((engine) => engine.get(this.#shape.entity, checked));
    return text === undefined ? undefined : this.#shape.decode(text);
  }

  async query(query?: Query<AnyRecord>): Promise<AnyRecord[]> {
    const encoded = encodeQuery(query);
    return this.#shape.decodeAll(await this.#connection.call((engine) => engine.query(this.#shape.entity, encoded)));
  }

  async first(query?: Omit<Query<AnyRecord>, "limit">): Promise<AnyRecord | undefined> {
    const [first] = await this.query({ ...query, limit: 1 });
    return first;
  }

  async count(query?: Matching<AnyRecord>): Promise<number> {
    const encoded = encodeQuery(query);
    return this.#connection.call((engine) => engine.count(this.#shape.entity, encoded));
  }

  async sum(field: string, query?: Matching<AnyRecord>): Promise<number> {
    return (await this.#sum(field, query))[0];
  }

  async avg(field: string, query?: Matching<AnyRecord>): Promise<number | null> {
    const [sum, count] = await this.#sum(field, query);
    return count === 0 ? null : sum / count;
  }

  async min(field: string, query?: Matching<AnyRecord>): Promise<NonNullable<unknown> | null> {
    return this.#end(field, "asc", query);
  }

  async max(field: string, query?: Matching<AnyRecord>): Promise<NonNullable<unknown> | null> {
    return this.#end(field, "desc", query);
  }

  async #sum(field: string, query?: Matching<AnyRecord>): Promise<[sum: number, count: number]> {
    const [encoded, name] = [encodeQuery(query), checkFieldName(field)];
    return this.#connection.call((engine) => engine.sum(this.#shape.entity, encoded, name));
  }

  /** The value of the first record that has one, in that direction. */
  async #end(field: string, direction: Direction, query: Matching<AnyRecord> = {}): Promise<NonNullable<unknown> | null> {
    const name = checkFieldName(field);
    const hasValue = { [name]: { isNull: false } };
    const where = query.where === undefined ? hasValue : { and: [hasValue, query.where] };
    const record = await this.first({ ...query, where, orderBy: { [name]: direction } });
    return record?.[name] ?? null;
  }

  watch(query?: Query<AnyRecord>, options: WatchOptions = {}): Watch<AnyRecord> {
    return watch({
      connection: this.#connection,
      entity: this.#shape.entity,
      query: encodeQuery(query),
      decode: (text) => this.#shape.decodeAll(text),
      signal: options.signal,
    });
  }
}

/** A new record, with an id if it has none. */
export function createDto(shape: RecordShape, input: AnyFields): Extract<WriteDto, { op: "create" }> & { id: string } {
  const { id = newRecordId(), ...fields } = shape.encode(input);
  return { op: "create", entity: shape.entity, id: checkId(id), fields };
}

export function updateDto(shape: RecordShape, id: string, input: AnyFields): WriteDto {
  return { op: "update", entity: shape.entity, id: checkId(id), fields: shape.encode(input) };
}

export function deleteDto(shape: RecordShape, id: string): WriteDto {
  return { op: "delete", entity: shape.entity, id: checkId(id) };
}

/** The engine knows which texts are ids; what is not text must not reach it as "undefined" or "[object Object]". */
function checkId(id: unknown): string {
  if (typeof id !== "string") throw appError("value/id", `an id is text, not ${id === null ? "null" : typeof id}`);
  if (!isWellFormed(id)) throw appError("value/id", "an id is well-formed Unicode");
  return id;
}

function checkFieldName(field: unknown): string {
  if (typeof field !== "string") throw appError("query/invalid", "a field's name is text");
  return field;
}
