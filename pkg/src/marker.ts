/**
 * What is remembered of a database outside of it, in localStorage, so that its loss is noticed; and which tabs have it open, so that a start
 * after a crash is.
 *
 * | key | value |
 * |---|---|
 * | `whimbrel/<name>` or `whimbrel/<name>/<user>` | {@link Marker} as JSON |
 * | the same + `#running-<tab>` | there while the tab has the database open; it stays behind when the browser is killed |
 *
 * Where there is no localStorage (workers, blocked site data) nothing is remembered, and nothing fails.
 */

export interface Marker {
  /** The database's identity, made with it. */
  readonly identity: string;
  /** Changes that waited when that was last known. */
  readonly pending: number;
  /** Whether something is known that the mirror has missed. */
  readonly unmirrored: boolean;
}

/** The engine's name of a database. */
export function storeName(name: string, user: string | null): string {
  return user === null ? `whimbrel/${name}` : `whimbrel/${name}/${user}`;
}

export function readMarker(store: string): Marker | null {
  try {
    const found: unknown = JSON.parse(storage()?.getItem(store) ?? "null");
    return isMarker(found) ? found : null;
  } catch {
    return null;
  }
}

export function writeMarker(store: string, marker: Marker): void {
  attempt((memory) => memory.setItem(store, JSON.stringify(marker)));
}

/** Forgets a database; and that tabs have it open, as they have not any more. */
export function removeMarker(store: string): void {
  attempt((memory) => {
    memory.removeItem(store);
    for (const key of runningKeys(memory, store)) memory.removeItem(key);
  });
}

export function setRunning(store: string, tab: string, isRunning: boolean): void {
  const key = `${store}#running-${tab}`;
  attempt((memory) => (isRunning ? memory.setItem(key, "") : memory.removeItem(key)));
}

/** Whether tabs are said to have the database open; if none really has, `forget` makes that true. */
export function saysRunning(store: string, forget: boolean): boolean {
  let found = false;
  attempt((memory) => {
    const keys = runningKeys(memory, store);
    found = keys.length > 0;
    if (forget) for (const key of keys) memory.removeItem(key);
  });
  return found;
}

function runningKeys(memory: Storage, store: string): string[] {
  const keys = Array.from({ length: memory.length }, (_, place) => memory.key(place) ?? "");
  return keys.filter((key) => key.startsWith(`${store}#running-`));
}

function attempt(work: (memory: Storage) => void): void {
  try {
    const memory = storage();
    if (memory) work(memory);
  } catch {
    // Full, or forbidden: there is nothing that depends on it.
  }
}

/** Access throws where site data is blocked. */
function storage(): Storage | undefined {
  return (globalThis as { readonly localStorage?: Storage }).localStorage;
}

function isMarker(value: unknown): value is Marker {
  return typeof value === "object" && value !== null && "identity" in value && "pending" in value;
}
