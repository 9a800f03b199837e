/**
 * How safe the data on this device is: whether the browser may evict it, whether it has been wiped and what was recovered. It also does
 * what makes it safer: asks for persistence, remembers the database outside of it, renews the browser's log after a crash.
 *
 * **Invariant:** nothing here makes opening wait, or fail.
 */
import type { Connection } from "./connection.js";
import { toWhimbrelError, WhimbrelError } from "./errors.js";
import { Listeners, tell, type Unsubscribe } from "./listeners.js";
import { type Marker, readMarker, removeMarker, storeName, writeMarker } from "./marker.js";
import type { Safety } from "./options.js";
import { Session, sweep } from "./session.js";

/** What became of changes that waited when the browser wiped the database, or when it was damaged and began anew. */
export interface Wiped {
  /** Changes and refusals that were recovered from the mirror. */
  readonly recovered: number;
  /** Changes that waited and are lost, as far as known; `null` when nobody knows. */
  readonly lost: number | null;
}

export interface HealthStatus {
  /** Whether the browser promised not to evict the data; `null` until it has answered, or when it cannot be asked. */
  readonly persisted: boolean | null;
  /** What this database has lost since it was last opened; `null` when nothing. */
  readonly wiped: Wiped | null;
}

/** `db.health` */
export interface DatabaseHealth {
  /** The present state; the same object until something changes. */
  readonly status: HealthStatus;
  /** Tells a listener the present state at once, and every new one. */
  subscribe(listener: (status: HealthStatus) => void): Unsubscribe;
  /** Bytes that the origin uses and may use; `null` where the browser does not say. */
  usage(): Promise<{ readonly usage: number | null; readonly quota: number | null }>;
}

/** The engine's note of one recovery. */
interface Recovery {
  readonly changes: number;
  readonly refused: number;
  readonly whole: boolean;
}

/** What the engine says of its store. */
interface EngineHealth {
  readonly identity: string;
  /** Whether all of what follows is of this opening. */
  readonly isNew: boolean;
  /** By the identities of the stores that were lost; of this one, with the number of the commit that mended it, when it was damaged. */
  readonly recovered: { readonly [identity: string]: Recovery };
}

/** How long the number of waiting changes may be remembered wrongly. */
const REMEMBER_MS = 250;
/** How long a page may be busy before the log is renewed all the same. */
const IDLE_MS = 2_000;

export class StorageHealth implements DatabaseHealth {
  readonly #store: string;
  readonly #session: Session | null;
  readonly #before: Marker | null;
  readonly #listeners = new Listeners<HealthStatus>();
  readonly #endings: (() => void)[] = [];
  #status: HealthStatus = { persisted: null, wiped: null };
  #marker: Marker | null = null;
  #pending = 0;
  #remembering: ReturnType<typeof setTimeout> | undefined;
  #known = new Set<string>();
  #connection: Connection | undefined;

  constructor(name: string, user: string | null, safety: Safety) {
    this.#store = storeName(name, user);
    this.#session = safety.heal === false ? null : Session.begin();
    this.#before = readMarker(this.#store);
  }

  get status(): HealthStatus {
    return this.#status;
  }

  /** Whether the mirror of the last session is known to have missed something. */
  get unmirrored(): boolean {
    return this.#before?.unmirrored ?? false;
  }

