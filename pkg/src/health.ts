/**
 * Whether the engine still works. A trap (WebAssembly's way to crash) leaves its memory in no known state: from then on every call,
 * also one that is under way, fails with the same typed error. What was saved is safe: the store does not depend on that memory.
 */
import { engineError, type WhimbrelError } from "./errors.js";
import { Listeners, type Unsubscribe } from "./listeners.js";

export class Health {
  #trap: WhimbrelError | null = null;
  readonly #listeners = new Listeners<WhimbrelError>();

  /** The error that all calls fail with, once the engine has crashed. */
  get trap(): WhimbrelError | null {
    return this.#trap;
  }

  /** Whether `thrown` is a crash; then everybody is told. */
  notice(thrown: unknown): boolean {
    if (!isTrap(thrown)) return false;
    if (this.#trap === null) {
      this.#trap = engineError("the engine has crashed; saved changes are safe, reload the page to go on", thrown);
      this.#listeners.emit(this.#trap);
      this.#listeners.clear();
    }
    return true;
  }

  onTrap(listener: (trap: WhimbrelError) => void): Unsubscribe {
    return this.#listeners.add(listener);
  }
}

function isTrap(thrown: unknown): boolean {
  if (thrown instanceof WebAssembly.RuntimeError) return true;
  // A stack overflow inside the engine cuts it off in the middle, like a trap. Firefox has an error class of its own for it.
  return thrown instanceof RangeError || (thrown instanceof Error && thrown.name === "InternalError");
}
