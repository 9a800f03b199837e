/** RxDB over its Dexie storage, the free one on IndexedDB: a collection with two indexes. */
import { createRxDatabase, type RxCollection, type RxJsonSchema } from "rxdb/plugins/core";
import { getRxStorageDexie } from "rxdb/plugins/storage-dexie";

import { type DueChange, type Row, type StatusChange, STATUSES } from "../orders/row";
import { mount } from "../page/mount";
import { lines } from "./lines";
import type { Peer } from "./peer";

/** As with Dexie alone, all rows at once would be held as clones at once. */
const SCAN_ROWS = 10_000;

const ID_LENGTH = 36;
const STATUS_LENGTH = Math.max(...STATUSES.map(({ length }) => length));

/** An indexed field must be required and have its limits. */
const schema: RxJsonSchema<Row> = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: {
    id: { type: "string", maxLength: ID_LENGTH },
    title: { type: "string" },
    status: { type: "string", maxLength: STATUS_LENGTH },
    placeId: { type: "string" },
    dueAt: { type: "number", multipleOf: 1, minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    number: { type: "number" },
    note: { type: "string" },
  },
  required: ["id", "title", "status", "placeId", "dueAt", "number", "note"],
  indexes: ["status", "dueAt"],
};

class RxDb implements Peer {
  readonly form = "objects";
  readonly takesBytes = false;
  #orders!: RxCollection<Row>;

  async open(): Promise<void> {
    const database = await createRxDatabase({
      name: "rxdb",
      storage: getRxStorageDexie({ chromeTransactionDurability: "relaxed" }),
      // What its documentation advises for repeated queries.
      eventReduce: true,
    });
    const { orders } = await database.addCollections({ orders: { schema } });
    this.#orders = orders as RxCollection<Row>;
  }

  async load(text: string): Promise<void> {
    for (const line of lines(text)) none(await this.#orders.bulkInsert(JSON.parse(line) as Row[]));
  }

  async get(id: string): Promise<Row | undefined> {
    return (await this.#orders.findOne(id).exec()) ?? undefined;
  }

  firstByDueAt(limit: number): Promise<Row[]> {
    return this.#orders.find({ sort: [{ dueAt: "asc" }], limit }).exec();
  }

  countOpen(): Promise<number> {
    return this.#orders.count({ selector: { status: { $eq: "open" } } }).exec();
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
    const order = await this.#orders.findOne(id).exec(true);
    await order.patch({ status });
  }

  /** One write to the storage: the documents that change, as they will be. */
  async reschedule(changes: readonly DueChange[]): Promise<void> {
    const orders = await this.#orders.findByIds(changes.map(({ id }) => id)).exec();
    const changed = changes.flatMap(({ id, dueAt }) => {
      const order = orders.get(id);
      return order === undefined ? [] : [{ ...order.toMutableJSON(), dueAt }];
    });
    none(await this.#orders.bulkUpsert(changed));
  }

  async *#scan(): AsyncGenerator<Row[]> {
    for (let after = ""; ; ) {
      const rows = await this.#orders.find({ selector: { id: { $gt: after } }, sort: [{ id: "asc" }], limit: SCAN_ROWS }).exec();
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows;
      after = last.id;
    }
  }
}

/** A bulk call that fails for some of its documents says so in its answer. */
function none({ error }: { readonly error: readonly object[] }): void {
  if (error.length > 0) throw new Error(`RxDB refused ${error.length} documents: ${JSON.stringify(error[0])}`);
}

mount(new RxDb());
