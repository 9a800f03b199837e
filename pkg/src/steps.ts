/**
 * How a schema came about, version by version. The functions of `steps` are asked once, when the database is opened, and say what is to be
 * done; the engine does it to records, and to changes that wait.
 */
import type { StepDto } from "./engine.js";
import { appError } from "./errors.js";

/** A value as it is stored: times are milliseconds since 1970. */
export type StoredValue = string | number | boolean;

/** The steps to one version. They are made in the order in which they are given; names are those that hold at that point. */
export interface Steps {
  /** A field has another name. */
  rename(entity: string, field: string, to: string): Steps;
  /** A field is gone. */
  remove(entity: string, field: string): Steps;
  /**
   * The values of a field become others, of another type perhaps. `to` is called with every value that is not `null`, once or more often, for
   * records and for changes that wait; so its result depends on nothing else.
   */
  convert<Old extends StoredValue>(entity: string, field: string, to: (value: Old) => StoredValue | Date | null): Steps;
  /** An entity has another name. */
  renameEntity(entity: string, to: string): Steps;
  /** An entity is gone. Changes of it that were not sent move to the inbox. */
  removeEntity(entity: string): Steps;
}

/** The steps of each version, from 2. A version to which nothing leads but new fields, indexes and entities needs none. */
export interface StepsByVersion {
  readonly [version: number]: (steps: Steps) => unknown;
}

type Converter = (value: never) => unknown;

/** What `steps` says, as the engine takes it, and the functions in it by their numbers. */
export interface CollectedSteps {
  readonly dtos: StepDto[];
  /** Converts a JSON array of values. */
  convert(by: number, values: string): string;
  /** What the last function that failed threw. */
  readonly failure: () => unknown;
}

export function collectSteps(steps: StepsByVersion, version: number): CollectedSteps {
  const dtos: StepDto[] = [];
  const converters: Converter[] = [];
  const versions = Object.keys(steps).map(Number);
  for (const to of versions.sort((left, right) => left - right)) {
    const declare = steps[to];
    if (!Number.isInteger(to) || to < 2 || to > version || typeof declare !== "function") {
      throw appError("schema/invalid", `steps has functions for the versions from 2 to ${version}`);
    }
    declare(recorder(to, dtos, converters));
  }
  let failure: unknown;
  const convert = (by: number, values: string): string => {
    try {
      return JSON.stringify((JSON.parse(values) as never[]).map((value) => toStored(converters[by]?.(value))));
    } catch (thrown) {
      failure = thrown;
      throw thrown;
    }
  };
  return { dtos, convert, failure: () => failure };
}

function recorder(version: number, dtos: StepDto[], converters: Converter[]): Steps {
  const add = (dto: StepDto): Steps => {
    dtos.push(dto);
    return steps;
  };
  const steps: Steps = {
    rename: (entity, field, to) => add({ version, entity, op: "rename", field, to }),
    remove: (entity, field) => add({ version, entity, op: "remove", field }),
    convert: (entity, field, to) => add({ version, entity, op: "convert", field, by: converters.push(to) - 1 }),
    renameEntity: (entity, to) => add({ version, entity, op: "renameEntity", to }),
    removeEntity: (entity) => add({ version, entity, op: "removeEntity" }),
  };
  return steps;
}

/** What a function gave, if it can be stored. */
function toStored(value: unknown): StoredValue | null {
  const stored = value instanceof Date ? value.getTime() : value;
  if (stored === null || typeof stored === "string" || typeof stored === "boolean" || Number.isFinite(stored)) {
    return stored as StoredValue | null;
  }
  throw appError("schema/step-failed", `a step's function gave ${String(value)}, which cannot be stored`);
}
