/** What is read, created and updated follows from the schema. */
import { expectTypeOf } from "vitest";

import type { CreateInput, RecordOf, UpdateInput, Write } from "../../pkg/src/index.js";
import { db, type entities } from "./rounds.js";

type Order = RecordOf<typeof entities.workOrder>;

expectTypeOf<Order>().toEqualTypeOf<{
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly placeId: string;
  readonly dueAt: Date;
  readonly floor: number | null;
  readonly urgent: boolean | null;
  readonly closedAt: Date | null;
}>();
expectTypeOf<RecordOf<typeof entities.note>>().toEqualTypeOf<{
  readonly id: string;
  readonly workOrderId: string | null;
  readonly body: string | null;
}>();
expectTypeOf<CreateInput<typeof entities.workOrder>>().toEqualTypeOf<{
  readonly id?: string | undefined;
  readonly title: string;
  readonly status: string;
  readonly placeId: string;
  readonly dueAt: Date;
  readonly floor?: number | null | undefined;
  readonly urgent?: boolean | null | undefined;
  readonly closedAt?: Date | null | undefined;
}>();
expectTypeOf<UpdateInput<typeof entities.workOrder>>().toEqualTypeOf<{
  readonly title?: string | undefined;
  readonly status?: string | undefined;
  readonly placeId?: string | undefined;
  readonly dueAt?: Date | undefined;
  readonly floor?: number | null | undefined;
  readonly urgent?: boolean | null | undefined;
  readonly closedAt?: Date | null | undefined;
}>();

const order = { title: "Pump 4", status: "open", placeId: "p1", dueAt: new Date() };

export async function readsAndWrites(): Promise<void> {
  expectTypeOf(await db.workOrder.get("a")).toEqualTypeOf<Order | undefined>();
  expectTypeOf(await db.workOrder.first()).toEqualTypeOf<Order | undefined>();
  expectTypeOf(await db.workOrder.query()).toEqualTypeOf<Order[]>();
  expectTypeOf(await db.workOrder.count()).toEqualTypeOf<number>();
  for await (const orders of db.workOrder.watch()) expectTypeOf(orders).toEqualTypeOf<readonly Order[]>();
  db.workOrder.watch().subscribe((orders) => expectTypeOf(orders).toEqualTypeOf<readonly Order[]>());

  const created = await db.workOrder.create(order);
  expectTypeOf(created).toExtend<Order>();
  expectTypeOf(created.saved).toEqualTypeOf<Promise<void>>();
  expectTypeOf((await created.confirmed).outcome).toEqualTypeOf<"accepted" | "conflict" | "rejected" | "discarded" | "unknown">();
  expectTypeOf(await db.workOrder.update("a", { floor: null })).toEqualTypeOf<Write>();
  expectTypeOf(await db.workOrder.delete("a")).toEqualTypeOf<Write>();

  await db.workOrder.create({ ...order, id: "chosen", floor: undefined });
  await db.reading.create({ placeId: "p1", value: 1.5, at: new Date() });
}

export async function mistakesInWrites(): Promise<void> {
  // @ts-expect-error required fields are missing
  await db.workOrder.create({ title: "Pump 4" });
  // @ts-expect-error there is no such field
  await db.workOrder.create({ ...order, colour: "red" });
  // @ts-expect-error a timestamp is a Date
  await db.workOrder.create({ ...order, dueAt: 1_700_000_000_000 });
  // @ts-expect-error a ref is an id
  await db.workOrder.create({ ...order, placeId: 7 });
  // @ts-expect-error a required field is never null
  await db.workOrder.create({ ...order, title: null });
  // @ts-expect-error a required field cannot be emptied
  await db.workOrder.update("a", { title: null });
  // @ts-expect-error there is no such field
  await db.workOrder.update("a", { colour: "red" });
  // @ts-expect-error the id of a record never changes
  await db.workOrder.update("a", { id: "b" });
  // @ts-expect-error there is no such entity
  await db.workorder.get("a");
  // @ts-expect-error records are what was read; `update` writes
  ((await db.workOrder.get("a")) as Order).title = "x";
}

export async function policies(): Promise<void> {
  // @ts-expect-error places are read-only
  await db.place.create({ name: "Lisbon", country: "PT" });
  // @ts-expect-error places are read-only
  await db.place.update("a", { name: "Lisbon" });
  // @ts-expect-error places are read-only
  await db.place.delete("a");
  // @ts-expect-error readings are only ever added
  await db.reading.update("a", { value: 2 });
  // @ts-expect-error readings are only ever added
  await db.reading.delete("a");
}

export async function dynamicNames(name: string): Promise<void> {
  expectTypeOf(await db.entity("workOrder").query()).toEqualTypeOf<Order[]>();
  const [record] = await db.entity(name).query({ where: { anything: 1 }, orderBy: { anything: "asc" } });
  expectTypeOf(record?.["anything"]).toBeUnknown();
  expectTypeOf(record?.id).toEqualTypeOf<string | undefined>();
}

export async function batches(): Promise<void> {
  const writes = await db.batch((batch) => {
    const { id } = batch.workOrder.create(order);
    batch.note.create({ workOrderId: id });
    batch.reading.create({ placeId: "p1", value: 1, at: new Date() });
    batch.workOrder.update(id, { status: "done" });
    batch.workOrder.delete(id);
    // @ts-expect-error places are read-only
    batch.place.create({ name: "Lisbon", country: "PT" });
    // @ts-expect-error readings are only ever added
    batch.reading.delete(id);
    // @ts-expect-error there is no such field
    batch.note.create({ text: "x" });
  });
  expectTypeOf(writes).toEqualTypeOf<Write[]>();
}
