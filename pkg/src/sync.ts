/**
 * The sync as the app sees it: requests and how they end, events, and one observable status.
 *
 * **Invariant:** a request is settled exactly once, also when the database is closed or the engine crashes.
 */
import type { Connection } from "./connection.js";
import type { EventDto, StatusDto } from "./engine.js";
import { appError, toWhimbrelError, type WhimbrelError } from "./errors.js";
import { Listeners, tell, type Unsubscribe } from "./listeners.js";
import { type RunEventDto, type SyncEvents, type SyncStatus, toStatus, toSyncEvent } from "./status.js";

/** How a request ended. `run` is the run that served it. */
export type Outcome =
  | { readonly outcome: "complete"; readonly run: string | null }
  | { readonly outcome: "error"; readonly run: string | null; readonly error: WhimbrelError }
  /** Dropped before it ran, by a `trigger` with `discardPending`. */
  | { readonly outcome: "discarded"; readonly run: null }
  /** Stopped by `cancel()`, or by closing the database. */
  | { readonly outcome: "cancelled"; readonly run: string | null };

/** A request for a run. */
export interface Run<Unit extends string = string> {
  readonly unit: Unit;
  /** How it ended. Never rejects: a failure is an outcome. */
  readonly settled: Promise<Outcome>;
}

export interface TriggerOptions {
  /** Drops the requests that wait. Local changes are never dropped. */
  readonly discardPending?: boolean | undefined;
  /** The units' own conditions (`networks`, `whenSaveData`) do not count: the user wants it now. */
  readonly anyNetwork?: boolean | undefined;
}

/** `db.sync` */
export interface Sync<Unit extends string> {
  /** The present status; the same object until something changes. */
  readonly status: SyncStatus<Unit>;
  /** Asks for a run of a unit, in the background, one after the other. Returns at once. */
  trigger(unit: Unit, options?: TriggerOptions): Run<Unit>;
  /** Asks for runs of several units, in this order, with nothing in between. */
  trigger(units: readonly Unit[], options?: TriggerOptions): Run<Unit>[];
  /** Tells a listener of every event of one type from now on. */
  on<Type extends keyof SyncEvents>(type: Type, listener: (event: SyncEvents<Unit>[Type]) => void): Unsubscribe;
  /** Tells a listener the present status at once, and every new one. */
  subscribe(listener: (status: SyncStatus<Unit>) => void): Unsubscribe;
  /** Does not wait for the next attempt. */
  retryNow(): void;
  /**
   * Somebody has signed in, or there is a new token: the old one is forgotten, what failed for want of one is tried again, and the unit of
   * `auto.login` runs.
   */
  signedIn(): void;
  /** Stops the active run, in whichever tab it is. What it has sent and stored stays. */
  cancel(): void;
  /**
   * Lets no run start any more, in any tab, also after a reload. The active one ends at its next batch. What is asked for meanwhile waits.
   * Resolves when that is on the device.
   */
  pause(): Promise<void>;
  /** Ends a pause, whoever made it. */
  resume(): Promise<void>;
}

interface Request {
  readonly unit: string;
  readonly settle: (outcome: Outcome) => void;
}

type Settled = Extract<EventDto, { type: "settled" }>;

