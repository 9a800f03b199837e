import { describe, expect, it } from "vitest";

import { errorDto } from "./fake-engine.js";
import { codeOf, errorOf, openRounds, settle } from "./rounds.js";

const due = new Date("2026-03-09T12:00:00Z");
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("create", () => {
  it("gives the record, with an id and every field", async () => {
    const { db, engine } = await openRounds();
    const order = await db.workOrder.create({ title: "Pump 4", dueAt: due, placeId: undefined });
    expect(order.id).toMatch(UUID_V7);
    expect(order).toEqual({ id: order.id, title: "Pump 4", dueAt: due, placeId: null });
    expect(order.dueAt).not.toBe(due);
    const [[, text]] = engine.calls as [[string, string]];
    expect(JSON.parse(text)).toEqual([
      { op: "create", entity: "workOrder", id: order.id, fields: { title: "Pump 4", dueAt: due.getTime() } },
    ]);
  });

  it("takes an id", async () => {
    const { db } = await openRounds();
    expect((await db.note.create({ id: "chosen", body: "x" })).id).toBe("chosen");
  });

  it("puts the write beside the record, where a copy does not see it", async () => {
    const { db, engine } = await openRounds();
    const note = await db.note.create({ id: "n", body: "x" });
    expect(note.change).toBe("change-1");
    expect(await note.saved).toBeUndefined();
    expect({ ...note }).toEqual({ id: "n", body: "x" });
    expect(structuredClone(note)).toEqual({ id: "n", body: "x" });
    expect(JSON.stringify(note)).toBe('{"id":"n","body":"x"}');
    expect(engine.calls.map(([name]) => name)).toEqual(["write"]);
  });

  it("changes nothing when the input is wrong", async () => {
    const { db, engine } = await openRounds();
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const wrong: [unknown, string][] = [
      [circular, "value/cycle"],
      [JSON.parse('{"body": "x", "__proto__": 1}'), "value/forbidden-key"],
      [{ body: Number.NaN }, "value/not-json"],
      [{ body: new Date(0) }, "value/type"],
      [{ body: "x", id: 7 }, "value/id"],
      [{ body: "x", id: null }, "value/id"],
      [undefined, "value/not-json"],
    ];
    for (const [input, code] of wrong) expect(await codeOf(() => db.note.create(input as never))).toBe(code);
    expect(engine.calls).toEqual([]);
  });

  it("passes the engine's refusal on", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("write", errorDto("value/too-long"));
    expect(await errorOf(() => db.note.create({ body: "x" }))).toMatchObject({ code: "value/too-long", blame: "app" });
  });

  it("sees the input as it was at the call", async () => {
    const { db } = await openRounds();
    const input = { body: "before" };
    const creating = db.note.create(input);
    input.body = "after";
    expect((await creating).body).toBe("before");
  });
});

describe("update and delete", () => {
  it("say what was written", async () => {
    const { db, engine } = await openRounds();
    const updated = await db.workOrder.update("a", { dueAt: null, title: undefined, placeId: "p" });
    expect(updated).toMatchObject({ change: "change-1", entity: "workOrder", id: "a" });
    expect(await db.workOrder.delete("a")).toMatchObject({ change: "change-2", entity: "workOrder", id: "a" });
    expect(engine.calls.map(([, text]) => JSON.parse(text as string))).toEqual([
      [{ op: "update", entity: "workOrder", id: "a", fields: { dueAt: null, placeId: "p" } }],
      [{ op: "delete", entity: "workOrder", id: "a" }],
    ]);
  });

  it("take nothing but text as an id", async () => {
    const { db, engine } = await openRounds();
    for (const id of [undefined, null, 5, {}, ["a"], "\ud800"]) {
      expect(await codeOf(() => db.note.update(id as never, { body: "x" }))).toBe("value/id");
      expect(await codeOf(() => db.note.delete(id as never))).toBe("value/id");
      expect(await codeOf(() => db.note.get(id as never))).toBe("value/id");
    }
    expect(engine.calls).toEqual([]);
  });

  it("are refused by the engine, with its code, where the types were not asked", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("write", errorDto("policy/read-only"));
    expect(await codeOf(() => db.entity("place" as string).update("p", { name: "x" }))).toBe("policy/read-only");
  });
});

