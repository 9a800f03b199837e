/**
 * Watching a query: its records now, and again after every change that touches them, from this tab, another tab or the server.
 *
 * **Invariant:** only the newest result is delivered; one that was overtaken before anybody looked is never decoded.
 * **Invariant:** after an unsubscribe nothing is delivered, also not what was on its way.
 */
import type { WhimbrelError } from "./errors.js";
import { Iteration } from "./iteration.js";
import { tell, type Unsubscribe } from "./listeners.js";
import { observe, type Source } from "./observe.js";

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

export function watch<R>(source: Source<R>): Watch<R> {
  return {
    subscribe: (deliver, fail = reportFailure) => subscribe(source, deliver, fail),
    [Symbol.asyncIterator]: () => new Iteration(source),
  };
}

function subscribe<R>(
  source: Source<R>,
  deliver: (records: R[]) => void,
  fail: (error: WhimbrelError) => void,
): Unsubscribe {
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

function reportFailure(error: WhimbrelError): void {
  console.error("whimbrel: a watched query failed", error);
}
