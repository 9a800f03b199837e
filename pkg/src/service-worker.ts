/**
 * `whimbrel/service-worker`: sends what waits when the browser says that there is a network, also when no page is open.
 *
 * The worker is to the database what any tab is: it takes its turn, what it has sent and stored stays, and it may be stopped at any moment.
 *
 * **Invariant:** the listener is added in the first turn of the script, as browsers demand.
 */
import { syncTag } from "./background.js";
import { type Entities, open, type OpenOptions, type Outcome, type ServerOptions } from "./index.js";

/** Who is signed in, as far as the worker can know it: from its own storage, for it outlives every page. */
export interface WorkerSession {
  readonly user?: string | null | undefined;
  readonly server: ServerOptions;
}

export interface DrainOptions<E extends Entities, Unit extends string> extends Pick<
  OpenOptions<E, Unit>,
  "name" | "entities" | "units" | "version" | "steps" | "durability" | "encryption"
> {
  /** The units that are run. Those that only push take the least of the time that the browser gives. */
  readonly send: NoInfer<Unit> | readonly NoInfer<Unit>[];
  /** Asked at every event. `null`, or a token that is `null`: nobody is signed in, and everything waits for the page. */
  readonly session: () => WorkerSession | null | Promise<WorkerSession | null>;
}

/** What a service worker is told of a sync event; TypeScript's declarations for workers cannot stand beside those for pages. */
interface SyncEvent extends Event {
  readonly tag: string;
  waitUntil(work: Promise<unknown>): void;
}

/** Listens for the sync events that the page asks for: `open({ …, backgroundSync: true })`. */
export function drainOnSync<E extends Entities, const Unit extends string>(options: DrainOptions<E, Unit>): void {
  const tag = syncTag(options.name);
  globalThis.addEventListener("sync", (event) => {
    const sync = event as SyncEvent;
    if (sync.tag === tag) sync.waitUntil(drain(options));
  });
}

/**
 * Sends what waits. Resolves to how the units' runs ended, or to `null` when nobody is signed in. Rejects when it is worth another attempt:
 * the browser makes it.
 */
export async function drain<E extends Entities, const Unit extends string>(
  options: DrainOptions<E, Unit>,
): Promise<Outcome[] | null> {
  const { send, session, ...rest } = options;
  const current = await session();
  if (current === null) return null;
  const { token } = current.server;
  if (typeof token === "function" && (await token()) === null) return null;
  const database = await open({ ...rest, user: current.user, server: current.server } as OpenOptions<E, Unit>);
  try {
    const runs = database.sync.trigger((typeof send === "string" ? [send] : send) as readonly Unit[]);
    const outcomes = await Promise.all(runs.map(({ settled }) => settled));
    for (const outcome of outcomes) {
      if (outcome.outcome === "error" && outcome.error.retryable) throw outcome.error;
    }
    return outcomes;
  } finally {
    await database.close();
  }
}
