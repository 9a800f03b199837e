/** Dexie, the most used wrapper of IndexedDB: a table with two indexes. */
import { Dexie, type Table } from "dexie";

import type { DueChange, Row, StatusChange } from "../orders/row";
import { mount } from "../page/mount";
import { lines } from "./lines";
import type { Peer } from "./peer";

/** As with raw IndexedDB, all rows at once would be held as clones at once. */
const SCAN_ROWS = 10_000;

class DexiePeer implements Peer {
  readonly form = "objects";
  readonly takesBytes = false;
  readonly #database = new Dexie("dexie", { chromeTransactionDurability: "relaxed" });
  readonly #orders: Table<Row, string>;

  constructor() {
    this.#database.version(1).stores({ orders: "id, status, dueAt" });
    this.#orders = this.#database.table("orders");
  }

  async open(): Promise<void> {
    await this.#database.open();
  }

  async load(text: string): Promise<void> {
    for (const line of lines(text)) await this.#orders.bulkPut(JSON.parse(line) as Row[]);
  }

  get(id: string): Promise<Row | undefined> {
    return this.#orders.get(id);
  }

  firstByDueAt(limit: number): Promise<Row[]> {
    return this.#orders.orderBy("dueAt").limit(limit).toArray();
  }

  countOpen(): Promise<number> {
    return this.#orders.where("status").equals("open").count();
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

  async setStatus({ id, status }: StatusChange): Promise<void> {
    await this.#orders.update(id, { status });
  }

  async reschedule(changes: readonly DueChange[]): Promise<void> {
    await this.#orders.bulkUpdate(changes.map(({ id, dueAt }) => ({ key: id, changes: { dueAt } })));
  }

  async *#scan(): AsyncGenerator<Row[]> {
    for (let after = ""; ; ) {
      const rows = await this.#orders.where("id").above(after).limit(SCAN_ROWS).toArray();
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows;
      after = last.id;
    }
  }
}

mount(new DexiePeer());
