/** One reader of a watched query, as the engine and the package agree on it: when it begins, what it is told, and that it ends once. */
import type { Connection } from "./connection.js";
import { toWhimbrelError, type WhimbrelError } from "./errors.js";
import type { Unsubscribe } from "./listeners.js";

/** What is watched. */
export interface Source<R> {
  readonly connection: Connection;
  readonly entity: string;
  readonly query: string;
  readonly decode: (text: string) => R[];
  readonly signal: AbortSignal | undefined;
}

/** Who watches. Called from inside the engine, so nothing of the app may run in it. */
export interface Observer {
  readonly result: (text: string) => void;
  readonly fail: (error: WhimbrelError) => void;
  /** Nothing more will come: aborted, closed or crashed. */
  readonly end: (why: WhimbrelError | null) => void;
}

/** Registers with the engine; the function that is returned ends it, and may be called twice. */
export function observe<R>({ connection, entity, query, signal }: Source<R>, observer: Observer): Unsubscribe {
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
    if (!leave()) return;
    try {
      connection.callNow((engine) => engine.unwatch(number));
    } catch {
      // Only a crash can bring us here, and the connection has told everybody. Leaving is never an error.
    }
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
