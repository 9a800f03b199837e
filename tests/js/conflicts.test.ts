import { describe, expect, it } from "vitest";

import { codeOf, openRounds, settle } from "./rounds.js";

const met = {
  position: 4,
  change: "c",
  op: "update",
  entity: "workOrder",
  id: "w",
  at: 7,
  base: { title: "Pump", dueAt: 1 },
  local: { title: "Pump 4", dueAt: 2 },
  server: { version: 9, fields: { title: "Pump 5", placeId: null, dueAt: 1 } },
  contested: ["title"],
};
const deleted = { ...met, position: 5, server: undefined, contested: [] };

describe("conflicts", () => {
  it("R17: are listed with all three versions, times as dates", async () => {
    const { db, engine } = await openRounds();
    engine.met = [met, deleted];
    const [first, second] = await db.conflicts.list();
    expect(first).toEqual({
      ...met,
      at: new Date(7),
      base: { title: "Pump", dueAt: new Date(1) },
      local: { title: "Pump 4", dueAt: new Date(2) },
      server: { version: 9, fields: { title: "Pump 5", placeId: null, dueAt: new Date(1) } },
    });
    expect(second?.server).toBeNull();
  });

  it("are watched like records", async () => {
    const { db, engine } = await openRounds();
    const seen: number[] = [];
    const stop = db.conflicts.watch().subscribe((conflicts) => seen.push(conflicts.length));
    const [watched] = engine.watches.values();
    expect(watched?.entity).toBe("@conflicts");
    watched?.deliver(JSON.stringify([met]));
    await settle();
    watched?.deliver("[]");
    await settle();
    expect(seen).toEqual([1, 0]);
    stop();
    expect(engine.watches.size).toBe(0);
  });

  it("R17: are decided by side, by field, or with another value", async () => {
    const { db, engine } = await openRounds();
    engine.met = [met];
    const [conflict] = await db.conflicts.list();
    if (conflict?.entity !== "workOrder") throw new Error("there is a conflict of a work order");
    await db.conflicts.resolve(conflict, "local");
    await db.conflicts.resolve(conflict, { title: "server", dueAt: { value: new Date(3) } });
    expect(await db.conflicts.resolveAll("workOrder", "server")).toBe(1);
    expect(engine.calls.slice(1)).toEqual([
      ["resolve", 4, { all: "local" }],
      ["resolve", 4, { fields: { title: "server", dueAt: { value: 3 } } }],
      ["resolveAll", "workOrder", { all: "server" }],
    ]);
  });

  it("tell what a decision cannot be", async () => {
    const { db, engine } = await openRounds();
    const conflict = { position: 4, entity: "workOrder", local: { title: "x" } } as const;
    for (const decision of ["theirs", undefined, { title: "theirs" }, { title: { other: 1 } }]) {
      expect(await codeOf(() => db.conflicts.resolve(conflict, decision as never))).toBe("conflict/undecided");
    }
    expect(await codeOf(() => db.conflicts.resolveAll("workOrder", "both" as never))).toBe("conflict/undecided");
    expect(await codeOf(() => db.conflicts.undo("4" as never))).toBe("value/type");
    expect(engine.calls).toEqual([]);
  });

  it("can be undone", async () => {
    const { db } = await openRounds();
    expect(await db.conflicts.undo(4)).toBe("open");
    expect(await db.conflicts.undo({ position: 5 })).toBe("written");
  });
});
