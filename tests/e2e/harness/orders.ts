/** Work orders written through the package, where a test needs many of them. */
import type { Device, PlainOrder } from "./device";
import type { Random } from "./random";
import type { ServerRow } from "./server-state";

/** Creates orders one by one, and changes some of those that are there already. No two of them get the same title. The ids of all changes. */
export async function writeOrders(device: Device, random: Random, count: number): Promise<string[]> {
  const numbers = Array.from({ length: count }, () => random.below(1_000_000));
  return device.page.evaluate(async (numbers) => {
    const { db } = window.whimbrelDemo!;
    const place = await db.place.first();
    if (place === undefined) throw new Error("no places on this device");
    const known = await db.workOrder.query();
    const changes: string[] = [];
    for (const number of numbers) {
      const order = { country: place.country, placeId: place.id, status: "open", dueAt: new Date(2031, 0, 1 + (number % 300)) };
      const { id, change } = await db.workOrder.create({ ...order, title: `Order ${number}` });
      changes.push(change);
      const old = known[number % Math.max(known.length, 1)];
      if (old !== undefined && number % 3 === 0) {
        changes.push((await db.workOrder.update(old.id, { title: `Changed with ${id}` })).change);
      }
    }
    return changes;
  }, numbers);
}

/** A server's row as a device has it. */
export function toPlainOrder({ id, fields }: ServerRow): PlainOrder {
  return { id, ...fields } as unknown as PlainOrder;
}
