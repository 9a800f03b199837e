/**
 * Transactions: a function that reads and writes several records, all or nothing. It is run again when what it has read was changed
 * meanwhile, by this tab or another one.
 *
 * function ──► commit ──► its value
 *   ▲  └─────────┴────► conflict ──► a pause
 *   └─────────────────────────────────┘
 *
 * **Invariant:** a run's calls reach the engine one after the other, in the order in which they were made.
 * **Invariant:** a run that has failed, in whatever way, has written nothing.
 */
import { Collection, type CollectionOf } from "./collection.js";
import type { Caller, Connection } from "./connection.js";
import type { Engine } from "./engine.js";
import { appError, WhimbrelError } from "./errors.js";
import type { EntityName } from "./infer.js";
import type { Receipts } from "./receipts.js";
import type { RecordShape } from "./records.js";
import type { Entities } from "./schema.js";
import { Writer } from "./writes.js";

/** What `db.transaction` hands to its function: the entities, as this transaction sees them. */
export type Transaction<E extends Entities> = { readonly [N in EntityName<E>]: Omit<CollectionOf<E, N>, "watch"> };

export interface TransactionOptions {
  /** How often the function is run again after a conflict; 10 times when absent. */
  readonly retries?: number | undefined;
  /** Gives up. What is being committed already is committed all the same. */
  readonly signal?: AbortSignal | undefined;
}

const RETRIES = 10;
/** The pause before another run is a random part of this, doubled with every run. */
const PAUSE_MS = 4;
const PAUSE_MS_MAX = 1_000;

/** What runs transactions. */
export class Transactions {
  readonly #connection: Connection;
  readonly #receipts: Receipts;
  readonly #shapes: ReadonlyMap<string, RecordShape>;

  constructor(connection: Connection, receipts: Receipts, shapes: ReadonlyMap<string, RecordShape>) {
    this.#connection = connection;
    this.#receipts = receipts;
    this.#shapes = shapes;
  }

  async run<T>(work: (tx: never) => T, { retries = RETRIES, signal }: TransactionOptions = {}): Promise<Awaited<T>> {
    if (typeof work !== "function") throw appError("transaction/invalid", "a transaction takes a function");
    if (!Number.isSafeInteger(retries) || retries < 0) {
      throw appError("transaction/invalid", "retries is a whole number from 0");
    }
    for (let run = 0; ; run++) {
      checkAborted(signal);
      const attempt = new Attempt(this.#connection);
      try {
        return await attempt.run(() => work(this.#collections(attempt) as never), signal);
      } catch (thrown) {
        if (attempt.conflict === undefined) throw thrown;
        if (run >= retries) throw attempt.conflict;
      }
      await abortable(pause(run), signal);
    }
  }

  #collections(attempt: Attempt): { readonly [name: string]: Collection } {
    const writer = new Writer(attempt, this.#receipts, () => attempt.checkCommitted());
    const shapes = [...this.#shapes];
    return Object.fromEntries(
      shapes.map(([name, shape]) => [name, new Collection(this.#connection, writer, shape, this.#shapes, attempt)]),
    );
  }
}

/** One run of a transaction's function. */
class Attempt implements Caller {
  readonly #connection: Connection;
  /** The engine, as this transaction sees it. */
  readonly #engine: Engine;
  #state: "open" | "ended" | "committed" = "open";
  #last: Promise<unknown> = Promise.resolve();
  /** What a call has failed with that the function did not wait for. */
  #late: { readonly thrown: unknown } | undefined;
  /** That this run cannot be committed any more, whatever its function makes of it. */
  conflict: WhimbrelError | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#engine = connection.callNow((engine) => engine.begin());
  }

  async run<T>(work: () => T, signal: AbortSignal | undefined): Promise<Awaited<T>> {
    try {
      const value = await abortable((async () => work())(), signal);
      this.#state = "ended";
      await this.#last;
      if (this.#late !== undefined) throw this.#late.thrown;
      if (this.conflict !== undefined) throw this.conflict;
      checkAborted(signal);
      await this.#ask((engine) => engine.commit());
      this.#state = "committed";
      return value;
    } finally {
      if (this.#state === "open") this.#state = "ended";
      // After a crash there is nothing left to free.
      if (this.#connection.end?.code !== "engine/internal") this.#engine.free();
    }
  }

  call<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    if (this.#state !== "open") {
      return Promise.reject(appError("transaction/ended", "the transaction has ended: its function waits for its calls"));
    }
    const answer = this.#last.then(() => this.#ask(work));
    this.#last = answer.catch((thrown: unknown) => {
      if (this.#state !== "open") this.#late ??= { thrown };
    });
    return answer;
  }

  checkCommitted(): void {
    if (this.#state === "committed") return;
    throw appError("transaction/invalid", "a transaction's writes are saved when it has ended: ask after that");
  }

  async #ask<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    try {
      return await this.#connection.call(() => work(this.#engine));
    } catch (thrown) {
      if (thrown instanceof WhimbrelError && thrown.code === "transaction/conflict") this.conflict = thrown;
      throw thrown;
    }
  }
}

function pause(run: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(PAUSE_MS * 2 ** run, PAUSE_MS_MAX)));
}

/** The promise's end, or that of the signal when it is first. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  let stop = (): void => {};
  const abort = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(signal));
    signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([promise, abort]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal);
}

function aborted(signal: AbortSignal): WhimbrelError {
  return appError("transaction/aborted", "the transaction was aborted", { cause: signal.reason });
}
