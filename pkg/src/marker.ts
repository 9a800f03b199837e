/**
 * What is remembered of a database outside of it, in localStorage, so that its loss is noticed: a {@link Marker} as JSON under
 * `whimbrel/<name>` or `whimbrel/<name>/<user>`.
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
  /** The commit that mended the last damage that was told. */
  readonly damage?: number;
}

/** The engine's name of a database. */
export function storeName(name: string, user: string | null): string {
  return user === null ? `whimbrel/${name}` : `whimbrel/${name}/${user}`;
}

export function readMarker(store: string): Marker | null {
  try {
    const found: unknown = JSON.parse(memory()?.getItem(store) ?? "null");
    return isMarker(found) ? found : null;
  } catch {
    return null;
  }
}

export function writeMarker(store: string, marker: Marker): void {
  try {
    memory()?.setItem(store, JSON.stringify(marker));
  } catch {
    // Full: there is nothing that depends on it.
  }
}

export function removeMarker(store: string): void {
  memory()?.removeItem(store);
}

/** localStorage, where there is one that may be used. */
export function memory(): Storage | undefined {
  try {
    return (globalThis as { readonly localStorage?: Storage }).localStorage;
  } catch {
    // Site data is blocked.
    return undefined;
  }
}

function isMarker(value: unknown): value is Marker {
  return typeof value === "object" && value !== null && "identity" in value && "pending" in value;
}
