/** What comes along with records: how it is asked for, and how it is read. */
import { describe, expect, it } from "vitest";

import { createOpen } from "../../pkg/src/open.js";
import { entity, ref, text, timestamp } from "../../pkg/src/schema.js";
import { FakeModule } from "./fake-engine.js";
import { codeOf, settle } from "./rounds.js";

const entities = {
  place: entity({ name: text(), since: timestamp().optional() }),
  workOrder: entity({ title: text(), placeId: ref("place").optional(), dueAt: timestamp() }),
  note: entity({ workOrderId: ref("workOrder"), at: timestamp(), body: text().optional() }),
  tag: entity({ name: text(), at: timestamp() }),
  orderTag: entity({ workOrderId: ref("workOrder"), tagId: ref("tag") }),
};

async function openRounds() {
  const module = new FakeModule();
  const db = await createOpen(async () => module)({ name: "rounds", entities });
  const { engine } = module;
  engine.calls.length = 0;
  return { db, engine };
}

/** What the engine was asked, as an object. */
const asked = (calls: unknown[][]): unknown => JSON.parse(String(calls.at(-1)?.[2]));

describe("what is asked", () => {
  it("keeps the order of the fields of orderBy, at every level", async () => {
    const { db, engine } = await openRounds();
    await db.workOrder.query({
      limit: 2,
      include: {
        place: { via: "placeId" },
        notes: {
          from: "note",
          via: "workOrderId",
          where: { at: { lt: new Date(5) } },
          orderBy: { body: "asc", at: "desc" },
          include: {
            order: {
              via: "workOrderId",
              include: {
                tags: { through: "orderTag", via: "workOrderId", to: "tagId", orderBy: { name: "asc", at: "asc" } },
              },
            },
          },
        },
      },
    });
    const tags = { through: "orderTag", via: "workOrderId", to: "tagId", orderBy: [{ name: "asc" }, { at: "asc" }] };
    const notes = {
      from: "note",
      via: "workOrderId",
      where: { at: { lt: 5 } },
      orderBy: [{ body: "asc" }, { at: "desc" }],
      include: { order: { via: "workOrderId", include: { tags } } },
    };
    expect(asked(engine.calls)).toEqual({ limit: 2, include: { place: { via: "placeId" }, notes } });
  });

  it("says nothing of what nobody asked for", async () => {
    const { db, engine } = await openRounds();
    await db.workOrder.query({ limit: 1 });
    expect(asked(engine.calls)).toEqual({ limit: 1 });
    await db.workOrder.first({ include: { place: { via: "placeId" } } });
    expect(asked(engine.calls)).toEqual({ limit: 1, include: { place: { via: "placeId" } } });
  });

  it("refuses what is not plain JSON", async () => {
    const { db } = await openRounds();
    const include = (include: unknown) => codeOf(() => db.workOrder.query({ include: include as never }));
    expect(await include(null)).toBe("value/not-json");
    expect(await include("place")).toBe("value/not-json");
    expect(await include({ place: { via: undefined } })).toBe("value/not-json");
    expect(await include(JSON.parse('{"__proto__": {"via": "placeId"}}'))).toBe("value/forbidden-key");
    const circle: Record<string, unknown> = { via: "placeId" };
    circle["include"] = { circle };
    expect(await include({ circle })).toBe("value/cycle");
  });
});

describe("what comes back", () => {
  const order = { id: "o", title: "Pump", placeId: "p", dueAt: 1 };

  it("has dates wherever the schema says so", async () => {
    const { db, engine } = await openRounds();
    const tag = { id: "t", name: "red", at: 7 };
    const note = { id: "n", workOrderId: "o", at: 5, order: { ...order, place: null, tags: [tag] } };
    const place = { id: "p", name: "Lisbon", since: 3 };
    engine.records.set("o", { ...order, place, notes: [note], tags: [tag, tag] });
    const [found] = await db.workOrder.query({
      include: {
        place: { via: "placeId" },
        notes: {
          from: "note",
          via: "workOrderId",
          include: {
            order: {
              via: "workOrderId",
              include: {
                place: { via: "placeId" },
                tags: { through: "orderTag", via: "workOrderId", to: "tagId" },
              },
            },
          },
        },
        tags: { through: "orderTag", via: "workOrderId", to: "tagId" },
      },
    });
    const revived = { ...tag, at: new Date(7) };
    expect(found).toEqual({
      ...order,
      dueAt: new Date(1),
      place: { id: "p", name: "Lisbon", since: new Date(3) },
      notes: [
        {
          ...note,
          at: new Date(5),
          body: null,
          order: { ...order, dueAt: new Date(1), place: null, tags: [revived] },
        },
      ],
      tags: [revived, revived],
    });
  });

  it("comes with every result of a watch", async () => {
    const { db, engine } = await openRounds();
    const seen: unknown[] = [];
    const query = { include: { notes: { from: "note", via: "workOrderId" } } } as const;
    const off = db.workOrder.watch(query).subscribe((orders) => seen.push(orders));
    const [watched] = engine.watches.values();
    expect(JSON.parse(String(watched?.query))).toEqual(query);
    watched?.deliver(JSON.stringify([{ ...order, notes: [{ id: "n", workOrderId: "o", at: 5, body: "x" }] }]));
    await settle();
    off();
    const note = { id: "n", workOrderId: "o", at: new Date(5), body: "x" };
    expect(seen).toEqual([[{ ...order, dueAt: new Date(1), notes: [note] }]]);
  });
});
