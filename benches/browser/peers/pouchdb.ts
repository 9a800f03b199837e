/** PouchDB over its IndexedDB adapter: documents, and two views that it keeps as indexes. */
import PouchDB, { type Found } from "pouchdb-browser";

import type { DueChange, Row, StatusChange } from "../orders/row";
import { mount } from "../page/mount";
import { lines } from "./lines";
import type { Peer } from "./peer";

const SCAN_ROWS = 10_000;
/** Of changes that are read at once when a view catches up; its default of 50 is for small devices. */
const VIEW_ROWS = 2_000;

type Fields = Omit<Row, "id">;

const DESIGN = {
  _id: "_design/orders",
  views: {
    status: { map: "function (order) { emit(order.status); }", reduce: "_count" },
    dueAt: { map: "function (order) { emit(order.dueAt); }" },
  },
};

class Pouch implements Peer {
  readonly form = "objects";
  readonly takesBytes = false;
  readonly #orders = new PouchDB<Fields>("pouchdb", { adapter: "idb", view_update_changes_batch_size: VIEW_ROWS });

  async open(): Promise<void> {
    await this.#orders.info();
  }

  /** A view is made when it is asked: the load ends when both have been. */
  async load(text: string): Promise<void> {
    await this.#orders.put(DESIGN);
    for (const line of lines(text)) none(await this.#orders.bulkDocs((JSON.parse(line) as Row[]).map(toDocument)));
    await this.countOpen();
    await this.firstByDueAt(1);
  }

  async get(id: string): Promise<Row> {
    return toRow(await this.#orders.get(id));
  }

  async firstByDueAt(limit: number): Promise<Row[]> {
    const { rows } = await this.#orders.query("orders/dueAt", { limit, include_docs: true });
    return rows.flatMap(({ doc }) => (doc ? [toRow(doc)] : []));
  }

  async countOpen(): Promise<number> {
    const { rows } = await this.#orders.query<number>("orders/status", { key: "open", reduce: true });
    return rows[0]?.value ?? 0;
  }

  async sumOfNumbers(): Promise<number> {
    let sum = 0;
    for await (const rows of this.#scan()) for (const { number } of rows) sum += number;
    return sum;
  }

  async all(): Promise<Row[]> {
    const all: Row[] = [];
    for await (const rows of this.#scan()) all.push(...rows.map(toRow));
    return all;
  }

  async setStatus({ id, status }: StatusChange): Promise<void> {
    const order = await this.#orders.get(id);
    await this.#orders.put({ ...order, status });
  }

  async reschedule(changes: readonly DueChange[]): Promise<void> {
    const { rows } = await this.#orders.allDocs({ keys: changes.map(({ id }) => id), include_docs: true });
    const due = new Map(changes.map(({ id, dueAt }) => [id, dueAt]));
    const found = rows.flatMap(({ doc }) => doc ?? []);
    none(await this.#orders.bulkDocs(found.map((order) => ({ ...order, dueAt: due.get(order._id) ?? order.dueAt }))));
  }

  async *#scan(): AsyncGenerator<Found<Fields>[]> {
    // The views' own document is among them, before or after all identifiers.
    for (let after = ""; ; ) {
      const { rows } = await this.#orders.allDocs({ startkey: `${after}\u0000`, limit: SCAN_ROWS, include_docs: true });
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.flatMap(({ id, doc }) => (doc && !id.startsWith("_") ? [doc] : []));
      after = last.id;
    }
  }
}

function toDocument({ id, ...fields }: Row): Fields & { readonly _id: string } {
  return { _id: id, ...fields };
}

function toRow({ _id: id, title, status, placeId, dueAt, number, note }: Found<Fields>): Row {
  return { id, title, status, placeId, dueAt, number, note };
}

/** A bulk call that fails for some of its documents says so in its answer. */
function none(results: readonly { readonly error?: boolean }[]): void {
  const failed = results.find(({ error }) => error);
  if (failed !== undefined) throw new Error(`PouchDB refused a document: ${JSON.stringify(failed)}`);
}

mount(new Pouch());
