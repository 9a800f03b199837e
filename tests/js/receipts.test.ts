import { describe, expect, it } from "vitest";

import type { ConfirmedDto, EventDto } from "../../pkg/src/engine.js";
import { errorDto } from "./fake-engine.js";
import { codeOf, openRounds, settle } from "./rounds.js";

const accepted = (change: string): ConfirmedDto => ({
  change,
  entity: "note",
  id: "n",
  outcome: "accepted",
  version: 12,
  code: null,
  message: null,
});
const rejected = (change: string): ConfirmedDto => ({
  ...accepted(change),
  outcome: "rejected",
  version: null,
  code: "constraint/unique",
  message: "there is one already",
});
const told = (dto: ConfirmedDto): EventDto => ({ type: "confirmed", receipts: [dto] });

describe("confirmed", () => {
  it("is asked for only when somebody reads it", async () => {
    const { db, engine } = await openRounds();
    const note = await db.note.create({ body: "x" });
    expect(engine.calls.map(([name]) => name)).toEqual(["write"]);
    const { confirmed } = note;
    expect(engine.calls.map(([name]) => name)).toEqual(["write", "change"]);
    engine.emit(told(accepted("change-1")));
    expect(await confirmed).toEqual({ outcome: "accepted", change: "change-1", entity: "note", id: "n", version: 12 });
  });

  it("is not asked for by whoever copies or prints a write", async () => {
    const { db, engine } = await openRounds();
    const [update, change] = [await db.note.update("n", { body: "x" }), db.change("c")];
    expect(JSON.stringify([update, change])).toBe('[{"change":"change-1","entity":"note","id":"n"},{"change":"c"}]');
    expect({ ...update }).toEqual({ change: "change-1", entity: "note", id: "n" });
    expect(await update.saved).toBeUndefined();
    expect(engine.calls.map(([name]) => name)).toEqual(["write"]);
  });

  it("has arrived already when it is asked for late", async () => {
    const { db, engine } = await openRounds();
    const note = await db.note.create({ body: "x" });
    engine.receipts.set("change-1", accepted("change-1"));
    expect(await note.confirmed).toMatchObject({ outcome: "accepted" });
    expect(engine.calls.map(([name]) => name)).toEqual(["write", "change"]);
  });

  it("is found again after a reload", async () => {
    const { db, engine } = await openRounds();
    engine.receipts.set("change-of-yesterday", rejected("change-of-yesterday"));
    expect(await db.change("change-of-yesterday").confirmed).toEqual({
      outcome: "rejected",
      change: "change-of-yesterday",
      entity: "note",
      id: "n",
      code: "constraint/unique",
      message: "there is one already",
    });
  });

  it("arrives while the engine is being asked", async () => {
    const { db, engine } = await openRounds();
    let go = (): void => {};
    engine.delays.set("change", new Promise((resolve) => (go = resolve)));
    const { confirmed } = db.change("c");
    engine.emit(told(accepted("c")));
    expect(await confirmed).toMatchObject({ outcome: "accepted" });
    go();
  });

  it("is waited for from the question to the answer, so that the engine tells no other", async () => {
    const { db, engine } = await openRounds();
    const waits = (change: string): boolean | undefined => engine.host?.waits(change);
    expect(waits("c")).toBe(false);
    const { confirmed } = db.change("c");
    expect([waits("c"), waits("d")]).toEqual([true, false]);
    await settle();
    engine.emit(told(accepted("c")));
    await confirmed;
    expect(waits("c")).toBe(false);
  });

  it("is one question for all who ask, and an answer for each", async () => {
    const { db, engine } = await openRounds();
    const [one, two] = [db.change("c").confirmed, db.change("c").confirmed];
    await settle();
    engine.emit(told(accepted("c")));
    expect(await one).toBe(await two);
    expect(engine.calls).toEqual([["change", "c"]]);
  });

  it("is unknown when the database is closed before there is one", async () => {
    const { db } = await openRounds();
    const change = db.change("c");
    const waiting = change.confirmed;
    await db.close();
    expect(await waiting).toEqual({ outcome: "unknown", change: "c" });
    expect(await codeOf(() => change.confirmed)).toBe("store/closed");
  });

  it("can be asked for again when the question failed", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("change", errorDto("store/timeout", { retryable: true }));
    expect(await codeOf(() => db.change("c").confirmed)).toBe("store/timeout");
    engine.receipts.set("c", accepted("c"));
    expect(await db.change("c").confirmed).toMatchObject({ outcome: "accepted" });
  });

  it("asks the engine anew each time: a conflict is not the last word", async () => {
    const { db, engine } = await openRounds();
    const first = db.change("c").confirmed;
    await settle();
    engine.emit(told({ ...accepted("c"), outcome: "conflict", version: null }));
    expect(await first).toMatchObject({ outcome: "conflict" });
    engine.receipts.set("c", accepted("c"));
    expect(await db.change("c").confirmed).toMatchObject({ outcome: "accepted" });
    expect(engine.calls).toEqual([
      ["change", "c"],
      ["change", "c"],
    ]);
  });

  it("says null where the engine says nothing", async () => {
    const { db, engine } = await openRounds();
    const about = { change: "c", entity: "note", id: "n" };
    const asked = [db.change("c").confirmed, db.change("d").confirmed];
    await settle();
    engine.emit({ type: "confirmed", receipts: [{ ...about, outcome: "conflict" }] } as never);
    engine.emit({ type: "confirmed", receipts: [{ ...about, change: "d", outcome: "accepted" }] } as never);
    expect(await asked[0]).toEqual({ ...about, outcome: "conflict", code: null, message: null });
    expect(await asked[1]).toEqual({ ...about, change: "d", outcome: "accepted", version: null });
  });

  it("needs an id", async () => {
    const { db } = await openRounds();
    expect(await codeOf(() => db.change(7 as never))).toBe("value/id");
  });
});

describe("a record with fields that have a write's names", () => {
  it("keeps its own", async () => {
    const { createOpen } = await import("../../pkg/src/open.js");
    const { boolean, entity } = await import("../../pkg/src/schema.js");
    const { FakeModule } = await import("./fake-engine.js");
    const module = new FakeModule();
    const db = await createOpen(async () => module)({
      name: "a",
      entities: { visit: entity({ confirmed: boolean() }) },
    });
    const visit = await db.visit.create({ confirmed: true });
    expect(visit.confirmed).toBe(true);
    expect(await visit.saved).toBeUndefined();
    expect({ ...visit }).toEqual({ id: visit.id, confirmed: true });
  });
});