describe("reading", () => {
  it("makes dates of timestamps and nulls of what is absent", async () => {
    const { db, engine } = await openRounds();
    engine.records.set("a", { id: "a", title: "x", dueAt: 0 });
    expect(await db.workOrder.get("a")).toEqual({ id: "a", title: "x", dueAt: new Date(0), placeId: null });
    expect(await db.workOrder.get("b")).toBeUndefined();
    expect(await db.workOrder.query()).toEqual([{ id: "a", title: "x", dueAt: new Date(0), placeId: null }]);
    expect(await db.workOrder.first()).toMatchObject({ id: "a" });
    expect(await db.workOrder.count()).toBe(1);
  });

  it("sends queries as JSON", async () => {
    const { db, engine } = await openRounds();
    await db.workOrder.query({ where: { dueAt: { lt: due }, placeId: null }, limit: 5, offset: 0 });
    await db.workOrder.first({ where: { title: "x" }, offset: 2 });
    await db.workOrder.count({ where: { title: { in: ["x"] } } });
    expect(engine.calls.map(([, , query]) => JSON.parse(query as string))).toEqual([
      { where: { dueAt: { lt: due.getTime() }, placeId: null }, limit: 5, offset: 0 },
      { where: { title: "x" }, limit: 1, offset: 2 },
      { where: { title: { in: ["x"] } } },
    ]);
  });

  it("asks for sums and means of what matches", async () => {
    const { db, engine } = await openRounds();
    const records = db.entity("workOrder" as string);
    expect([await records.sum("floor"), await records.avg("floor")]).toEqual([0, null]);
    engine.records.set("a", { id: "a", floor: 3 });
    engine.records.set("b", { id: "b", floor: null });
    engine.records.set("c", { id: "c", floor: 4 });
    expect([await records.sum("floor", { where: { title: "x" } }), await records.avg("floor")]).toEqual([7, 3.5]);
    expect(engine.calls.map((call) => call.slice(0, 4))[2]).toEqual(["sum", "workOrder", '{"where":{"title":"x"}}', "floor"]);
    await expect(records.sum(5 as never)).rejects.toMatchObject({ code: "query/invalid" });
  });

  it("asks for the smallest and the largest value", async () => {
    const { db, engine } = await openRounds();
    expect(await db.workOrder.min("dueAt")).toBeNull();
    engine.records.set("a", { id: "a", title: "x", dueAt: 0 });
    expect(await db.workOrder.max("dueAt", { where: { title: "x" } })).toEqual(new Date(0));
    expect(await db.workOrder.max("title")).toBe("x");
    expect(engine.calls.map((call) => call.slice(0, 5))).toEqual([
      ["end", "workOrder", "{}", "dueAt", false],
      ["end", "workOrder", '{"where":{"title":"x"}}', "dueAt", true],
      ["end", "workOrder", "{}", "title", true],
    ]);
  });

  it("keeps the order of the order", async () => {
    const { db, engine } = await openRounds();
    await db.workOrder.query({ orderBy: { title: "desc", dueAt: "asc" } });
    expect(engine.calls[0]?.[2]).toBe('{"orderBy":[{"title":"desc"},{"dueAt":"asc"}]}');
  });

  it("begins behind a record, of which it sends what the order asks for", async () => {
    const { db, engine } = await openRounds();
    const last = { id: "a", title: "x", dueAt: due, placeId: null };
    await db.workOrder.query({ orderBy: { dueAt: "asc" }, after: last });
    await db.workOrder.query({ limit: 5, after: last });
    await db.workOrder.query({ limit: 5, after: undefined });
    expect(engine.calls.map(([, , query]) => JSON.parse(query as string))).toEqual([
      { orderBy: [{ dueAt: "asc" }], after: { id: "a", dueAt: due.getTime() } },
      { limit: 5, after: { id: "a" } },
      { limit: 5 },
    ]);
  });

  it("tells how a query is answered", async () => {
    const { db, engine } = await openRounds();
    expect(await db.workOrder.explain({ where: { title: { contains: "x" } } })).toEqual({ access: "rows", index: null });
    expect(engine.calls[0]?.slice(0, 3)).toEqual(["explain", "workOrder", '{"where":{"title":{"contains":"x"}}}']);
  });

  it("refuses queries that cannot be meant", async () => {
    const { db, engine } = await openRounds();
    const wrong: [unknown, string][] = [
      [{ where: { title: undefined } }, "value/not-json"],
      [{ where: { dueAt: { gte: new Date(Number.NaN) } } }, "value/not-json"],
      [{ where: [] }, "value/not-json"],
      [{ where: { or: [{ title: undefined }] } }, "value/not-json"],
      [{ orderBy: { title: undefined } }, "value/not-json"],
      [{ limit: -1 }, "query/invalid"],
      [{ limit: 1.5 }, "query/invalid"],
      [{ offset: "3" }, "query/invalid"],
      [{ filter: {} }, "query/invalid"],
      [{ after: "a" }, "query/invalid"],
      [{ after: null }, "query/invalid"],
      [{ after: {} }, "value/not-json"],
      [{ orderBy: { body: "asc" }, after: { id: "a" } }, "value/not-json"],
      [5, "query/invalid"],
      [null, "query/invalid"],
    ];
    for (const [query, code] of wrong) {
      expect(await codeOf(() => db.note.query(query as never))).toBe(code);
      expect(await codeOf(() => db.note.watch(query as never))).toBe(code);
    }
    expect(engine.calls).toEqual([]);
  });

  it("finds entities by name", async () => {
    const { db } = await openRounds();
    expect(db.entity("note")).toBe(db.note);
    for (const name of ["nope", "constructor", "__proto__", "sync"]) {
      expect(await codeOf(() => db.entity(name))).toBe("schema/unknown-entity");
    }
  });
});