  subscribe(listener: (status: HealthStatus) => void): Unsubscribe {
    const off = this.#listeners.add(listener);
    tell(listener, this.#status);
    return off;
  }

  async usage(): Promise<{ usage: number | null; quota: number | null }> {
    const { usage = null, quota = null } = (await storageManager()?.estimate?.()) ?? {};
    return { usage, quota };
  }

  /** The database is open. */
  opened(connection: Connection): void {
    if (connection.end !== null) return this.abandoned();
    this.#connection = connection;
    connection.onEnd((why) => this.#end(why));
    this.#follow();
    // The app's first reads come first.
    setTimeout(() => {
      if (this.#connection === undefined) return;
      void this.#look(this.#before);
      void this.#persist();
      void this.#heal();
    });
  }

  /** The database was not opened after all. */
  abandoned(): void {
    void this.#session?.end();
  }

  /** The engine has taken over a mirror that it found only now. */
  recovered(): void {
    void this.#look(null);
  }

  /** So many changes wait. */
  setPending(pending: number): void {
    if (pending === this.#pending) return;
    this.#pending = pending;
    this.#remembering ??= setTimeout(() => this.#remember({ pending: this.#pending }), REMEMBER_MS);
  }

  /** Something was not mirrored. */
  missed(): void {
    this.#remember({ unmirrored: true });
  }

  /** Compares what was remembered with what is there. */
  async #look(before: Marker | null): Promise<void> {
    try {
      const health = await this.#connection?.call(async (engine) => JSON.parse(await engine.health()) as EngineHealth);
      if (health === undefined) return;
      const { identity, isNew, recovered } = health;
      const isOther = before !== null && before.identity !== identity;
      const found = Object.entries(recovered).filter(
        ([lost]) => !this.#known.has(lost) && (isNew || this.#marker !== null || isUntold(lost, before)),
      );
      for (const lost of Object.keys(recovered)) this.#known.add(lost);
      if (isOther || found.length > 0) this.#tellWiped(before, found);
      this.#marker ??= { identity, pending: this.#pending, unmirrored: false };
      const damage = Math.max(0, ...Object.keys(recovered).map(damageOf));
      this.#remember({ pending: this.#pending, ...(damage > 0 && { damage }) });
    } catch {
      // The database was closed meanwhile, or its storage fails: whoever uses it is told.
    }
  }

  #tellWiped(before: Marker | null, recoveries: [string, Recovery][]): void {
    const found = recoveries.map(([, recovery]) => recovery);
    const recovered = found.reduce((sum, { changes, refused }) => sum + changes + refused, 0);
    const isWhole = found.length > 0 && found.every(({ whole }) => whole);
    const changes = found.reduce((sum, recovery) => sum + recovery.changes, 0);
    const missing = before === null ? null : Math.max(0, before.pending - changes);
    // A mirror with a gap may have lost changes that were never counted.
    const lost = isWhole ? 0 : found.length > 0 && missing === 0 ? null : missing;
    this.#set({ wiped: { recovered, lost } });
    const what = lost === 0 ? "none was lost" : lost === null ? "some may be lost" : `${lost} that waited are lost`;
    const isDamage = recoveries.some(([lost]) => damageOf(lost) > 0);
    const why = isDamage ? "the database was damaged and begins anew" : "the browser has wiped the database";
    const message = `${why}; ${recovered} changes were recovered, ${what}`;
    console.error("whimbrel:", deviceError(isDamage ? "store/corrupt" : "store/wiped", message));
  }

  /** Asks the browser not to evict the data. */
  async #persist(): Promise<void> {
    try {
      const manager = storageManager();
      if (manager?.persist === undefined) return;
      const persisted = (await manager.persisted?.()) === true || (await manager.persist());
      this.#set({ persisted });
      if (persisted) return;
      const message = "the browser may evict this origin's data when it runs out of space, or after days without use";
      console.warn("whimbrel:", deviceError("store/not-persistent", message));
    } catch (thrown) {
      console.warn("whimbrel: asking for persistent storage failed", toWhimbrelError(thrown));
    }
  }

  /** Heals what a page has left behind that was killed, in this session or another database's. */
  async #heal(): Promise<void> {
    if (this.#session === null) return;
    await idle();
    await sweep().catch((thrown: unknown) => console.warn("whimbrel: the browser's log was not renewed", thrown));
  }

  /** A page that goes away in an orderly manner remembers what it knows. */
  #follow(): void {
    if (typeof addEventListener !== "function") return;
    const hide = (): void => this.#remember({ pending: this.#pending });
    addEventListener("pagehide", hide);
    this.#endings.push(() => removeEventListener("pagehide", hide));
  }

  #remember(change: Partial<Marker>): void {
    clearTimeout(this.#remembering);
    this.#remembering = undefined;
    if (this.#marker === null || this.#connection === undefined) return;
    this.#marker = { ...this.#marker, ...change };
    writeMarker(this.#store, this.#marker);
  }

  #end(why: WhimbrelError): void {
    if (why.code === "store/deleted") removeMarker(this.#store);
    else this.#remember({ pending: this.#pending });
    clearTimeout(this.#remembering);
    this.#connection = undefined;
    for (const end of this.#endings.splice(0)) end();
    void this.#session?.end();
  }

  #set(change: Partial<HealthStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.#listeners.emit(this.#status);
  }
}

/** A database that somebody wants deleted is not missed afterwards. */
export function forgetStorage(name: string, user: string | null): void {
  removeMarker(storeName(name, user));
}

/** The number of the commit that mended a damaged database; 0 for one that was wiped. */
function damageOf(lost: string): number {
  return Number(lost.split("#")[1] ?? 0);
}

/** Whether the app was killed before it could be told. */
function isUntold(lost: string, before: Marker | null): boolean {
  const damage = damageOf(lost);
  return lost.split("#")[0] === before?.identity && (damage === 0 || damage > (before?.damage ?? 0));
}

function storageManager(): Partial<StorageManager> | undefined {
  return (globalThis as { readonly navigator?: Navigator }).navigator?.storage;
}

function deviceError(code: string, message: string): WhimbrelError {
  return new WhimbrelError({ code, message, retryable: false, blame: "device" });
}

/** Waits for a moment in which the page has nothing to do. */
function idle(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof requestIdleCallback === "function") requestIdleCallback(() => resolve(), { timeout: IDLE_MS });
    else setTimeout(resolve, IDLE_MS);
  });
}
