/**
 * Watching a query: its records now, and again after every change that touches them, from this tab, another tab or the server.
 *
 * **Invariant:** only the newest result is delivered; one that was overtaken before anybody looked is never decoded.
 * **Invariant:** after an unsubscribe nothing is delivered, also not what was on its way.
 */
import type { Connection } from "./connection.js";
import { toWhimbrelError, type WhimbrelError } from "./errors.js";
import { tell, type Unsubscribe } from "./listeners.js";

/** A query that is watched. Nothing happens until somebody iterates or subscribes. */
export interface Watch<R> extends AsyncIterable<readonly R[]> {
  /**
   * Calls `deliver` with the records, now and after every change. `fail` is told when the query cannot be answered; without it, the
   * console is.
   */
  subscribe(deliver: (records: readonly R[]) => void, fail?: (error: WhimbrelError) => void): Unsubscribe;
}

export interface WatchOptions {
  /** Ends all subscriptions and iterations. */
  readonly signal?: AbortSignal | undefined;
}

/** What is watched. */
interface Source<R> {
  readonly connection: Connection;
  readonly entity: string;
  readonly query: string;
  readonly decode: (text: string) => R[];
  readonly signal: AbortSignal | undefined;
}

interface Observer {
  readonly result: (text: string) => void;
  readonly fail: (error: WhimbrelError) => void;
  /** Nothing more will come: aborted, closed or crashed. */
  readonly end: (why: WhimbrelError | null) => void;
}

export function watch<R>(source: Source<R>): Watch<R> {
  return {
    subscribe: (deliver, fail = reportFailure) => subscribe(source, deliver, fail),
    [Symbol.asyncIterator]: () => iterate(source),
  };
}

function subscribe<R>(source: Source<R>, deliver: (records: R[]) => void, fail: (error: WhimbrelError) => void): Unsubscribe {
  let newest: string | undefined;
  let active = true;
  const flush = (): void => {
    const text = newest;
    newest = undefined;
    if (active && text !== undefined) tell(deliver, source.decode(text));
  };
  const stop = observe(source, {
    result: (text) => {
      if (newest === undefined) queueMicrotask(flush);
      newest = text;
    },
    fail: (error) => queueMicrotask(() => active && tell(fail, error)),
    end: (why) => {
      if (why !== null && why.code !== "store/closed") queueMicrotask(() => active && tell(fail, why));
    },
  });
  return () => {
    active = false;
    stop();
  };
}

function iterate<R>(source: Source<R>): AsyncIterator<readonly R[], undefined> {
  type Step = IteratorResult<readonly R[], undefined>;
  const done: Step = { done: true, value: undefined };
  const waiting: { resolve: (step: Step) => void; reject: (error: WhimbrelError) => void }[] = [];
  let newest: string | undefined;
  let failure: WhimbrelError | undefined;
  let stop: Unsubscribe | undefined;
  let ended = false;

  const finish = (error?: WhimbrelError): Step => {
    ended = true;
    newest = undefined;
    stop?.();
    const first = error === undefined ? undefined : waiting.shift();
    if (error !== undefined) first === undefined ? (failure = error) : first.reject(error);
    for (const { resolve } of waiting.splice(0)) resolve(done);
    return done;
  };
  const observer: Observer = {
    result: (text) => {
      const next = waiting.shift();
      if (next === undefined) newest = text;
      else next.resolve({ done: false, value: source.decode(text) });
    },
    fail: finish,
    end: (why) => void finish(why === null || why.code === "store/closed" ? undefined : why),
  };
  const start = (): void => {
    stop = () => {};
    try {
      stop = observe(source, observer);
      if (ended) stop();
    } catch (thrown) {
      finish(toWhimbrelError(thrown));
    }
  };

  return {
    next(): Promise<Step> {
      if (stop === undefined && !ended) start();
      if (failure !== undefined) {
        const error = failure;
        failure = undefined;
        return Promise.reject(error);
      }
      if (ended) return Promise.resolve(done);
      if (newest !== undefined) {
        const text = newest;
        newest = undefined;
        return Promise.resolve({ done: false, value: source.decode(text) });
      }
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return: () => Promise.resolve(finish()),
  };
}

/** Registers with the engine; the function that is returned ends it, and may be called twice. */
function observe<R>({ connection, entity, query, signal }: Source<R>, observer: Observer): Unsubscribe {
  let active = signal?.aborted !== true;
  if (!active) {
    observer.end(null);
    return () => {};
  }
  const result = (text: string): void => void (active && observer.result(text));
  const fail = (error: unknown): void => void (active && observer.fail(toWhimbrelError(error)));
  const number = connection.callNow((engine) => engine.watch(entity, query, result, fail));
  const leave = (): boolean => {
    const was = active;
    active = false;
    signal?.removeEventListener("abort", aborted);
    offEnd();
    return was;
  };
  const stop = (): void => {
    if (leave()) connection.callNow((engine) => engine.unwatch(number));
  };
  const aborted = (): void => {
    stop();
    observer.end(null);
  };
  const offEnd = connection.onEnd((why) => {
    if (leave()) observer.end(why);
  });
  signal?.addEventListener("abort", aborted);
  return stop;
}

function reportFailure(error: WhimbrelError): void {
  console.error("whimbrel: a watched query failed", error);
}
