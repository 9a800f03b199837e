/**
 * The words in which an app declares its data: fields, entities, policies. Each step gives a new value, nothing is changed in place,
 * so a field can be declared once and used in several entities.
 */
import { appError } from "./errors.js";

/**
 * What may be written on the device, and how the server settles differences:
 * - `readOnly`: pulled only; a local write is an error.
 * - `appendOnly`: new records only.
 * - `lastWriteWins`: by field, the last change to reach the server wins.
 * - `merge`: by field, against the value that the change was made on.
 * - `detectConflicts`: a change made on an older version is a conflict.
 */
export type Policy = "readOnly" | "appendOnly" | "lastWriteWins" | "merge" | "detectConflicts";

/**
 * Whose value counts when two changes of a field meet, with the policy `merge`; a field without one is a conflict then. The server decides,
 * by its own configuration; this is what the device shows until it has.
 * - `server`, `client`: that side's.
 * - `newest`: the one that was written last, by the devices' clocks.
 * - `sum`: both differences add up; for numbers.
 * - `union`: a text is a set of lines; what either side added is in, what either side removed is out.
 */
export type MergeRule<Value = unknown> =
  | "server"
  | "client"
  | "newest"
  | (Value extends number ? "sum" : never)
  | (Value extends string ? "union" : never);

export type FieldType = "text" | "integer" | "real" | "boolean" | "timestamp" | "ref" | "attachment";

/** What the engine is told of a field. */
export interface FieldSpec {
  readonly type: FieldType;
  readonly optional: boolean;
  readonly index: boolean;
  readonly unique?: boolean;
  readonly max?: number;
  readonly oneOf?: readonly string[];
  readonly entity?: string;
  readonly default?: string | number | boolean;
  readonly onDelete?: OnDelete;
  readonly merge?: MergeRule<number> | MergeRule<string>;
}

/**
 * What the deletion of a record does to those that refer to it: it is refused while there are any, they are deleted too, or they refer to
 * nothing afterwards.
 */
export type OnDelete = "restrict" | "cascade" | "setNull";

/** Carries a field's types; there is no such property at run time. */
export declare const types: unique symbol;

/** A field of an entity: its value in JavaScript, whether a record may be without it, the entity it refers to, whether it has a default. */
export interface Field<
  Value,
  Optional extends boolean = false,
  Target extends string = never,
  Defaulted extends boolean = false,
> {
  readonly [types]: {
    readonly value: Value;
    readonly optional: Optional;
    readonly target: Target;
    readonly defaulted: Defaulted;
  };
  readonly spec: FieldSpec;
  /** A record may be without it: its value may be `null`. */
  optional(): Field<Value, true, Target, Defaulted>;
  /** Keeps an index over it, for `where` and `orderBy`. */
  index(): Field<Value, Optional, Target, Defaulted>;
  /** No two records have the same value in it; `null` is no value. Keeps an index over it, too. */
  unique(): Field<Value, Optional, Target, Defaulted>;
  /** The value of a record that is made without one, and of those that were there before the field was. */
  default(value: Value): Field<Value, Optional, Target, true>;
  /** Whose value counts when two changes of it meet. */
  merge(rule: MergeRule<Value>): Field<Value, Optional, Target, Defaulted>;
}

/** A field of text. */
export interface TextField<
  Optional extends boolean = false,
  Defaulted extends boolean = false,
  Value extends string = string,
> extends Field<Value, Optional, never, Defaulted> {
  optional(): TextField<true, Defaulted, Value>;
  index(): TextField<Optional, Defaulted, Value>;
  unique(): TextField<Optional, Defaulted, Value>;
  default(value: Value): TextField<Optional, true, Value>;
  merge(rule: MergeRule<Value>): TextField<Optional, Defaulted, Value>;
  /** At most so many characters (Unicode scalar values). */
  max(characters: number): TextField<Optional, Defaulted, Value>;
  /** One of these texts, and no other. */
  oneOf<const Texts extends readonly [string, ...string[]]>(
    ...texts: Texts
  ): TextField<Optional, Defaulted, Texts[number]>;
}

/** A reference that a deletion empties. It becomes a field when it is `optional()`. */
export interface EmptiedRef<Target extends string> {
  optional(): Field<string, true, Target>;
  index(): EmptiedRef<Target>;
  unique(): EmptiedRef<Target>;
}

export type AnyField = Omit<Field<unknown, boolean, string, boolean>, "default">;

export interface Fields {
  readonly [name: string]: AnyField;
}

/** Two fields of an entity: refs that every record has. */
type PairOf<F extends Fields> = readonly [PairName<F>, PairName<F>];
type PairName<F extends Fields> = {
  [K in keyof F]: [F[K][typeof types]["target"]] extends [never]
    ? never
    : F[K][typeof types]["optional"] extends true
      ? never
      : K;
}[keyof F] &
  string;

