/** Listeners: who is told, and that none of them can harm the others or the engine. */

/** Ends a subscription; a second call does nothing. */
export type Unsubscribe = () => void;

/** A set of listeners for one kind of event. */
export class Listeners<Event> {
  /** An entry per subscription: the same function may be there twice. */
  readonly #entries = new Set<{ readonly listener: (event: Event) => void }>();

  get size(): number {
    return this.#entries.size;
  }

  add(listener: (event: Event) => void): Unsubscribe {
    const entry = { listener };
    this.#entries.add(entry);
    return () => {
      this.#entries.delete(entry);
    };
  }

  /** Tells those who were there when it began and have not left since. */
  emit(event: Event): void {
    for (const entry of [...this.#entries]) {
      if (this.#entries.has(entry)) tell(entry.listener, event);
    }
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** Calls a function of the app. What it throws goes to the console and nowhere else. */
export function tell<Event>(listener: (event: Event) => unknown, event: Event): void {
  try {
    const result = listener(event);
    // An async listener fails later, and would otherwise do so as an unhandled rejection without a hint of where it came from.
    if (result instanceof Promise) result.catch(reportThrown);
  } catch (thrown) {
    reportThrown(thrown);
  }
}

function reportThrown(thrown: unknown): void {
  console.error("whimbrel: a listener has thrown", thrown);
}
