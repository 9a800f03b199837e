/**
 * Sleep that nobody announces: a laptop that is closed, a frozen page. A timer that comes much too late has slept. Hidden pages have their timers
 * slowed down to one a minute, which is no sleep.
 */
import type { Unsubscribe } from "./listeners.js";

/** How often is looked. */
const LOOK_MS = 5_000;
/** How much later than it should a timer comes that has slept. */
const SLEPT_MS = 15_000;
/** The same of a page that was hidden. */
const SLEPT_HIDDEN_MS = 180_000;

/** Calls `woke` after every sleep. */
export function watchSuspension(woke: () => void, now: () => number = () => Date.now()): Unsubscribe {
  let last = now();
  let wasHidden = isHidden();
  const timer = setInterval(() => {
    const late = now() - last - LOOK_MS;
    const limit = wasHidden || isHidden() ? SLEPT_HIDDEN_MS : SLEPT_MS;
    last = now();
    wasHidden = isHidden();
    if (late > limit) woke();
  }, LOOK_MS);
  // On a server it keeps nothing alive.
  (timer as { unref?(): void }).unref?.();
  return () => clearInterval(timer);
}

function isHidden(): boolean {
  return (globalThis as { readonly document?: Document }).document?.visibilityState === "hidden";
}
