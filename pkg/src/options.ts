/** The options of `open`: their types, and how they cross to the engine, which checks the rest. */
import type { AttachmentsPlugin } from "./attachments/types.js";
import type { Encryption } from "./encryption.js";
import type { EntityDto, OpenDto } from "./engine.js";
import { appError } from "./errors.js";
import { toPlainObject } from "./guard.js";
import type { CheckedRefs, EntityName, WritableName } from "./infer.js";
import type { AnyField, Entities, Entity, Fields } from "./schema.js";
import { type CollectedSteps, collectSteps, type StepsByVersion } from "./steps.js";

/** What is synced together: a list is sent and received; `push` and `pull` say it one by one. */
export type UnitSpec<E extends Entities> =
  readonly EntityName<E>[] | { readonly push?: readonly WritableName<E>[]; readonly pull?: readonly EntityName<E>[] };

/** Which unit runs by itself, and when. */
export interface AutoOptions<Unit extends string> {
  /** When the database is opened. */
  readonly start?: Unit;
  /** When the network comes back. */
  readonly online?: Unit;
  /** When the app comes back to the foreground. */
  readonly resume?: Unit;
  /** When a record was written, after a moment of rest. */
  readonly change?: Unit;
  /** In an interval. */
  readonly every?: { readonly unit: Unit; readonly seconds: number };
}

export interface ServerOptions {
  /** The server's base URL, absolute or relative to the page: `"/v1"`. */
  readonly url: string | URL;
  /** The session's token. A function is asked before every run, and once more when the server refused its answer. */
  readonly token?: string | (() => string | null | Promise<string | null>);
}

export interface OpenOptions<E extends Entities, Unit extends string> {
  /** The database's name: 1 to 64 bytes. */
  readonly name: string;
  /** Whose data it is. Every user has a database of their own. */
  readonly user?: string | null | undefined;
  /** Where to sync; a database without a server never does. */
  readonly server?: ServerOptions | undefined;
  /** The kinds of records. */
  readonly entities: E & CheckedRefs<E> & NoReservedNames;
  /** The sync units, by name. When absent there is one, `all`, with all entities. */
  readonly units?: { readonly [Name in Unit]: UnitSpec<E> };
  /** Which units run by themselves. None when absent. */
  readonly auto?: AutoOptions<NoInfer<Unit>> | undefined;
  /** The app's own number of its schema, from 1; 1 when absent. */
  readonly version?: number | undefined;
  /** How records of earlier versions become those of this one: `{ 2: (s) => s.rename("note", "text", "body") }`. */
  readonly steps?: StepsByVersion | undefined;
  /** `strict` flushes every write to the disk, for a price; `relaxed` (the default) leaves that to the operating system. */
  readonly durability?: "relaxed" | "strict" | undefined;
  /** The most that the page cache may hold, in bytes. */
  readonly cacheBytes?: number | undefined;
  /** Encrypts what is stored. A database is made encrypted or not, and stays so; the key can be changed. */
  readonly encryption?: Encryption | undefined;
  /** `attachments()` of `whimbrel/attachments`: `db.attachments`. */
  readonly attachments?: AttachmentsPlugin | undefined;
  /**
   * Has the service worker send what waits when the page is gone, where the browser has Background Sync; see `whimbrel/service-worker`.
   */
  readonly backgroundSync?: boolean | undefined;
  /** Gives up opening. */
  readonly signal?: AbortSignal | undefined;
}

/** Characters of an attachment's address. */
const ADDRESS_CHARACTERS = 71;

/** Names that a database has for itself, or that would make it something else (`then`: a promise). */
export const RESERVED_NAMES = [
  "attachments",
  "sync",
  "network",
  "inbox",
  "conflicts",
  "batch",
  "transaction",
  "change",
  "entity",
  "load",
  "export",
  "exportOutbox",
  "import",
  "health",
  "changeKey",
  "close",
  "closed",
  "then",
] as const;

/** For the tests of this package only: what guards the data, switched off to see what it guards against. Not part of the interface. */
export interface Safety {
  /** Whether the outbox is also kept in a second Storage Bucket. */
  readonly mirror?: boolean | undefined;
  /** Whether the browser's log is renewed after an unclean start. */
  readonly heal?: boolean | undefined;
}

export function safetyOf(options: object): Safety {
  return (options as { readonly safety?: Safety }).safety ?? {};
}

type NoReservedNames = { readonly [Name in (typeof RESERVED_NAMES)[number]]?: never };