/** The names of a pair's fields; none when an entity is not one. */
export type AnyPair = readonly [string, string] | undefined;

/** One kind of record. */
export interface Entity<F extends Fields = Fields, P extends Policy = Policy, R extends AnyPair = AnyPair> {
  readonly fields: F;
  readonly policy: P;
  readonly indexes: readonly (readonly string[])[];
  readonly unique: readonly (readonly string[])[];
  readonly lockedOffline: boolean;
  readonly pair: R;
}

/** The fields of an index, by their names: one to eight. */
type IndexFields<F extends Fields> = readonly [keyof F & string, ...(keyof F & string)[]];

export interface EntityOptions<F extends Fields, P extends Policy, R extends AnyPair = AnyPair> {
  /** See {@link Policy}; `lastWriteWins` when absent. */
  readonly sync?: P;
  /** Indexes over several fields: `["status", "dueAt"]` is for an equal `status` and any condition or order of `dueAt`. */
  readonly indexes?: readonly IndexFields<NoInfer<F>>[];
  /** No two records have the same values in all fields of one of these; those in which one is `null` are not compared. Indexes, too. */
  readonly unique?: readonly IndexFields<NoInfer<F>>[];
  /** It is not written while it is known that there is no network: `policy/locked-offline`. For records that nobody may change twice. */
  readonly lockedOffline?: boolean;
  /**
   * Its records stand for a pair of others, as those of a junction do: the two refs that are named. The id is made of both (`pairId`), so each pair
   * is there once or not: adding one that is there is no error. Of an add and a removal that did not know of each other, the later one counts.
   */
  readonly pair?: R;
}

/** The entities of an app, by name. */
export interface Entities {
  readonly [name: string]: Entity;
}

const CHARACTERS_MAX = 2 ** 32 - 1;

/** Text. */
export const text = (): TextField => field({ type: "text", optional: false, index: false });
/** A whole number within ±(2⁵³ − 1). */
export const integer = (): Field<number> => field({ type: "integer", optional: false, index: false });
/** A finite number. */
export const real = (): Field<number> => field({ type: "real", optional: false, index: false });
/** True or false. */
export const boolean = (): Field<boolean> => field({ type: "boolean", optional: false, index: false });
/** A `Date`, to the millisecond. */
export const timestamp = (): Field<Date> => field({ type: "timestamp", optional: false, index: false });
/**
 * The id of a record of another entity (or of the same one). With `onDelete` it is enforced on the device: the other record must be there
 * when the reference is written, and its deletion does what {@link OnDelete} says.
 */
export function ref<const Target extends string>(
  entity: Target,
  options: { readonly onDelete: "setNull" },
): EmptiedRef<Target>;
export function ref<const Target extends string>(
  entity: Target,
  options?: { readonly onDelete?: "restrict" | "cascade" },
): Field<string, false, Target>;
export function ref(entity: string, { onDelete }: { readonly onDelete?: OnDelete } = {}): never {
  return field({ type: "ref", optional: false, index: false, entity, ...(onDelete !== undefined && { onDelete }) });
}

/** The address of an attachment, as `db.attachments.add` gives it. Keeps an index over it, to find the records that refer to one. */
export const attachment = (): Field<string> => field({ type: "attachment", optional: false, index: true });

/** One kind of record. Every record also has an `id` (text), which the engine makes when none is given. */
export function entity<
  F extends Fields,
  const P extends Policy = "lastWriteWins",
  const R extends PairOf<NoInfer<F>> | undefined = undefined,
>(fields: F & { readonly id?: never }, options: EntityOptions<F, P, R> = {}): Entity<F, P, R> {
  const { sync = "lastWriteWins" as P, indexes = [], unique = [], lockedOffline = false, pair } = options;
  return { fields, policy: sync, indexes, unique, lockedOffline, pair: pair as R };
}

/** All fields are made of one kind of object; their interfaces say which steps make sense for which type. */
function field<Made>(spec: FieldSpec): Made {
  return {
    spec,
    optional: () => field({ ...spec, optional: true }),
    index: () => field({ ...spec, index: true }),
    unique: () => field({ ...spec, unique: true }),
    merge: (rule: NonNullable<FieldSpec["merge"]>) => field({ ...spec, merge: rule }),
    default: (value: string | number | boolean | Date) =>
      field({ ...spec, default: value instanceof Date ? value.getTime() : value }),
    max: (characters: number) => {
      if (!Number.isInteger(characters) || characters < 1 || characters > CHARACTERS_MAX) {
        throw appError("schema/invalid", `max(${characters}): a whole number of characters from 1`);
      }
      return field({ ...spec, max: characters });
    },
    oneOf: (...texts: string[]) => {
      if (texts.length === 0 || texts.some((text) => typeof text !== "string")) {
        throw appError("schema/invalid", "oneOf() takes the texts that are possible");
      }
      return field({ ...spec, oneOf: texts });
    },
  } as Made;
}
