/** The records of one entity: read, write, watch. */
import type { Caller, Connection } from "./connection.js";
import type { WriteDto } from "./engine.js";
import { appError } from "./errors.js";
import { isWellFormed } from "./guard.js";
import { along, type Including, type Includes, type With } from "./include.js";
import type { CreateInput, EntityName, RecordOf, UpdateInput } from "./infer.js";
import {
  encodeQuery,
  type Matching,
  type NumberName,
  type OrderedName,
  type Query,
  type QueryPlan,
  toPlainQuery,
} from "./query.js";
import type { AnyRecord, RecordShape } from "./records.js";
import type { Entities } from "./schema.js";
import { watch, type Watch, type WatchOptions } from "./watch.js";
import { type Created, withWrite, type Write, type Writer } from "./writes.js";

/** What every entity can do. */
export interface ReadableCollection<E extends Entities, N extends EntityName<E>, R = RecordOf<E[N]>> {
  /** The record of that id. */
  get(id: string): Promise<R | undefined>;
  /** The records that match, in order, each with what it includes. */
  query<const I extends Includes<E, N> = {}>(query?: Query<R> & Including<E, N, I>): Promise<With<E, N, I>[]>;
  /** The first record that matches. */
  first<const I extends Includes<E, N> = {}>(
    query?: Omit<Query<R>, "limit"> & Including<E, N, I>,
  ): Promise<With<E, N, I> | undefined>;
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
  watch<const I extends Includes<E, N> = {}>(
    query?: Query<R> & Including<E, N, I>,
    options?: WatchOptions,
  ): Watch<With<E, N, I>>;
  /** How a query would be answered now. */
  explain(query?: Query<R>): Promise<QueryPlan>;
}

/** An entity that takes new records. */
export interface AppendableCollection<
  E extends Entities,
  N extends EntityName<E>,
  R = RecordOf<E[N]>,
  Create = CreateInput<E[N]>,
> extends ReadableCollection<E, N, R> {
  /** Makes a record. Resolves when it is on the device. */
  create(fields: Create): Promise<Created<R>>;
}

/** An entity that takes all changes. */
export interface WritableCollection<
  E extends Entities,
  N extends EntityName<E>,
  R = RecordOf<E[N]>,
  Create = CreateInput<E[N]>,
  Update = UpdateInput<E[N]>,
> extends AppendableCollection<E, N, R, Create> {
  /** Changes some fields of a record. Resolves when that is on the device. */
  update(id: string, fields: Update): Promise<Write>;
  /** Deletes a record. Resolves when that is on the device. */
  delete(id: string): Promise<Write>;
}

/** What an entity of a schema can do; its policy decides. */
export type CollectionOf<E extends Entities, N extends EntityName<E>> = E[N]["policy"] extends "readOnly"
  ? ReadableCollection<E, N>
  : E[N]["policy"] extends "appendOnly"
    ? AppendableCollection<E, N>
    : WritableCollection<E, N>;

/** Fields whose names are not known while the app is compiled. */
export interface AnyFields {
  readonly [field: string]: unknown;
}

/** An entity whose name is not known while the app is compiled. The engine checks what the compiler cannot. */
export type AnyCollection = WritableCollection<Entities, string, AnyRecord, AnyFields, AnyFields>;

/** A query whose fields and includes are not known while the app is compiled. */
type AnyQuery = Query<AnyRecord> & { readonly include?: object };

/** One class for all entities: what a policy forbids is refused by the engine, with its code, also where no compiler has looked. */
export class Collection implements Omit<AnyCollection, "query" | "first" | "watch"> {
  readonly #connection: Connection;
  readonly #writer: Writer;
  readonly #shape: RecordShape;
  /** All of them: other records may come along. */
  readonly #shapes: ReadonlyMap<string, RecordShape>;
  readonly #caller: Caller;

  /** @param caller who answers what is asked once: the database, or a transaction. */
  constructor(
    connection: Connection,
    writer: Writer,
    shape: RecordShape,
    shapes: ReadonlyMap<string, RecordShape>,
    caller: Caller = connection,
  ) {
    this.#connection = connection;
    this.#writer = writer;
    this.#shape = shape;
    this.#shapes = shapes;
    this.#caller = caller;
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
    const text = await this.#caller.call((engine) => engine.get(this.#shape.entity, checked));
    return text === undefined ? undefined : this.#shape.decode(text);
  }

  async query(query?: AnyQuery): Promise<AnyRecord[]> {
    const { text, decode } = this.#prepare(query);
    return decode(await this.#caller.call((engine) => engine.query(this.#shape.entity, text)));
  }

  async first(query?: Omit<AnyQuery, "limit">): Promise<AnyRecord | undefined> {
    const [first] = await this.query({ ...query, limit: 1 });
    return first;
  }

  async count(query?: Matching<AnyRecord>): Promise<number> {
    const encoded = encodeQuery(query);
    return this.#caller.call((engine) => engine.count(this.#shape.entity, encoded));
  }

  async sum(field: string, query?: Matching<AnyRecord>): Promise<number> {
    return (await this.#sum(field, query))[0];
  }

  async avg(field: string, query?: Matching<AnyRecord>): Promise<number | null> {
    const [sum, count] = await this.#sum(field, query);
    return count === 0 ? null : sum / count;
  }

  async min(field: string, query?: Matching<AnyRecord>): Promise<NonNullable<unknown> | null> {
    return this.#end(field, false, query);
  }

  async max(field: string, query?: Matching<AnyRecord>): Promise<NonNullable<unknown> | null> {
    return this.#end(field, true, query);
  }

  async #sum(field: string, query?: Matching<AnyRecord>): Promise<[sum: number, count: number]> {
    const [encoded, name] = [encodeQuery(query), checkFieldName(field)];
    return this.#caller.call((engine) => engine.sum(this.#shape.entity, encoded, name));
  }

  async #end(field: string, isGreatest: boolean, query?: Matching<AnyRecord>): Promise<NonNullable<unknown> | null> {
    const [encoded, name] = [encodeQuery(query), checkFieldName(field)];
    const value = await this.#caller.call((engine) => engine.end(this.#shape.entity, encoded, name, isGreatest));
    return this.#shape.revive({ id: "", [name]: JSON.parse(value) })[name] ?? null;
  }

  async explain(query?: Query<AnyRecord>): Promise<QueryPlan> {
    const encoded = encodeQuery(query);
    const plan = await this.#caller.call((engine) => engine.explain(this.#shape.entity, encoded));
    return JSON.parse(plan) as QueryPlan;
  }

  watch(query?: AnyQuery, options: WatchOptions = {}): Watch<AnyRecord> {
    const { text, decode } = this.#prepare(query);
    return watch({
      connection: this.#connection,
      entity: this.#shape.entity,
      query: text,
      decode,
      signal: options.signal,
    });
  }

  /** A query as text, and how its answer is read. */
  #prepare(query: AnyQuery | undefined): { text: string; decode: (rows: string) => AnyRecord[] } {
    const plain = toPlainQuery(query);
    const come = along(this.#shapes, this.#shape, plain.include);
    return { text: JSON.stringify(plain), decode: (rows) => this.#shape.decodeAll(rows, come) };
  }
}

/** A new record, with an id if it has none. */
export function createDto(shape: RecordShape, input: AnyFields): Extract<WriteDto, { op: "create" }> & { id: string } {
  const { id, ...fields } = shape.encodeNew(input);
  return { op: "create", entity: shape.entity, id: checkId(id === undefined ? shape.newId(fields) : id), fields };
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
