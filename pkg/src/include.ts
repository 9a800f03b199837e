/**
 * `include`: the records that come along with those a query finds. What may be asked for and what comes back follow from the refs of the
 * schema, in both directions.
 */
import type { Json } from "./guard.js";
import type { EntityName, Flatten, RecordOf } from "./infer.js";
import { type ListQuery, toSteps } from "./query.js";
import type { Along, RecordShape } from "./records.js";
import type { AnyField, Entities, Entity, types } from "./schema.js";

/** The entity that a field refers to. */
type TargetOf<F extends AnyField | undefined> = F extends AnyField ? F[typeof types]["target"] : never;

/** The fields of an entity that refer to records of `Target`. */
type RefName<E extends Entity, Target extends string = string> = {
  [F in keyof E["fields"] & string]: [TargetOf<E["fields"][F]>] extends [never]
    ? never
    : TargetOf<E["fields"][F]> extends Target
      ? F
      : never;
}[keyof E["fields"] & string];

/** The record that a field of ours names, or `null`. */
type ToOne<E extends Entities, N extends EntityName<E>> = {
  [F in RefName<E[N]>]: { readonly via: F; readonly include?: Includes<E, TargetOf<E[N]["fields"][F]>> };
}[RefName<E[N]>];

/** The records whose field names ours, for each record a query of its own. */
type FromMany<E extends Entities, N extends EntityName<E>> = {
  [From in EntityName<E>]: {
    [F in RefName<E[From], N>]: { readonly from: From; readonly via: F } & Listed<E, From>;
  }[RefName<E[From], N>];
}[EntityName<E>];

/** The records that a third entity puts beside ours: its `via` names ours, its `to` names theirs. */
type ThroughMany<E extends Entities, N extends EntityName<E>> = {
  [Between in EntityName<E>]: {
    [F in RefName<E[Between], N>]: {
      [To in RefName<E[Between]>]: {
        readonly through: Between;
        readonly via: F;
        readonly to: To;
      } & Listed<E, TargetOf<E[Between]["fields"][To]>>;
    }[RefName<E[Between]>];
  }[RefName<E[Between], N>];
}[EntityName<E>];

type Listed<E extends Entities, N extends EntityName<E>> = ListQuery<RecordOf<E[N]>> & {
  readonly include?: Includes<E, N>;
};

/** What may come along with the records of an entity, under names that are not its fields'. */
export interface Includes<E extends Entities, N extends EntityName<E>> {
  readonly [name: string]: ToOne<E, N> | FromMany<E, N> | ThroughMany<E, N>;
}

/** The entity that an include brings. */
type FarName<E extends Entities, N extends EntityName<E>, Part> = Part extends { readonly from: infer From }
  ? From & EntityName<E>
  : Part extends { readonly through: infer Between extends EntityName<E>; readonly to: infer To }
    ? TargetOf<E[Between]["fields"][To & string]> & EntityName<E>
    : Part extends { readonly via: infer F }
      ? TargetOf<E[N]["fields"][F & string]> & EntityName<E>
      : never;

type Inside<Part> = Part extends { readonly include: infer I } ? I : {};

type Come<E extends Entities, N extends EntityName<E>, Part> =
  With<E, FarName<E, N, Part>, Inside<Part>> extends infer R
    ? Part extends { readonly from: unknown } | { readonly through: unknown }
      ? readonly R[]
      : R | null
    : never;

/** A record with what comes along, as far as its names are known. */
export type With<E extends Entities, N extends EntityName<E>, I> = [keyof I] extends [never]
  ? RecordOf<E[N]>
  : string extends keyof I
    ? RecordOf<E[N]>
    : Flatten<RecordOf<E[N]> & { readonly [Name in keyof I]: Come<E, N, I[Name]> }>;

type ListPart = "where" | "orderBy" | "limit" | "offset" | "include";
type PartName<Part> = Part extends { readonly from: unknown }
  ? "from" | "via" | ListPart
  : Part extends { readonly through: unknown }
    ? "through" | "via" | "to" | ListPart
    : "via" | "include";

type None<Names extends PropertyKey> = { readonly [Name in Names]?: never };

/** The names of a record's fields; none are known of a record of unknown type. */
type FieldName<R> = string extends keyof R ? never : keyof R;

/** A type that is inferred takes every property; this refuses those that mean nothing, and names that are fields already. */
export type Checked<E extends Entities, N extends EntityName<E>, I> = {
  readonly [Name in keyof I]: Name extends FieldName<RecordOf<E[N]>>
    ? never
    : None<Exclude<keyof I[Name], PartName<I[Name]>>> &
        Fields<RecordOf<E[FarName<E, N, I[Name]>]>, I[Name]> & {
          readonly include?: Checked<E, FarName<E, N, I[Name]>, Inside<I[Name]>>;
        };
};

type Fields<R, Part> = (Part extends { readonly where: infer W }
  ? { readonly where: None<Exclude<keyof W, keyof R | "and" | "or" | "not">> }
  : unknown) &
  (Part extends { readonly orderBy: infer O } ? { readonly orderBy: None<Exclude<keyof O, keyof R>> } : unknown);

/** What a query says beside the records it is about. */
export interface Including<E extends Entities, N extends EntityName<E>, I extends Includes<E, N>> {
  readonly include?: I & Checked<E, N, I>;
}

/** Plain JSON of `include`, as the engine reads it. */
export type PlainIncludes = { [name: string]: Json };

/** The order of an object's keys means something in `orderBy`, at every level. Changes what it is given, which is nobody else's. */
export function encodeIncludes(includes: PlainIncludes): PlainIncludes {
  for (const part of Object.values(includes)) {
    if (!isObject(part)) continue;
    const { orderBy, include } = part;
    if (isObject(orderBy)) part["orderBy"] = toSteps(orderBy);
    if (isObject(include)) encodeIncludes(include);
  }
  return includes;
}

/** How to read what comes along. The engine has checked the names: what is unknown here was refused there. */
export function along(
  shapes: ReadonlyMap<string, RecordShape>,
  shape: RecordShape,
  includes: Json | undefined,
): Along[] {
  if (!isObject(includes)) return [];
  return Object.entries(includes).flatMap(([name, part]) => {
    if (!isObject(part)) return [];
    const { from, through, via, to, include } = part;
    const between = typeof through === "string" ? shapes.get(through) : shape;
    const entity = from ?? between?.target(through === undefined ? via : to);
    const far = typeof entity === "string" ? shapes.get(entity) : undefined;
    return far === undefined ? [] : [{ name, shape: far, inside: along(shapes, far, include) }];
  });
}

function isObject(json: Json | undefined): json is { [key: string]: Json } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
