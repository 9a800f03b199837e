/** A transaction has the entities of its database, with what their policies allow. */
import { expectTypeOf } from "vitest";

import type { Created, RecordOf, Transaction, Write } from "../../pkg/src/index.js";
import { db, type entities } from "./rounds.js";

type Order = RecordOf<typeof entities.workOrder>;

export async function values(): Promise<void> {
  expectTypeOf(await db.transaction(() => 5)).toEqualTypeOf<number>();
  expectTypeOf(await db.transaction(async () => "x")).toEqualTypeOf<string>();
  expectTypeOf(await db.transaction(async () => {}, { retries: 3, signal: AbortSignal.timeout(9) })).toBeVoid();
  const given = await db.transaction(async (tx) => {
    const order = await tx.workOrder.get("a");
    expectTypeOf(order).toEqualTypeOf<Order | undefined>();
    expectTypeOf(await tx.workOrder.query({ where: { status: "open" } })).toEqualTypeOf<Order[]>();
    expectTypeOf(await tx.workOrder.first()).toEqualTypeOf<Order | undefined>();
    expectTypeOf(await tx.place.count({ where: { country: "PT" } })).toEqualTypeOf<number>();
    expectTypeOf(await tx.workOrder.max("dueAt")).toEqualTypeOf<Date | null>();
    expectTypeOf(await tx.workOrder.update("a", { floor: null })).toEqualTypeOf<Write>();
    expectTypeOf(await tx.note.delete("a")).toEqualTypeOf<Write>();
    return tx.note.create({ body: "x" });
  });
  expectTypeOf(given).toEqualTypeOf<Created<RecordOf<typeof entities.note>>>();
}

export async function mistakes(): Promise<void> {
  await db.transaction(async (tx) => {
    // @ts-expect-error places are read-only
    await tx.place.create({ name: "Lisbon", country: "PT" });
    // @ts-expect-error readings are only ever added
    await tx.reading.delete("a");
    // @ts-expect-error there is no such field
    await tx.note.create({ text: "x" });
    // @ts-expect-error there is no such entity
    await tx.workorder.get("a");
    // @ts-expect-error a watch has no end, a transaction has one
    tx.note.watch();
    // @ts-expect-error a transaction has nothing but records
    tx.sync.retryNow();
  });
  // @ts-expect-error it is a number
  await db.transaction(() => {}, { retries: "3" });
  // @ts-expect-error there is no such option
  await db.transaction(() => {}, { tries: 3 });
}

/** A function that takes part in other people's transactions can name their type. */
export async function close(tx: Transaction<typeof entities>, id: string): Promise<void> {
  await tx.workOrder.update(id, { status: "done", closedAt: new Date() });
}

export const closing = db.transaction((tx) => close(tx, "a"));