describe("a batch", () => {
  it("is one write", async () => {
    const { db, engine } = await openRounds();
    let id = "";
    const writes = await db.batch((batch) => {
      id = batch.workOrder.create({ title: "x" }).id;
      batch.workOrder.update(id, { placeId: "p" });
      batch.note.delete("n");
    });
    expect(engine.calls.length).toBe(1);
    expect(JSON.parse(engine.calls[0]?.[1] as string)).toEqual([
      { op: "create", entity: "workOrder", id, fields: { title: "x" } },
      { op: "update", entity: "workOrder", id, fields: { placeId: "p" } },
      { op: "delete", entity: "note", id: "n" },
    ]);
    expect(writes.map((write) => write.id)).toEqual([id, id, "n"]);
  });

  it("with nothing in it asks nobody", async () => {
    const { db, engine } = await openRounds();
    expect(await db.batch(() => {})).toEqual([]);
    expect(engine.calls).toEqual([]);
  });

  it("writes nothing when its function throws, is async, or is late", async () => {
    const { db, engine } = await openRounds();
    const own = new Error("of the app");
    const batch = db.batch((batch) => {
      batch.note.create({ body: "x" });
      throw own;
    });
    await expect(batch).rejects.toBe(own);
    expect(await codeOf(() => db.batch((batch) => void batch.note.create({ body: 5n as never })))).toBe(
      "value/not-json",
    );
    expect(await codeOf(() => db.batch((async () => {}) as never))).toBe("batch/invalid");
    let late: (() => unknown) | undefined;
    await db.batch((batch) => {
      late = () => batch.note.create({ body: "x" });
    });
    expect(await codeOf(() => late?.())).toBe("batch/invalid");
    await settle();
    expect(engine.calls).toEqual([]);
  });
});