/**
 * The options as the engine takes them: plain, whatever the app handed over.
 *
 * @throws `open/invalid`, `schema/invalid`, `value/…`
 */
export function toOpenDto(options: OpenOptions<Entities, string>): { dto: OpenDto; steps: CollectedSteps } {
  check(isObject(options), "the options are an object");
  const {
    name,
    user = null,
    server,
    entities,
    units,
    auto = {},
    version = 1,
    durability = "relaxed",
    cacheBytes,
  } = options;
  check(typeof name === "string", "name is text");
  check(user === null || typeof user === "string", "user is text");
  check(server === undefined || typeof server.url === "string" || server.url instanceof URL, "server.url is a URL");
  check(isCount(version), "version is a whole number from 1");
  check(durability === "relaxed" || durability === "strict", 'durability is "relaxed" or "strict"');
  check(cacheBytes === undefined || isCount(cacheBytes), "cacheBytes is a whole number from 1");
  check(isObject(entities), "entities is an object");
  check(isObject(options.steps ?? {}), "steps is an object");
  const steps = collectSteps(options.steps ?? {}, version);
  const dto: OpenDto = {
    name,
    user,
    url: server === undefined ? null : String(server.url),
    schema: {
      version,
      entities: Object.entries(entities).map(([name, entity]) => entityDto(name, entity)),
      units: Object.entries(units ?? { all: Object.keys(entities) }).map(([name, unit]) =>
        unitDto(name, unit, entities),
      ),
    },
    steps: steps.dtos,
    auto: autoDto(auto),
    strict: durability === "strict",
    cacheBytes: cacheBytes ?? null,
    noMirror: safetyOf(options).mirror === false,
    mirrorUnsure: false,
  };
  return { dto: toPlainObject(dto, "options") as unknown as OpenDto, steps };
}

function entityDto(name: string, entity: Entity): EntityDto {
  check(isObject(entity) && isObject(entity.fields), `entities.${name} is made by entity()`);
  if (RESERVED_NAMES.some((reserved) => reserved === name)) {
    throw appError("schema/invalid", `"${name}" is a name that the database has for itself`);
  }
  const { policy, fields, indexes, unique } = entity;
  check(isListOfLists(indexes) && isListOfLists(unique), `the indexes of entities.${name} are lists of names`);
  return {
    name,
    policy,
    fields: Object.entries(fields).map(([field, made]) => fieldDto(name, field, made)),
    indexes: [
      ...indexes.map((fields) => ({ fields: [...fields], unique: false })),
      ...uniqueFields(fields).map((field) => ({ fields: [field], unique: true })),
      ...unique.map((fields) => ({ fields: [...fields], unique: true })),
    ],
  };
}

function uniqueFields(fields: Fields): string[] {
  return Object.entries(fields).flatMap(([name, { spec }]) => (spec.unique === true ? [name] : []));
}

function fieldDto(entity: string, name: string, field: AnyField): EntityDto["fields"][number] {
  check(isObject(field) && isObject(field.spec), `entities.${entity}.${name} is made by text(), integer() …`);
  const { unique: _, ...spec } = field.spec; // It is among the entity's indexes.
  // To the engine an address is text.
  if (spec.type === "attachment") return { name, ...spec, type: "text", max: ADDRESS_CHARACTERS };
  return { name, ...spec, type: spec.type };
}

function unitDto(name: string, unit: UnitSpec<Entities>, entities: Entities): OpenDto["schema"]["units"][number] {
  check(isObject(unit), `units.${name} is a list of entities or { push, pull }`);
  if (!isList(unit)) return { name, push: [...(unit.push ?? [])], pull: [...(unit.pull ?? [])] };
  // What cannot be written here has nothing to send.
  return { name, push: unit.filter((entity) => entities[entity]?.policy !== "readOnly"), pull: [...unit] };
}

function autoDto({ start, online, resume, change, every }: AutoOptions<string>): OpenDto["auto"] {
  check(every === undefined || every.seconds > 0, "auto.every.seconds is above 0");
  return {
    ...(start !== undefined && { start }),
    ...(online !== undefined && { online }),
    ...(resume !== undefined && { resume }),
    ...(change !== undefined && { change }),
    // The engine counts whole seconds.
    ...(every !== undefined && { every: { unit: every.unit, seconds: Math.ceil(every.seconds) } }),
  };
}

function isList(unit: UnitSpec<Entities>): unit is readonly string[] {
  return Array.isArray(unit);
}

function isListOfLists(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => Array.isArray(one));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function check(holds: boolean, message: string): void {
  if (!holds) throw appError("open/invalid", message);
}
