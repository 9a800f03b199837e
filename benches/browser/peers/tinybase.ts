/**
 * TinyBase with its IndexedDB persister: everything in memory, indexes and sums kept as rows change, and a table saved as one value.
 *
 * As durable as it gets: its save, which writes the whole table, is awaited after every write.
 */
import { createIndexes, createMetrics, createStore, type Indexes, type Metrics, type Store } from "tinybase";
import { createIndexedDbPersister, type IndexedDbPersister } from "tinybase/persisters/persister-indexed-db";

import type { DueChange, Row, StatusChange } from "../orders/row";
import { mount } from "../page/mount";
import { lines } from "./lines";
import type { Peer } from "./peer";

const TABLE = "orders";
const BY_STATUS = "byStatus";
const BY_DUE_AT = "byDueAt";
const SUM = "sum";

type Cells = Omit<Row, "id">;

class TinyBase implements Peer {
  readonly form = "objects";
  readonly takesBytes = false;
  readonly #store: Store = createStore();
  readonly #persister: IndexedDbPersister = createIndexedDbPersister(this.#store, "tinybase");
  #indexes!: Indexes;
  #metrics!: Metrics;

  /** The indexes are made after the rows are there: that costs less than to keep them meanwhile. */
  async open(): Promise<void> {
    await this.#persister.load();
    this.#indexes = createIndexes(this.#store)
      .setIndexDefinition(BY_STATUS, TABLE, "status")
      .setIndexDefinition(BY_DUE_AT, TABLE, () => "", "dueAt");
    this.#metrics = createMetrics(this.#store).setMetricDefinition(SUM, TABLE, "sum", "number");
  }

  async load(text: string): Promise<void> {
    this.#store.transaction(() => {
      for (const line of lines(text)) {
        for (const { id, ...cells } of JSON.parse(line) as Row[]) this.#store.setRow(TABLE, id, cells);
      }
    });
    await this.#persister.save();
  }

  async get(id: string): Promise<Row> {
    return this.#row(id);
  }

  async firstByDueAt(limit: number): Promise<Row[]> {
    return this.#indexes
      .getSliceRowIds(BY_DUE_AT, "")
      .slice(0, limit)
      .map((id) => this.#row(id));
  }

  async countOpen(): Promise<number> {
    return this.#indexes.getSliceRowIds(BY_STATUS, "open").length;
  }

  async sumOfNumbers(): Promise<number> {
    return this.#metrics.getMetric(SUM) ?? 0;
  }

  async all(): Promise<Row[]> {
    return this.#store.getRowIds(TABLE).map((id) => this.#row(id));
  }

  async setStatus({ id, status }: StatusChange): Promise<void> {
    this.#store.setCell(TABLE, id, "status", status);
    await this.#persister.save();
  }

  async reschedule(changes: readonly DueChange[]): Promise<void> {
    this.#store.transaction(() => {
      for (const { id, dueAt } of changes) this.#store.setCell(TABLE, id, "dueAt", dueAt);
    });
    await this.#persister.save();
  }

  #row(id: string): Row {
    return { id, ...(this.#store.getRow(TABLE, id) as unknown as Cells) };
  }
}

mount(new TinyBase());
