/** A browser's IndexedDB, localStorage and Web Locks, as far as sessions need them, and pages that come, go and are killed. */
import { vi } from "vitest";

import { Session, sweep } from "../../pkg/src/session.js";

export class Memory implements Storage {
  readonly items = new Map<string, string>();
  [name: string]: unknown;
  get length(): number {
    return this.items.size;
  }
  clear(): void {
    this.items.clear();
  }
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  key(place: number): string | null {
    return [...this.items.keys()][place] ?? null;
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
}

type Entries = Map<IDBValidKey, unknown>;

/** What requests and transactions have in common here: they succeed a moment later. */
class Later {
  readonly result: unknown;
  onsuccess?: () => void;
  onupgradeneeded?: () => void;
  oncomplete?: () => void;
  constructor(result?: unknown) {
    this.result = result;
    setImmediate(() => {
      this.onupgradeneeded?.();
      this.onsuccess?.();
      this.oncomplete?.();
    });
  }
}

export class Device {
  readonly disk = new Map<string, Entries>();
  readonly storage = new Memory();
  #held = new Map<string, Promise<unknown>>();
  #listeners = new Map<string, Set<() => void>>();
  /** How often the log was renewed. */
  heals = 0;

  constructor() {
    vi.stubGlobal("localStorage", this.storage);
    vi.stubGlobal("navigator", { userAgentData: {}, locks: this.#locks() });
    vi.stubGlobal("indexedDB", {
      open: (name: string) => new Later(this.#database(name)),
      deleteDatabase: (name: string) => this.disk.delete(name),
    });
    vi.stubGlobal("addEventListener", (name: string, listener: () => void) => this.#of(name).add(listener));
    vi.stubGlobal("removeEventListener", (name: string, listener: () => void) => this.#of(name).delete(listener));
  }

  get records(): number {
    return this.disk.get("whimbrel-sessions")?.size ?? 0;
  }

  tell(name: "pagehide" | "pageshow"): void {
    for (const listener of this.#of(name)) listener();
  }

  /** Everything that runs is killed; what was written of localStorage is `written`, or everything. */
  kill(written?: ReadonlyMap<string, string>): void {
    this.#held = new Map();
    this.#listeners = new Map();
    if (written === undefined) return;
    this.storage.clear();
    for (const [key, value] of written) this.storage.setItem(key, value);
  }

  /** A page goes away in an orderly manner. */
  leave(): void {
    this.tell("pagehide");
    this.#listeners = new Map();
  }

  #of(name: string): Set<() => void> {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    return listeners;
  }

  #database(name: string): object {
    const entries: Entries = this.disk.get(name) ?? new Map();
    this.disk.set(name, entries);
    const store = {
      put: (value: unknown, key: IDBValidKey) => new Later(entries.set(key, value) && key),
      delete: (key: IDBValidKey) => new Later(entries.delete(key) && undefined),
      getAllKeys: () => new Later([...entries.keys()]),
      count: () => new Later(entries.size),
    };
    if (name === "whimbrel-heal") this.heals += 1;
    const transaction = (): object => Object.assign(new Later(), { objectStore: () => store });
    return { transaction, createObjectStore: () => store, close: () => undefined };
  }

  #locks(): object {
    return {
      query: async () => ({ held: [...this.#held.keys()].map((name) => ({ name })) }),
      request: async (name: string, work: () => Promise<unknown>) => {
        const held = this.#held;
        const before = held.get(name);
        const turn = (before ?? Promise.resolve()).then(work);
        const over = turn.catch(() => undefined);
        held.set(name, over);
        await over;
        if (held.get(name) === over) held.delete(name);
        return turn;
      },
    };
  }
}

/** A page that opens a database, as far as that concerns sessions. */
export async function openPage(): Promise<Session | null> {
  const session = Session.begin();
  if (session !== null) await sweep();
  return session;
}
