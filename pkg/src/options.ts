/** The options of `open`: their types, and how they cross to the engine, which checks the rest. */
import type { AttachmentsPlugin } from "./attachments/types.js";
import type { Encryption } from "./encryption.js";
import type { EntityDto, OpenDto } from "./engine.js";
import { appError } from "./errors.js";
import { toPlainObject } from "./guard.js";
import type { Hooks } from "./hooks.js";
import type { CheckedRefs, EntityName, WritableName } from "./infer.js";
import { NETWORK_TYPES, type NetworkAdapter, type NetworkType } from "./network.js";
import type { AnyField, Entities, Entity, Fields } from "./schema.js";
import { type CollectedSteps, collectSteps, type StepsByVersion } from "./steps.js";

/** The conditions under which a unit runs. Times are milliseconds. */
export interface UnitPolicy {
  /** How long a run may take; what it has committed by then holds. No limit when absent. */
  readonly timeout?: number | undefined;
  /** How long a request may stand still; 30 seconds until an answer begins and 20 within it when absent. */
  readonly idleTimeout?: number | undefined;
  /** Changes of one request, at most; 500 when absent. */
  readonly batchSize?: number | undefined;
  /** Whether it tries again by itself: at most `base`, 2 · `base` … `cap` after a failure; 1,000 and 60,000 when absent. */
  readonly retry?: false | { readonly base: number; readonly cap: number } | undefined;
  /** The networks that it may use; all when absent. Most browsers know theirs as `unknown`. */
  readonly networks?: readonly NetworkType[] | undefined;
  /** Whether it waits while the user wants data to be saved. */
  readonly whenSaveData?: "run" | "wait" | undefined;
}

/** What is synced together: a list, or `both`, is sent and received; `push` and `pull` say it one by one. */
export type UnitSpec<E extends Entities> =
  | readonly EntityName<E>[]
  | ({
      readonly both?: readonly EntityName<E>[];
      readonly push?: readonly WritableName<E>[];
      readonly pull?: readonly EntityName<E>[];
    } & UnitPolicy);

/** Which unit runs by itself, and when. */
export interface AutoOptions<Unit extends string> {
  /** When the database is opened. */
  readonly start?: Unit;
  /** When the network comes back. */
  readonly online?: Unit;
  /** When the app comes back to the foreground. */
  readonly resume?: Unit;
  /** When somebody has signed in: `db.sync.signedIn()`. */
  readonly login?: Unit;
  /** When a record was written, after a moment of rest. */
  readonly change?: Unit;
  /** In an interval. */
  readonly every?: { readonly unit: Unit; readonly seconds: number };
}

export interface ServerOptions {
  /** The server's base URL, absolute or relative to the page: `"/v1"`. */
  readonly url: string | URL;
  /** The session's token. A function is asked when one is needed, once for all who wait, and again after the server refused its answer. */
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
  /** Where to hear of the network in place of the browser, such as `capacitor(…)` of `whimbrel/capacitor`. */
  readonly network?: NetworkAdapter | undefined;
  /** What the app does around runs. */
  readonly hooks?: Hooks<NoInfer<Unit>> | undefined;
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
  "unsent",
  "leave",
  "switchUser",
  "wipe",
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
  checkHooks(options);
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
  const { policy, fields, indexes, unique, lockedOffline, pair } = entity;
  check(pair === undefined || isPair(pair), `the pair of entities.${name} is a list of two names`);
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
    ...(lockedOffline && { lockedOffline }),
    ...(pair !== undefined && { pair: [...pair] }),
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
  const { both = [], push = [], pull = [], ...policy } = isList(unit) ? { both: unit } : unit;
  // What cannot be written here has nothing to send.
  const writable = both.filter((entity) => entities[entity]?.policy !== "readOnly");
  return { name, push: [...writable, ...push], pull: [...both, ...pull], ...policyDto(name, policy) };
}

type PolicyDto = Omit<OpenDto["schema"]["units"][number], "name" | "push" | "pull">;

function policyDto(name: string, policy: UnitPolicy): PolicyDto {
  const { timeout, idleTimeout, batchSize, retry, networks, whenSaveData, ...unknown } = policy;
  const [key] = Object.keys(unknown);
  check(key === undefined, `units.${name} has no option "${key}"`);
  for (const [option, value] of Object.entries({ timeout, idleTimeout, batchSize })) {
    check(value === undefined || isCount(value), `units.${name}.${option} is a whole number from 1`);
  }
  const isBackoff = !retry || (isCount(retry.base) && isCount(retry.cap) && retry.base <= retry.cap);
  check(isBackoff, `units.${name}.retry is false or { base, cap }, base at most cap`);
  const areKnown = networks === undefined || (networks.length > 0 && networks.every((one) => NETWORK_TYPES.includes(one)));
  check(areKnown, `units.${name}.networks is a list of ${NETWORK_TYPES.join(", ")}`);
  check([undefined, "run", "wait"].includes(whenSaveData), `units.${name}.whenSaveData is "run" or "wait"`);
  return {
    ...(timeout !== undefined && { timeout }),
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(batchSize !== undefined && { batchSize }),
    ...(retry === false ? { neverRetries: true } : retry !== undefined && { retry: { base: retry.base, cap: retry.cap } }),
    ...(networks !== undefined && { networks: [...networks] }),
    ...(whenSaveData === "wait" && { waitsForDataSaver: true }),
  };
}

function checkHooks({ hooks = {}, network }: OpenOptions<Entities, string>): void {
  const { beforeRun, afterRun, budget = 1, ...unknown } = hooks;
  const [key] = Object.keys(unknown);
  check(key === undefined, `there is no hook "${key}"`);
  const areCalls = [beforeRun, afterRun].every((hook) => hook === undefined || typeof hook === "function");
  check(areCalls && isCount(budget), "hooks are functions, and their budget a whole number of milliseconds");
  check(network === undefined || typeof network.start === "function", "network is an adapter with start()");
}

function autoDto({ start, online, resume, login, change, every }: AutoOptions<string>): OpenDto["auto"] {
  check(every === undefined || every.seconds > 0, "auto.every.seconds is above 0");
  return {
    ...(start !== undefined && { start }),
    ...(online !== undefined && { online }),
    ...(resume !== undefined && { resume }),
    ...(login !== undefined && { login }),
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

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every((name) => typeof name === "string");
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
