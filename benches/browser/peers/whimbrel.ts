/** This engine, through the npm package, as an app uses it. There is no server; every write still makes its entry in the outbox. */
import { type Database, entity, integer, open, ref, text, timestamp } from "whimbrel";

import type { DueChange, StatusChange } from "../orders/row";
import { mount } from "../page/mount";
import type { FoundRow, Peer } from "./peer";

const entities = {
  place: entity({ name: text() }, { sync: "readOnly" }),
  workOrder: entity({
    title: text().max(200),
    status: text().index(),
    placeId: ref("place"),
    dueAt: timestamp().index(),
    number: integer(),
    note: text(),
  }),
};

class Whimbrel implements Peer {
  readonly form = "pull";
  readonly takesBytes = true;
  #database!: Database<typeof entities>;

  async open(): Promise<void> {
    this.#database = await open({ name: "bench", entities });
  }

  async load(text: Uint8Array): Promise<void> {
    await this.#database.load(text);
  }

  async get(id: string): Promise<FoundRow | undefined> {
    return (await this.#database.workOrder.get(id)) as FoundRow | undefined;
  }

  async firstByDueAt(limit: number): Promise<FoundRow[]> {
    return (await this.#database.workOrder.query({ orderBy: { dueAt: "asc" }, limit })) as FoundRow[];
  }

  countOpen(): Promise<number> {
    return this.#database.workOrder.count({ where: { status: "open" } });
  }

  sumOfNumbers(): Promise<number> {
    return this.#database.workOrder.sum("number");
  }

  async all(): Promise<FoundRow[]> {
    return (await this.#database.workOrder.query()) as FoundRow[];
  }

  async setStatus({ id, status }: StatusChange): Promise<void> {
    await this.#database.workOrder.update(id, { status });
  }

  async reschedule(changes: readonly DueChange[]): Promise<void> {
    await this.#database.batch(({ workOrder }) => {
      for (const { id, dueAt } of changes) workOrder.update(id, { dueAt: new Date(dueAt) });
    });
  }
}

mount(new Whimbrel());
