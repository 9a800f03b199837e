/**
 * Pages of 256 rows as bytes, under the id of their first row, and nothing else: no index, no cache, no log. How fast a load can be, and
 * what a store that stops there pays for everything else.
 */
import { byDueAt } from "../orders/digest";
import { type DueChange, fromValues, type Row, type RowValues, type StatusChange } from "../orders/row";
import { mount } from "../page/mount";
import { lines } from "./lines";
import type { Peer } from "./peer";
import { completion, openDatabase, result } from "./requests";

const STORE = "pages";
const PAGE_ROWS = 256;
/** Pages that one transaction of a load writes, and one `getAll` reads. */
const BURST_PAGES = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Packed implements Peer {
  readonly form = "columns";
  readonly takesBytes = false;
  #database!: IDBDatabase;

  async open(): Promise<void> {
    this.#database = await openDatabase("packed", (database) => void database.createObjectStore(STORE));
  }

  async load(text: string): Promise<void> {
    let rows: RowValues[] = [];
    for (const line of lines(text)) {
      rows = rows.concat(JSON.parse(line) as RowValues[]);
      if (rows.length < BURST_PAGES * PAGE_ROWS) continue;
      await this.#write(rows);
      rows = [];
    }
    if (rows.length > 0) await this.#write(rows);
  }

  async get(id: string): Promise<Row | undefined> {
    const cursor = await result(this.#store().openCursor(IDBKeyRange.upperBound(id), "prev"));
    const page = cursor === null ? [] : decode(cursor.value as Uint8Array);
    const values = page.find(([first]) => first === id);
    return values && fromValues(values);
  }

  async firstByDueAt(limit: number): Promise<Row[]> {
    return (await this.all()).sort(byDueAt).slice(0, limit);
  }

  async countOpen(): Promise<number> {
    let count = 0;
    for await (const page of this.#scan()) for (const [, , status] of page) count += status === "open" ? 1 : 0;
    return count;
  }

  async sumOfNumbers(): Promise<number> {
    let sum = 0;
    for await (const page of this.#scan()) for (const [, , , , , number] of page) sum += number;
    return sum;
  }

  async all(): Promise<Row[]> {
    const rows: Row[] = [];
    for await (const page of this.#scan()) for (const values of page) rows.push(fromValues(values));
    return rows;
  }

  setStatus({ id, status }: StatusChange): Promise<void> {
    return this.#update([{ id, status }]);
  }

  reschedule(changes: readonly DueChange[]): Promise<void> {
    return this.#update(changes);
  }

  async #write(rows: readonly RowValues[]): Promise<void> {
    const transaction = this.#begin("readwrite");
    const store = transaction.objectStore(STORE);
    for (let start = 0; start < rows.length; start += PAGE_ROWS) {
      const page = rows.slice(start, start + PAGE_ROWS);
      store.put(encode(page), page[0]?.[0]);
    }
    await completion(transaction);
  }

  /** Reads the pages' names, then every page that has one of the rows, and writes those: in one transaction. */
  #update(changes: readonly (Pick<Row, "id"> & Partial<Row>)[]): Promise<void> {
    const transaction = this.#begin("readwrite");
    const store = transaction.objectStore(STORE);
    const names = store.getAllKeys();
    names.onsuccess = () => {
      for (const [name, ofPage] of byPage(names.result as string[], changes)) {
        const page: IDBRequest<Uint8Array> = store.get(name);
        page.onsuccess = () => store.put(encode(change(decode(page.result), ofPage)), name);
      }
    };
    return completion(transaction);
  }

  async *#scan(): AsyncGenerator<RowValues[]> {
    for (let range: IDBKeyRange | null = null; ; ) {
      const store = this.#store();
      const names = result(store.getAllKeys(range, BURST_PAGES));
      const pages: Uint8Array[] = await result(store.getAll(range, BURST_PAGES));
      for (const page of pages) yield decode(page);
      const last = (await names).at(-1);
      if (last === undefined) return;
      range = IDBKeyRange.lowerBound(last, true);
    }
  }

  #store(): IDBObjectStore {
    return this.#begin("readonly").objectStore(STORE);
  }

  #begin(mode: "readonly" | "readwrite"): IDBTransaction {
    return this.#database.transaction(STORE, mode, { durability: "relaxed" });
  }
}

function encode(page: readonly RowValues[]): Uint8Array {
  return encoder.encode(JSON.stringify(page));
}

function decode(bytes: Uint8Array): RowValues[] {
  return JSON.parse(decoder.decode(bytes)) as RowValues[];
}

type Changes = Map<string, Partial<Row>>;

/** The changes by the page that has their row: the last one whose name is not greater than the id. */
function byPage(names: readonly string[], changes: readonly (Pick<Row, "id"> & Partial<Row>)[]): Map<string, Changes> {
  const found = new Map<string, Changes>();
  for (const change of changes) {
    const name = names.findLast((first) => first <= change.id);
    if (name === undefined) continue;
    const ofPage = found.get(name) ?? new Map<string, Partial<Row>>();
    found.set(name, ofPage.set(change.id, change));
  }
  return found;
}

function change(page: readonly RowValues[], changes: Changes): RowValues[] {
  return page.map((values) => {
    const [id, title, status, placeId, dueAt, ...rest] = values;
    const changed = changes.get(id);
    return changed === undefined ? values : [id, title, changed.status ?? status, placeId, changed.dueAt ?? dueAt, ...rest];
  });
}

mount(new Packed());
