/** Raw IndexedDB: one record per row, two indexes. What everybody starts with, and what the ratios are to. */
import type { DueChange, Row, StatusChange } from "../orders/row";
import { mount } from "../page/mount";
import { lines } from "./lines";
import type { Peer } from "./peer";
import { completion, openDatabase, result } from "./requests";

const STORE = "orders";
/** A `getAll` holds a clone of every row at once: one page of them at a time. */
const SCAN_ROWS = 10_000;

class Raw implements Peer {
  readonly form = "objects";
  readonly takesBytes = false;
  #database!: IDBDatabase;

  async open(): Promise<void> {
    this.#database = await openDatabase("raw", (database) => {
      const store = database.createObjectStore(STORE, { keyPath: "id" });
      store.createIndex("status", "status");
      store.createIndex("dueAt", "dueAt");
    });
  }

  /** A transaction per line, all of its puts in one burst. */
  async load(text: string): Promise<void> {
    for (const line of lines(text)) {
      const rows = JSON.parse(line) as Row[];
      const transaction = this.#begin("readwrite");
      const store = transaction.objectStore(STORE);
      for (const row of rows) store.put(row);
      await completion(transaction);
    }
  }

  get(id: string): Promise<Row | undefined> {
    return result<Row | undefined>(this.#store().get(id));
  }

  firstByDueAt(limit: number): Promise<Row[]> {
    return result<Row[]>(this.#store().index("dueAt").getAll(null, limit));
  }

  countOpen(): Promise<number> {
    return result(this.#store().index("status").count("open"));
  }

  async sumOfNumbers(): Promise<number> {
    let sum = 0;
    for await (const rows of this.#scan()) for (const { number } of rows) sum += number;
    return sum;
  }

  async all(): Promise<Row[]> {
    const all: Row[][] = [];
    for await (const rows of this.#scan()) all.push(rows);
    return all.flat();
  }

  setStatus({ id, status }: StatusChange): Promise<void> {
    return this.#update([{ id, status }]);
  }

  reschedule(changes: readonly DueChange[]): Promise<void> {
    return this.#update(changes);
  }

  #update(changes: readonly (Pick<Row, "id"> & Partial<Row>)[]): Promise<void> {
    const transaction = this.#begin("readwrite");
    const store = transaction.objectStore(STORE);
    for (const change of changes) {
      const request: IDBRequest<Row> = store.get(change.id);
      request.onsuccess = () => store.put({ ...request.result, ...change });
    }
    return completion(transaction);
  }

  async *#scan(): AsyncGenerator<Row[]> {
    for (let range: IDBKeyRange | null = null; ; ) {
      const rows: Row[] = await result(this.#store().getAll(range, SCAN_ROWS));
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows;
      range = IDBKeyRange.lowerBound(last.id, true);
    }
  }

  #store(): IDBObjectStore {
    return this.#begin("readonly").objectStore(STORE);
  }

  #begin(mode: "readonly" | "readwrite"): IDBTransaction {
    return this.#database.transaction(STORE, mode, { durability: "relaxed" });
  }
}

mount(new Raw());
