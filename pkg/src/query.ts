/** Queries: their types, and how they cross to the engine. */
import { appError } from "./errors.js";
import { type Json, toPlainObject } from "./guard.js";
import { encodeIncludes, type PlainIncludes } from "./include.js";
import type { RecordOf } from "./infer.js";
import type { Entity } from "./schema.js";

/** Conditions on one field; all of them must hold. Null is a value: `ne` finds it, and it is neither less nor greater than another. */
export type Condition<Value> = {
  readonly eq?: Value;
  readonly ne?: Value;
  readonly in?: readonly Value[];
} & (null extends Value ? { readonly isNull?: boolean } : unknown) &
  (NonNullable<Value> extends string ? { readonly startsWith?: string; readonly contains?: string } : unknown) &
  (NonNullable<Value> extends string | number | Date
    ? {
        readonly lt?: NonNullable<Value>;
        readonly lte?: NonNullable<Value>;
        readonly gt?: NonNullable<Value>;
        readonly gte?: NonNullable<Value>;
      }
    : unknown);

/** Conditions on a record; all of them must hold. A plain value means "equal to". */
export type Where<R> = { readonly [K in keyof R]?: R[K] | Condition<R[K]> } & {
  readonly and?: readonly Where<R>[];
  readonly or?: readonly Where<R>[];
  readonly not?: Where<R>;
};

export type Direction = "asc" | "desc";

/** Which records of an entity, in which order. Records that are equal in `orderBy` come in the order of their ids. */
export interface Query<R> {
  readonly where?: Where<R>;
  /** By several fields: `{ status: "asc", dueAt: "desc" }`, the first one counts most. */
  readonly orderBy?: { readonly [K in keyof R]?: Direction };
  /** At most so many. */
  readonly limit?: number;
  /** Leaves out so many of the first ones. */
  readonly offset?: number;
  /** Begins behind this record, which need not be there any more: the last one of the page before. Not together with `offset`. */
  readonly after?: Cursor<R> | undefined;
}

/** A record, or as much of it as says where it stands: the fields of `orderBy`, and the id. */
export type Cursor<R> = { readonly [K in keyof R]?: R[K] } & { readonly id: string };

/** How a query is answered, by what is known without reading a record. */
export interface QueryPlan {
  /** By ids, through an index, or through all records. */
  readonly access: "ids" | "index" | "rows";
  /** The fields of the index. */
  readonly index: readonly string[] | null;
  /** Parts of the index or of the records that are read, or ids. */
  readonly ranges: number;
  /** Whether records come in the order of the query: then nothing is sorted, and a `limit` ends the reading. */
  readonly ordered: boolean;
  /** Whether only records that match are read. */
  readonly exact: boolean;
  /** Records that are read, about. */
  readonly estimatedRows: number;
  /** Records there are, about. */
  readonly totalRows: number;
}

/** The same for each list of records that comes along with others. */
export type ListQuery<R> = Pick<Query<R>, "where" | "orderBy" | "limit" | "offset">;

/** Which records: all that match, in no order. */
export type Matching<R> = Pick<Query<R>, "where">;

/** The fields whose values are of a type; of a record of unknown type, any. */
type NameOf<R, Value> = string extends keyof R
  ? string
  : { [K in keyof R]: NonNullable<R[K]> extends Value ? K : never }[keyof R];

/** The fields with numbers. */
export type NumberName<R> = NameOf<R, number>;

/** The fields with an order. */
export type OrderedName<R> = NameOf<R, string | number | Date>;

/** The query that an entity takes. */
export type QueryOf<E extends Entity> = Query<RecordOf<E>>;

const PARTS: ReadonlySet<string> = new Set(["where", "orderBy", "limit", "offset", "after", "include"]);

/** A query before its type is known. */
interface AnyQuery {
  readonly where?: object | undefined;
  readonly orderBy?: object | undefined;
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
  readonly after?: object | undefined;
  readonly include?: object | undefined;
}

/** The query as the engine reads it, before it is text. */
interface PlainQuery {
  readonly where: Json | undefined;
  readonly orderBy: Json | undefined;
  readonly limit: number | undefined;
  readonly offset: number | undefined;
  readonly after: Json | undefined;
  readonly include: PlainIncludes | undefined;
}

/** The query as the engine reads it. */
export function encodeQuery(query?: AnyQuery): string {
  return JSON.stringify(toPlainQuery(query));
}

export function toPlainQuery(query: AnyQuery = {}): PlainQuery {
  if (typeof query !== "object" || query === null) throw appError("query/invalid", "a query is an object");
  const unknown = Object.keys(query).find((key) => !PARTS.has(key));
  if (unknown !== undefined) throw appError("query/invalid", `a query has no part "${unknown}"`);
  const { where, orderBy, limit, offset, after, include } = query;
  return {
    // A condition that is `undefined` is refused: leaving it out would answer with every record there is.
    where: where === undefined ? undefined : toPlainObject(where, "where", "refused"),
    orderBy: orderBy === undefined ? undefined : toSteps(toPlainObject(orderBy, "orderBy", "refused")),
    limit: checkCount(limit, "limit"),
    offset: checkCount(offset, "offset"),
    after: after === undefined ? undefined : toCursor(after, orderBy),
    include: include === undefined ? undefined : encodeIncludes(toPlainObject(include, "include", "refused")),
  };
}

/** Of a record, what says where it stands. */
function toCursor(after: object, orderBy: object = {}): { [field: string]: Json } {
  if (typeof after !== "object" || after === null) throw appError("query/invalid", "after is a record");
  const fields = ["id", ...Object.keys(orderBy)].map((name) => [name, Reflect.get(after, name)]);
  return toPlainObject(Object.fromEntries(fields), "after", "refused");
}

/** One object per field: the order of an object's keys means something here, and nothing in JSON. */
export function toSteps(orderBy: { [field: string]: Json }): { [field: string]: Json }[] {
  return Object.entries(orderBy).map(([field, direction]) => ({ [field]: direction }));
}

function checkCount(count: number | undefined, name: string): number | undefined {
  if (count === undefined || (Number.isSafeInteger(count) && count >= 0)) return count;
  throw appError("query/invalid", `${name} is a whole number from 0`);
}
