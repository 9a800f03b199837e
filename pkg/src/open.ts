/** Opening and deleting databases. */
import { adviseOnSchema } from "./advice.js";
import { attachmentHost } from "./attachment-host.js";
import { attachmentsDatabase } from "./attachments/types.js";
import { askWhenWaiting } from "./background.js";
import { Connection } from "./connection.js";
import { type Database, DatabaseFacade } from "./database.js";
import { toKey } from "./encryption.js";
import type { EngineModule, EventDto, Host } from "./engine.js";
import { appError, toWhimbrelError, UnsentChangesError, WhimbrelError } from "./errors.js";
import { HookRunner } from "./hooks.js";
import { Mailbox } from "./mailbox.js";
import { readMarker, storeName } from "./marker.js";
import { type OpenOptions, safetyOf, type ServerOptions, toOpenDto } from "./options.js";
import type { Entities } from "./schema.js";
import { forgetStorage, StorageHealth } from "./storage-health.js";

/** How to get the engine; the package and its tests have different answers. */
export type EngineLoader = () => Promise<EngineModule>;

export type Open = <E extends Entities, const Unit extends string = "all">(
  options: OpenOptions<E, Unit>,
) => Promise<Database<E, Unit>>;

export function createOpen(loadEngine: EngineLoader): Open {
  return async <E extends Entities, Unit extends string>(options: OpenOptions<E, Unit>) => {
    const database = await open(loadEngine, options as unknown as OpenOptions<Entities, string>);
    // The entities became properties of it.
    return database as unknown as Database<E, Unit>;
  };
}

async function open(loadEngine: EngineLoader, options: OpenOptions<Entities, string>): Promise<DatabaseFacade> {
  checkAborted(options.signal);
  // It is unpacked while all the rest goes on. Where it fails is where it is waited for.
  const loading = loadEngine();
  loading.catch(() => undefined);
  const converted = toOpenDto(options);
  const { name, user = null } = converted.dto;
  const health = new StorageHealth(name, user, safetyOf(options));
  try {
    return await openWith(loading, options, converted, health, (user) => open(loadEngine, { ...options, user }));
  } catch (thrown) {
    health.abandoned();
    throw thrown;
  }
}

async function openWith(
  loading: Promise<EngineModule>,
  options: OpenOptions<Entities, string>,
  { dto, steps }: ReturnType<typeof toOpenDto>,
  health: StorageHealth,
  reopen: (user: string | null) => Promise<DatabaseFacade>,
): Promise<DatabaseFacade> {
  const { name, user = null, signal, server, entities, encryption, network, hooks } = options;
  const key = encryption && (await toKey(encryption));
  const module = await loading;
  checkAborted(signal);
  let database: DatabaseFacade | undefined;
  const early: EventDto[] = [];
  const mailbox = new Mailbox<EventDto>((event) => {
    if (database === undefined) early.push(event);
    else database.handle(event);
  });
  const runner = new HookRunner(hooks);
  const engineOptions = { ...dto, mirrorUnsure: health.unmirrored };
  const host: Host = {
    token: () => token(server),
    beforeRun: (unit) => runner.before(unit),
    convert: (by, values) => steps.convert(by, values),
    waits: (change) => database?.waits(change) ?? false,
    event: (event) => mailbox.push(event),
  };
  const engine = await callModule(module, () => module.open(engineOptions, host, key)).catch((thrown: WhimbrelError) => {
    // The engine knows what the app's function said, not what it threw.
    throw thrown.code === "schema/step-failed" ? new WhimbrelError(thrown, { cause: steps.failure() }) : thrown;
  });
  const connection = new Connection(engine, module.health);
  if (signal?.aborted === true) {
    await connection.close();
    throw aborted(signal);
  }
  database = new DatabaseFacade(
    connection,
    entities,
    connection.callNow((engine) => engine.status()),
    health,
    {
      hooks: runner,
      adapter: network,
      senders: dto.schema.units.flatMap(({ name, push }) => (push.length > 0 ? [name] : [])),
      destroy: () => remove(module, name, user),
      reopen,
    },
  );
  adviseOnSchema(dto);
  health.opened(connection);
  for (const event of early) mailbox.push(event);
  if (options.backgroundSync === true) askWhenWaiting(options.name, database.sync, connection);
  await attach(options, database, connection, host);
  return database;
}

/** Starts what the app has brought for its attachments. Without them there is no database either: the app would miss them later. */
async function attach(
  options: OpenOptions<Entities, string>,
  database: DatabaseFacade,
  connection: Connection,
  host: Host,
): Promise<void> {
  if (options.attachments === undefined) return;
  try {
    database.attach(await options.attachments.start(attachmentHost(options, database, connection, () => host.token())));
  } catch (thrown) {
    await connection.close();
    throw thrown;
  }
}

/** A call that no open database makes. */
async function callModule<T>({ health }: EngineModule, work: () => Promise<T>): Promise<T> {
  if (health.trap !== null) throw health.trap;
  try {
    return await work();
  } catch (thrown) {
    health.notice(thrown);
    throw health.trap ?? toWhimbrelError(thrown);
  }
}

function token(server: ServerOptions | undefined): Promise<string | null> | string | null {
  const given = server?.token;
  return typeof given === "function" ? given() : (given ?? null);
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal);
}

function aborted(signal: AbortSignal): WhimbrelError {
  return appError("open/aborted", "opening the database was aborted", { cause: signal.reason });
}

/**
 * Deletes a database that is not open, with all that is in it. Resolves with the number of changes that were lost, as far as this origin
 * remembers; with any, `force` is needed.
 *
 * @throws `open/invalid`, `user/unsent-changes`, `store/…`
 */
export async function destroyDatabase(
  loadEngine: EngineLoader,
  name: string,
  user: string | null,
  force = false,
): Promise<number> {
  if (typeof name !== "string" || (user !== null && typeof user !== "string")) {
    throw appError("open/invalid", "a database has a name and, perhaps, a user; both are text");
  }
  const count = readMarker(storeName(name, user))?.pending ?? 0;
  if (count > 0 && !force) throw new UnsentChangesError(count, "deleting them needs force");
  await remove(await loadEngine(), name, user);
  return count;
}

async function remove(module: EngineModule, name: string, user: string | null): Promise<void> {
  forgetStorage(name, user);
  await callModule(module, () => module.destroy(name, user));
  await destroyAttachments(attachmentsDatabase(name, user));
}

/** How long the deletion of a database may take. */
const DELETED_MS_MAX = 5_000;

/** Other tabs let go of it when their database is deleted; one that cannot now does so later, and then it goes. */
function destroyAttachments(database: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (code: "store/failed" | "store/timeout", cause: unknown): void =>
      reject(new WhimbrelError({ code, message: `deleting "${database}": ${String(cause)}`, retryable: true, blame: "device" }));
    const late = setTimeout(() => fail("store/timeout", "no answer"), DELETED_MS_MAX);
    const gone = (): void => {
      clearTimeout(late);
      resolve();
    };
    try {
      const request = globalThis.indexedDB?.deleteDatabase(database);
      if (request === undefined) return gone();
      request.onsuccess = request.onblocked = gone;
      request.onerror = () => {
        clearTimeout(late);
        fail("store/failed", request.error);
      };
    } catch (cause) {
      clearTimeout(late);
      fail("store/failed", cause);
    }
  });
}
