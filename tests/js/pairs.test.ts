import { describe, expect, it } from "vitest";

import { createOpen } from "../../pkg/src/open.js";
import { pairId } from "../../pkg/src/record-id.js";
import { entity, integer, ref, text } from "../../pkg/src/schema.js";
import { FakeModule } from "./fake-engine.js";
import { codeOf } from "./rounds.js";

const entities = {
  order: entity({ title: text() }),
  tag: entity({ name: text() }),
  orderTag: entity(
    { orderId: ref("order", { onDelete: "cascade" }), tagId: ref("tag"), rank: integer().optional() },
    { pair: ["orderId", "tagId"] },
  ),
};

async function openTags() {
  const module = new FakeModule();
  const open = createOpen(async () => module);
  const db = await open({ name: "tags", entities, units: { home: ["order", "tag", "orderTag"] } });
  const { engine } = module;
  const schema = module.opened[0]?.schema;
  engine.calls.length = 0;
  return { db, engine, schema };
}

describe("R16: a pair", () => {
  it("has the id that the engine and the server make of it", () => {
    // The same cases as in crates/protocol/src/pair.rs.
    expect(pairId("w1", "t1")).toBe("w1~t1");
    expect(pairId("Zürich/1", "")).toBe("Zürich/1~");
    expect(pairId("50%~", "~7E")).toBe("50%25%7E~%7E7E");
  });

  it("is declared to the engine", async () => {
    const { schema } = await openTags();
    expect(schema?.entities.map(({ pair }) => pair)).toEqual([undefined, undefined, ["orderId", "tagId"]]);
  });

  it("needs no id, alone and in a batch", async () => {
    const { db, engine } = await openTags();
    const made = await db.orderTag.create({ orderId: "w1", tagId: "t~1", rank: 1 });
    expect(made).toEqual({ id: "w1~t%7E1", orderId: "w1", tagId: "t~1", rank: 1 });
    const ids: string[] = [];
    await db.batch((batch) => void ids.push(batch.orderTag.create({ orderId: "w1", tagId: "t2" }).id));
    expect(ids).toEqual(["w1~t2"]);
    const written = engine.calls.map(([, text]) => (JSON.parse(String(text)) as { id: string }[]).map(({ id }) => id));
    expect(written).toEqual([["w1~t%7E1"], ["w1~t2"]]);
  });

  it("leaves to the engine what is wrong with it", async () => {
    const { db, engine } = await openTags();
    await db.orderTag.create({ orderId: "w1" } as never);
    await db.orderTag.create({ id: "foreign", orderId: "w1", tagId: "t1" } as never);
    const written = engine.calls.map(([, text]) => (JSON.parse(String(text)) as [{ id: string }])[0].id);
    expect(written[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(written[1]).toBe("foreign");
  });

  it("is of two names", async () => {
    const open = createOpen(async () => new FakeModule());
    const wrong = { ...entities, orderTag: { ...entities.orderTag, pair: ["orderId"] } };
    expect(await codeOf(() => open({ name: "tags", entities: wrong as never }))).toBe("open/invalid");
  });
});
