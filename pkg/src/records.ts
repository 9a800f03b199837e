/** Records on their way between the app and the engine: JSON text there, objects with `Date`s here. */
import { appError } from "./errors.js";
import { type Json, toPlainObject } from "./guard.js";
import { newRecordId, pairId } from "./record-id.js";
import type { AnyPair, Entity, FieldSpec } from "./schema.js";

/** A record before its type is known. */
export interface AnyRecord {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** The engine's JSON of one record. */
type RawRecord = { id: string; [field: string]: unknown };

/** Records that come along with others, and what comes along with them. */
export interface Along {
  readonly name: string;
  readonly shape: RecordShape;
  readonly inside: readonly Along[];
}

/** How the records of one entity are read and written. */
export class RecordShape {
  readonly entity: string;
  readonly #fields: readonly (readonly [string, FieldSpec])[];
  readonly #pair: AnyPair;

  constructor(entity: string, declared: Entity) {
    this.entity = entity;
    this.#pair = declared.pair;
    this.#fields = Object.entries(declared.fields).map(([name, field]) => [name, field.spec]);
  }

  /** The fields that an app wants to write, checked and copied. Only timestamps may be dates. */
  encode(input: unknown): { [field: string]: Json } {
    const plain = toPlainObject(input, this.entity);
    for (const [name, spec] of this.#fields) {
      if (spec.type !== "timestamp" && Reflect.get(input as object, name) instanceof Date) {
        throw appError("value/type", `${this.entity}.${name} takes ${spec.type}, not a Date`);
      }
      const value = plain[name];
      if (spec.type === "attachment" && typeof value === "string" && !/^sha256-[0-9a-f]{64}$/.test(value)) {
        throw appError("value/type", `${this.entity}.${name} takes the address that attachments.add() gives`);
      }
    }
    return plain;
  }

  /** The fields of a new record, with the defaults of those that are not given. */
  encodeNew(input: unknown): { [field: string]: Json } {
    const fields = this.encode(input);
    for (const [name, spec] of this.#fields) {
      if (spec.default !== undefined && fields[name] === undefined) fields[name] = spec.default;
    }
    return fields;
  }

  /** The id of a new record. What a pair lacks, the engine says. */
  newId(fields: { readonly [field: string]: Json }): string {
    const [first, second] = (this.#pair ?? []).map((name) => fields[name]);
    return typeof first === "string" && typeof second === "string" ? pairId(first, second) : newRecordId();
  }

  /** One record from the engine. */
  decode(text: string): AnyRecord {
    return this.revive(JSON.parse(text) as RawRecord);
  }

  /** A list of records from the engine. */
  decodeAll(text: string, along: readonly Along[] = []): AnyRecord[] {
    return (JSON.parse(text) as RawRecord[]).map((record) => this.revive(record, along));
  }

  /** Makes dates of the timestamps among some fields. Works in place. */
  dates<Fields extends object>(fields: Fields): Fields {
    for (const [name, { type }] of this.#fields) {
      const value: unknown = Reflect.get(fields, name);
      if (type === "timestamp" && typeof value === "number") Reflect.set(fields, name, new Date(value));
    }
    return fields;
  }

  /** The entity that a field refers to. */
  target(field: unknown): string | undefined {
    return this.#fields.find(([name]) => name === field)?.[1].entity;
  }

  /** Makes dates of timestamps, and every declared field present. Works in place: the parsed object is nobody else's. */
  revive(record: RawRecord, along: readonly Along[] = []): AnyRecord {
    for (const { name, shape, inside } of along) {
      // The engine gives a list, one record or null.
      for (const come of [record[name] as RawRecord | RawRecord[] | null].flat()) {
        if (come !== null) shape.revive(come, inside);
      }
    }
    for (const [name, { type }] of this.#fields) {
      const value = record[name] ?? null;
      record[name] = type === "timestamp" && typeof value === "number" ? new Date(value) : value;
    }
    return record;
  }
}
