/**
 * The one way to call an open engine. It turns whatever is thrown into a typed error, and knows the states of a database:
 *
 * open ──► closed
 *   ├────► ended: the database was deleted, or a newer version of the app has taken over
 *   '────► crashed
 *
 * **Invariant:** in all but the first, every call fails with a typed error, and none stays without an answer.
 */
import type { Engine } from "./engine.js";
import { closedError, toWhimbrelError, type WhimbrelError } from "./errors.js";
import type { Health } from "./health.js";
import { Listeners, type Unsubscribe } from "./listeners.js";

/** Where calls with an answer go: to the database, or into a transaction. */
export type Caller = Pick<Connection, "call">;

export class Connection {
  readonly #engine: Engine;
  readonly #health: Health;
  readonly #offTrap: Unsubscribe;
  /** Calls under way, by what makes them fail. */
  readonly #waiting = new Set<(error: WhimbrelError) => void>();
  readonly #ended = new Listeners<WhimbrelError>();
  #end: WhimbrelError | null = null;
  #closing: Promise<void> | null = null;

  constructor(engine: Engine, health: Health) {
    this.#engine = engine;
    this.#health = health;
    this.#offTrap = health.onTrap((trap) => this.#finish(trap));
    if (health.trap !== null) this.#finish(health.trap);
  }

  /** Why nothing can be called any more; `null` while everything can. */
  get end(): WhimbrelError | null {
    return this.#end;
  }

  /** Told once, when the database is closed or has ended, or the engine has crashed. */
  onEnd(listener: (why: WhimbrelError) => void): Unsubscribe {
    return this.#ended.add(listener);
  }

  /** A call with an answer that comes later. */
  call<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    if (this.#end !== null) return Promise.reject(this.#end);
    return new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject);
      const fail = (thrown: unknown): void => {
        this.#waiting.delete(reject);
        reject(this.#toError(thrown));
      };
      const succeed = (value: T): void => {
        this.#waiting.delete(reject);
        resolve(value);
      };
      try {
        work(this.#engine).then(succeed, fail);
      } catch (thrown) {
        fail(thrown);
      }
    });
  }

  /** A call with an answer at once. */
  callNow<T>(work: (engine: Engine) => T): T {
    if (this.#end !== null) throw this.#end;
    try {
      return work(this.#engine);
    } catch (thrown) {
      throw this.#toError(thrown);
    }
  }

  /** The engine has ended by itself. */
  fail(why: WhimbrelError): void {
    if (this.#end === null) this.#finish(why);
  }

  /** Lets calls under way come to their end, then closes. A second call waits for the same. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#end !== null) return;
    const closed = this.call((engine) => engine.close());
    const why = closedError();
    this.#end = why;
    this.#ended.emit(why);
    try {
      await closed;
    } finally {
      this.#finish(why);
    }
  }

  #finish(why: WhimbrelError): void {
    this.#offTrap();
    if (this.#end === null) {
      this.#end = why;
      this.#ended.emit(why);
    }
    this.#ended.clear();
    for (const reject of this.#waiting) reject(why);
    this.#waiting.clear();
  }

  #toError(thrown: unknown): WhimbrelError {
    const trapped = this.#health.notice(thrown);
    return trapped && this.#health.trap !== null ? this.#health.trap : toWhimbrelError(thrown);
  }
}
