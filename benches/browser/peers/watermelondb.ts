/**
 * WatermelonDB over LokiJS, its adapter for the web: everything in memory, saved to IndexedDB in chunks of 100 rows.
 *
 * It saves half a second after a change and tells nobody when it is done. Here LokiJS's own save is awaited instead after every write, with
 * the one after a timer switched off: what a durable write costs.
 */
import { appSchema, Database, Model, Q, tableSchema } from "@nozbe/watermelondb";
import lokijs from "@nozbe/watermelondb/adapters/lokijs";

import type { DueChange, Row, Status, StatusChange } from "../orders/row";
import { mount } from "../page/mount";
import { lines } from "./lines";
import type { Peer } from "./peer";

/** The package is CommonJS: what an ES module imports as its default is all that it exports. */
const { default: LokiJSAdapter } = lokijs as unknown as { readonly default: typeof lokijs };

const TABLE = "orders";

const schema = appSchema({
  version: 1,
  tables: [
    tableSchema({
      name: TABLE,
      columns: [
        { name: "title", type: "string" },
        { name: "status", type: "string", isIndexed: true },
        { name: "place_id", type: "string" },
        { name: "due_at", type: "number", isIndexed: true },
        { name: "number", type: "number" },
        { name: "note", type: "string" },
      ],
    }),
  ],
});

/** What the decorators of its documentation come to. */
class Order extends Model {
  static override readonly table = TABLE;

  toRow(): Row {
    const raw = this._raw as unknown as Omit<Row, "placeId" | "dueAt"> & { readonly place_id: string; readonly due_at: number };
    const { id, title, status, place_id: placeId, due_at: dueAt, number, note } = raw;
    return { id, title, status, placeId, dueAt, number, note };
  }

  setStatus(status: Status): void {
    this._setRaw("status", status);
  }

  setDueAt(dueAt: number): void {
    this._setRaw("due_at", dueAt);
  }
}

class Watermelon implements Peer {
  readonly form = "objects";
  readonly takesBytes = false;
  #adapter!: lokijs;
  #database!: Database;

  async open(): Promise<void> {
    this.#adapter = new LokiJSAdapter({
      schema,
      dbName: "watermelondb",
      useWebWorker: false,
      useIncrementalIndexedDB: true,
      extraLokiOptions: { autosave: false },
    });
    this.#database = new Database({ adapter: this.#adapter, modelClasses: [Order] });
    // Waits for the adapter, which reads everything.
    await this.#database.localStorage.get("opened");
  }

  async load(text: string): Promise<void> {
    for (const line of lines(text)) {
      const rows = JSON.parse(line) as Row[];
      await this.#database.write(() => this.#database.batch(rows.map((row) => this.#orders.prepareCreateFromDirtyRaw(toRaw(row)))));
    }
    await this.#save();
  }

  async get(id: string): Promise<Row> {
    return (await this.#orders.find(id)).toRow();
  }

  /** By the indexed column alone: a second one to sort by would be without an index, and no two of the first rows are due at the same time. */
  async firstByDueAt(limit: number): Promise<Row[]> {
    const orders = await this.#orders.query(Q.sortBy("due_at", Q.asc), Q.take(limit)).fetch();
    return orders.map((order) => order.toRow());
  }

  countOpen(): Promise<number> {
    return this.#orders.query(Q.where("status", "open")).fetchCount();
  }

  /** From raw rows: models are made for what is shown. */
  async sumOfNumbers(): Promise<number> {
    const rows = (await this.#orders.query().unsafeFetchRaw()) as readonly Pick<Row, "number">[];
    return rows.reduce((sum, { number }) => sum + number, 0);
  }

  async all(): Promise<Row[]> {
    const orders = await this.#orders.query().fetch();
    return orders.map((order) => order.toRow());
  }

  async setStatus({ id, status }: StatusChange): Promise<void> {
    const order = await this.#orders.find(id);
    await this.#database.write(() => order.update(() => order.setStatus(status)));
    await this.#save();
  }

  async reschedule(changes: readonly DueChange[]): Promise<void> {
    const orders = await this.#orders.query(Q.where("id", Q.oneOf(changes.map(({ id }) => id)))).fetch();
    const due = new Map(changes.map(({ id, dueAt }) => [id, dueAt]));
    await this.#database.write(() =>
      this.#database.batch(orders.map((order) => order.prepareUpdate(() => order.setDueAt(due.get(order.id) ?? NaN)))),
    );
    await this.#save();
  }

  get #orders() {
    return this.#database.get<Order>(TABLE);
  }

  /** Resolves when IndexedDB has what was written: the adapter itself only saves now and then. */
  #save(): Promise<void> {
    const loki = this.#adapter._driver.loki as { saveDatabase(done: (error?: unknown) => void): void };
    return new Promise((resolve, reject) => loki.saveDatabase((error) => (error ? reject(error) : resolve())));
  }
}

function toRaw({ id, title, status, placeId, dueAt, number, note }: Row): Record<string, unknown> {
  return { id, _status: "synced", _changed: "", title, status, place_id: placeId, due_at: dueAt, number, note };
}

mount(new Watermelon());
