import { afterEach, describe, expect, it, vi } from "vitest";

import { UnsentChangesError } from "../../pkg/src/errors.js";
import { createOpen, destroyDatabase } from "../../pkg/src/open.js";
import { Memory } from "./device.js";
import { errorDto, FakeModule, idle } from "./fake-engine.js";
import { codeOf, entities, errorOf, settle } from "./rounds.js";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function openAs(user: string, pending: number, rejected = 0) {
  const module = new FakeModule();
  module.engine.present = { ...idle, pending, rejected };
  const db = await createOpen(async () => module)({
    name: "rounds",
    user,
    entities,
    units: { fetch: { pull: ["place"] }, send: { push: ["note"] }, home: ["place", "note"] },
  });
  return { db, module, engine: module.engine };
}

/** What waits is sent, or not, as soon as a run is asked for. */
function serve(engine: FakeModule["engine"], left: number): void {
  const trigger = engine.trigger.bind(engine);
  engine.trigger = (...args) => {
    const numbers = trigger(...args);
    engine.present = { ...engine.present, pending: left };
    const failed = left > 0;
    const error = failed ? errorDto("network/unreachable") : null;
    const outcome = failed ? "error" : "complete";
    queueMicrotask(() => engine.emit({ type: "settled", requests: [...numbers], outcome, run: "r1", error }));
    return numbers;
  };
}

const codes = (calls: unknown[][]): unknown[] => calls.map(([name]) => name);

describe("leaving a database", () => {
  it("is closing it, when all was sent", async () => {
    const { db, module } = await openAs("ana", 0);
    expect(db.unsent()).toBe(0);
    expect(await db.leave()).toBe(0);
    expect((await db.closed).code).toBe("store/closed");
    expect(module.destroyed).toEqual([]);
  });

  it("asks what becomes of changes that were not sent, and says how many there are", async () => {
    const { db } = await openAs("ana", 2, 1);
    const error = await errorOf(() => db.leave());
    expect(error).toBeInstanceOf(UnsentChangesError);
    expect(error).toMatchObject({ code: "user/unsent-changes", count: 3, blame: "app" });
    expect(db.unsent(), "it is still open").toBe(3);
  });

  it("keeps them", async () => {
    const { db, module } = await openAs("ana", 2);
    expect(await db.leave({ unsent: "keep" })).toBe(0);
    expect(module.destroyed).toEqual([]);
  });

  it("sends them first, on any network, with the units that send", async () => {
    const { db, engine } = await openAs("ana", 2);
    serve(engine, 0);
    expect(await db.leave({ unsent: "send" })).toBe(0);
    expect(engine.calls).toEqual([["trigger", ["send", "home"], false, false, true], ["close"]]);
  });

  it("stays when they cannot be sent, and says why", async () => {
    const { db, engine } = await openAs("ana", 2);
    serve(engine, 1);
    const error = await errorOf(() => db.leave({ unsent: "send" }));
    expect(error).toMatchObject({ code: "user/unsent-changes", count: 1, cause: { code: "network/unreachable" } });
    expect(codes(engine.calls)).toEqual(["trigger"]);
  });

  it("discards them by force only, and says how many", async () => {
    const { db, module } = await openAs("ana", 2);
    expect(await codeOf(() => db.leave({ unsent: "discard" }))).toBe("user/unsent-changes");
    expect(await db.leave({ unsent: "discard", force: true })).toBe(2);
    expect(module.destroyed).toEqual([["rounds", "ana"]]);
  });
});

describe("R5: switching users", () => {
  it("opens the database of the other user, once this one is closed", async () => {
    const { db, module } = await openAs("ana", 0);
    const other = await db.switchUser("ben");
    expect(module.opened.map(({ name, user }) => [name, user])).toEqual([
      ["rounds", "ana"],
      ["rounds", "ben"],
    ]);
    expect(await codeOf(() => db.note.get("a"))).toBe("store/closed");
    expect(await other.note.get("a")).toBe(undefined);
  });

  it("does nothing while it is not said what becomes of unsent changes", async () => {
    const { db, module } = await openAs("ana", 1);
    expect(await codeOf(() => db.switchUser("ben"))).toBe("user/unsent-changes");
    expect(module.opened.length).toBe(1);
    await db.switchUser("ben", { unsent: "keep" });
    expect(module.opened.length).toBe(2);
  });
});

describe("wiping", () => {
  it("refuses to lose changes without force, and says how many were lost", async () => {
    const { db, module } = await openAs("ana", 2, 3);
    expect(await errorOf(() => db.wipe())).toMatchObject({ code: "user/unsent-changes", count: 5 });
    expect(module.destroyed).toEqual([]);
    expect(await db.wipe({ force: true })).toBe(5);
    expect(module.destroyed).toEqual([["rounds", "ana"]]);
    expect((await db.closed).code).toBe("store/closed");
  });

  it("needs no force when all was sent", async () => {
    const { db } = await openAs("ana", 0);
    expect(await db.wipe()).toBe(0);
  });

  it("of a database that is not open knows what the origin remembers", async () => {
    const memory = new Memory();
    vi.stubGlobal("localStorage", memory);
    memory.setItem("whimbrel/rounds/ana", JSON.stringify({ identity: "i", pending: 4, unmirrored: false }));
    const module = new FakeModule();
    const destroy = (force?: boolean) => destroyDatabase(async () => module, "rounds", "ana", force);
    expect(await errorOf(() => destroy())).toMatchObject({ code: "user/unsent-changes", count: 4 });
    expect(module.destroyed).toEqual([]);
    expect(await destroy(true)).toBe(4);
    expect([module.destroyed, memory.items.size]).toEqual([[["rounds", "ana"]], 0]);
    expect(await destroy()).toBe(0);
  });
});

it("R21: a login whose first sync fails has opened the local data", async () => {
  vi.spyOn(console, "error").mockReturnValue();
  const { db, engine } = await openAs("ana", 1);
  engine.records.set("a", { id: "a", body: "here" });
  const run = db.sync.trigger("home");
  engine.emit({ type: "settled", requests: [1], outcome: "error", run: "r1", error: errorDto("network/unreachable") });
  expect((await run.settled).outcome).toBe("error");
  await settle();
  expect(await db.note.get("a")).toMatchObject({ body: "here" });
});
