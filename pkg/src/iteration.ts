/**
 * `for await` over a watched query.
 *
 * **Invariant:** every step that was asked for gets an answer, whatever ends the iteration.
 */
import { toWhimbrelError, type WhimbrelError } from "./errors.js";
import type { Unsubscribe } from "./listeners.js";
import { observe, type Source } from "./observe.js";

type Step<R> = IteratorResult<readonly R[], undefined>;

/** A step that was asked for and has no answer yet. */
interface Waiting<R> {
  readonly resolve: (step: Step<R>) => void;
  readonly reject: (error: WhimbrelError) => void;
}

const DONE = { done: true, value: undefined } as const;

export class Iteration<R> implements AsyncIterator<readonly R[], undefined> {
  readonly #source: Source<R>;
  readonly #waiting: Waiting<R>[] = [];
  /** The newest result that nobody has taken. */
  #newest: string | undefined;
  /** What the next step throws. */
  #failure: WhimbrelError | undefined;
  #state: "new" | "watching" | "ended" = "new";
  #stop: Unsubscribe = () => {};

  constructor(source: Source<R>) {
    this.#source = source;
  }

  next(): Promise<Step<R>> {
    if (this.#state === "new") this.#start();
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (this.#state === "ended") return Promise.resolve(DONE);
    if (this.#newest !== undefined) {
      const text = this.#newest;
      this.#newest = undefined;
      return Promise.resolve(this.#step(text));
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<Step<R>> {
    this.#end();
    return Promise.resolve(DONE);
  }

  #start(): void {
    this.#state = "watching";
    try {
      const stop = observe(this.#source, {
        result: (text) => this.#result(text),
        fail: (error) => this.#end(error),
        end: (why) => this.#end(why?.code === "store/closed" ? null : why),
      });
      if (this.#state === "watching") this.#stop = stop;
      else stop();
    } catch (thrown) {
      this.#end(toWhimbrelError(thrown));
    }
  }

  #result(text: string): void {
    const first = this.#waiting.shift();
    if (first === undefined) this.#newest = text;
    else first.resolve(this.#step(text));
  }

  /** The first who waits is told the failure, the others that it is over. */
  #end(failure: WhimbrelError | null = null): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#newest = undefined;
    this.#stop();
    if (failure !== null) {
      const first = this.#waiting.shift();
      if (first === undefined) this.#failure = failure;
      else first.reject(failure);
    }
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }

  #step(text: string): Step<R> {
    return { done: false, value: this.#source.decode(text) };
  }
}
