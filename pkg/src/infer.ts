/** What follows from an app's declarations: the types of its records, inputs, queries and names. Nothing here exists at run time. */
import type { AnyField, Entities, Entity, Fields, types } from "./schema.js";

/** Shows an intersection as one object, in editors and error messages. */
export type Flatten<T> = { [K in keyof T]: T[K] } & {};

type ValueOf<F extends AnyField> = F[typeof types]["value"];
type IsOptional<F extends AnyField> = F[typeof types]["optional"];
type Stored<F extends AnyField> = IsOptional<F> extends true ? ValueOf<F> | null : ValueOf<F>;
type OptionalNames<F extends Fields> = { [K in keyof F]: IsOptional<F[K]> extends true ? K : never }[keyof F];
type RequiredNames<F extends Fields> = Exclude<keyof F, OptionalNames<F>>;
type DefaultedNames<F extends Fields> = {
  [K in keyof F]: F[K][typeof types]["defaulted"] extends true ? K : never;
}[keyof F];

/** A record as it is read: every field is there, an optional one without a value is `null`. */
export type RecordOf<E extends Entity> = Flatten<
  { readonly id: string } & { readonly [K in keyof E["fields"]]: Stored<E["fields"][K]> }
>;

/** The id of a pair is made of its fields. */
type NewId<E extends Entity> = E["pair"] extends readonly [string, string] ? never : string;

/** What `create` takes. Optional fields, those with a default, and the id may be left out; a pair takes none. */
export type CreateInput<E extends Entity> = Flatten<
  { readonly id?: NewId<E> | undefined } & {
    readonly [K in Exclude<RequiredNames<E["fields"]>, DefaultedNames<E["fields"]>>]: ValueOf<E["fields"][K]>;
  } & {
    readonly [K in Extract<RequiredNames<E["fields"]>, DefaultedNames<E["fields"]>>]?:
      ValueOf<E["fields"][K]> | undefined;
  } & {
    readonly [K in OptionalNames<E["fields"]>]?: ValueOf<E["fields"][K]> | null | undefined;
  }
>;

/** What `update` takes: the fields that change. `null` empties an optional one. */
export type UpdateInput<E extends Entity> = { readonly [K in keyof E["fields"]]?: Stored<E["fields"][K]> | undefined };

/** The names of the entities. */
export type EntityName<E extends Entities> = keyof E & string;

/** The names of the entities that may be written on the device. */
export type WritableName<E extends Entities> = {
  [N in EntityName<E>]: E[N]["policy"] extends "readOnly" ? never : N;
}[EntityName<E>];

type Targets<E extends Entity> = {
  [K in keyof E["fields"]]: E["fields"][K][typeof types]["target"];
}[keyof E["fields"]];

/** What a schema must also satisfy: every `ref` names an entity that is there. */
export type CheckedRefs<E extends Entities> = {
  readonly [N in keyof E]: [Exclude<Targets<E[N]>, keyof E>] extends [never]
    ? unknown
    : Entity & { readonly "a ref() names an entity that is not declared": Exclude<Targets<E[N]>, keyof E> };
};
