/**
 * Sessions: which pages have a database open, so that a start after a crash is noticed, whatever has crashed how soon.
 *
 * ```text
 * begin ─► lock, record ──page goes away, database closes──► note ─┬─► swept by a later opening, or at once
 *             └───────────────browser is killed────────────────────┴─► no lock, no note: swept when the log was renewed
 * ```
 *
 * | where | what | why there |
 * |---|---|---|
 * | a Web Lock per session | it is under way | nothing of it survives the browser |
 * | a record in IndexedDB | it has begun | it is on disk before anything is that the database writes |
 * | a note in localStorage | it has ended | a page that goes away can still make it; Chromium writes it to disk seconds late |
 *
 * **Invariant:** a note or a record that comes late, or not at all, costs a needless renewal and hides no crash. So a page that comes back
 * from the back/forward cache is another session, and a record stays until the log was renewed.
 *
 * Where there is no localStorage (workers, blocked site data) an end could not be told from a crash, and there are no sessions.
 */
import { heal, mayNeedHealing } from "./heal.js";
import { memory } from "./marker.js";
import { change, withDatabase } from "./small-database.js";

const RECORDS = "whimbrel-sessions";
const LOCK = "whimbrel-session#";
const NOTE = "whimbrel-ended#";
/** One page at a time looks at what others have left behind. */
const SWEEP = "whimbrel-sweep";

export class Session {
  readonly #endings: (() => void)[] = [];
  /** None while the page is away. */
  #id: string | null = null;
  #unlock: () => void = () => undefined;

  /** Begins one, where that is of use. */
  static begin(): Session | null {
    const isOfUse = mayNeedHealing() && navigator.locks !== undefined && memory() !== undefined;
    return isOfUse ? new Session() : null;
  }

  private constructor() {
    this.#begin();
    this.#listen("pagehide", () => this.#leave());
    this.#listen("pageshow", () => this.#begin());
  }

  /** The database is closed, or was not opened. */
  async end(): Promise<void> {
    for (const ending of this.#endings.splice(0)) ending();
    const id = this.#id;
    this.#leave();
    // The page goes on: the record need not wait for a sweep.
    if (id === null) return;
    await inRecords((entries) => entries.delete(id)).then(() => memory()?.removeItem(NOTE + id), warn);
  }

  #begin(): void {
    if (this.#id !== null) return;
    const id = Math.random().toString(36).slice(2);
    this.#id = id;
    const left = new Promise<void>((resolve) => (this.#unlock = resolve));
    void navigator.locks.request(LOCK + id, () => left).catch(warn);
    void inRecords((entries) => entries.put(0, id)).catch(warn);
  }

  #leave(): void {
    if (this.#id === null) return;
    try {
      memory()?.setItem(NOTE + this.#id, "");
    } catch {
      // It is full. The next start takes this for a crash.
    }
    this.#id = null;
    this.#unlock();
  }

  #listen(name: "pagehide" | "pageshow", listener: () => void): void {
    addEventListener(name, listener);
    this.#endings.push(() => removeEventListener(name, listener));
  }
}

/** Clears away what sessions have left behind that are over, once the log is renewed where one of them was killed. */
export async function sweep(): Promise<void> {
  await navigator.locks.request(SWEEP, async () => {
    const begun = (await inRecords((entries) => entries.getAllKeys())).map(String);
    const { held = [] } = await navigator.locks.query();
    const over = begun.filter((id) => held.every(({ name }) => name !== LOCK + id));
    if (over.some((id) => memory()?.getItem(NOTE + id) === null)) await heal();
    await inRecords((entries) => {
      for (const id of over) entries.delete(id);
      return entries.count();
    });
    forgetNotes(begun.filter((id) => !over.includes(id)));
  });
}

function inRecords<T>(work: (entries: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return withDatabase(RECORDS, (records) => change(records, work));
}

/** Notes without a record say nothing any more. */
function forgetNotes(left: readonly string[]): void {
  const notes = memory();
  if (notes === undefined) return;
  const keys = Array.from({ length: notes.length }, (_, place) => notes.key(place) ?? "");
  const isOver = (key: string): boolean => key.startsWith(NOTE) && !left.includes(key.slice(NOTE.length));
  for (const key of keys.filter(isOver)) notes.removeItem(key);
}

function warn(thrown: unknown): void {
  console.warn("whimbrel: a crash of the browser may go unnoticed", thrown);
}