export class SyncFacade implements Sync<string> {
  readonly #connection: Connection;
  readonly #requests = new Map<number, Request>();
  readonly #statusListeners = new Listeners<SyncStatus>();
  readonly #listeners: { readonly [Type in keyof SyncEvents]: Listeners<SyncEvents[Type]> } = {
    start: new Listeners(),
    progress: new Listeners(),
    complete: new Listeners(),
    error: new Listeners(),
    discarded: new Listeners(),
    cancelled: new Listeners(),
  };
  #status: SyncStatus;
  /** Whether handlers of a run's end are running, those that wait for `settled` among them. */
  #isEnding = false;

  constructor(connection: Connection, status: SyncStatus) {
    this.#connection = connection;
    this.#status = status;
    connection.onEnd((why) => this.#settleAll(why));
  }

  get status(): SyncStatus {
    return this.#status;
  }

  trigger(unit: string, options?: TriggerOptions): Run;
  trigger(units: readonly string[], options?: TriggerOptions): Run[];
  trigger(units: string | readonly string[], options: TriggerOptions = {}): Run | Run[] {
    if (typeof units !== "string") return this.#trigger(units, options);
    const [run] = this.#trigger([units], options);
    if (run === undefined) throw new TypeError("one unit has one run");
    return run;
  }

  on<Type extends keyof SyncEvents>(type: Type, listener: (event: SyncEvents[Type]) => void): Unsubscribe {
    if (!Object.hasOwn(this.#listeners, type)) throw appError("sync/unknown-event", `there is no sync event "${type}"`);
    return this.#listeners[type].add(listener);
  }

  subscribe(listener: (status: SyncStatus) => void): Unsubscribe {
    const off = this.#statusListeners.add(listener);
    tell(listener, this.#status);
    return off;
  }

  retryNow(): void {
    this.#connection.callNow((engine) => engine.retryNow());
  }

  signedIn(): void {
    this.#connection.callNow((engine) => engine.signedIn());
  }

  cancel(): void {
    this.#connection.callNow((engine) => engine.cancel());
  }

  pause(): Promise<void> {
    return this.#connection.call((engine) => engine.setPaused(true));
  }

  resume(): Promise<void> {
    return this.#connection.call((engine) => engine.setPaused(false));
  }

  /** A run has begun, got on, or ended. */
  handle(dto: RunEventDto): void {
    const event = toSyncEvent(dto);
    if (event.type === "error" && this.#listeners.error.size === 0) {
      console.error(`whimbrel: the sync of "${event.unit}" failed`, event.error);
    }
    if (event.type === "complete" || event.type === "error" || event.type === "cancelled") this.#end();
    this.#emit(event);
  }

  /** What is asked for until the next turn of the event loop is a consequence of the end of a run. */
  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    setTimeout(() => {
      this.#isEnding = false;
    });
  }

  /** Requests have come to their end. */
  settle({ requests, outcome, run, error }: Settled): void {
    for (const number of requests) {
      const request = this.#requests.get(number);
      // Requests that the engine made by itself have numbers too, and nobody who waits.
      if (request === undefined) continue;
      this.#requests.delete(number);
      switch (outcome) {
        case "complete":
        case "cancelled":
          request.settle({ outcome, run: run ?? null });
          break;
        case "error": {
          const why = toWhimbrelError(error);
          if (why.code === "sync/loop") console.error(`whimbrel: "${request.unit}" asks for itself at its own end`, why);
          request.settle({ outcome, run: run ?? null, error: why });
          break;
        }
        case "discarded":
          request.settle({ outcome, run: null });
          this.#emit({ type: "discarded", unit: request.unit });
          break;
      }
    }
  }

  setStatus(dto: StatusDto): void {
    this.#status = toStatus(dto);
    this.#statusListeners.emit(this.#status);
  }

  #trigger(units: readonly string[], { discardPending = false, anyNetwork = false }: TriggerOptions): Run[] {
    if (units.length === 0) return [];
    const numbers = this.#connection.callNow((engine) =>
      engine.trigger([...units], discardPending, this.#isEnding, anyNetwork),
    );
    return units.map((unit, place) => {
      const number = numbers[place];
      const settled = new Promise<Outcome>((settle) => {
        if (number !== undefined) this.#requests.set(number, { unit, settle });
      });
      return { unit, settled };
    });
  }

  #emit<Type extends keyof SyncEvents>(event: { readonly type: Type } & SyncEvents[Type]): void {
    (this.#listeners[event.type] as Listeners<SyncEvents[Type]>).emit(event);
  }

  #settleAll(why: WhimbrelError): void {
    const outcome: Outcome =
      why.code === "store/closed" ? { outcome: "cancelled", run: null } : { outcome: "error", run: null, error: why };
    for (const request of this.#requests.values()) request.settle(outcome);
    this.#requests.clear();
  }
}
