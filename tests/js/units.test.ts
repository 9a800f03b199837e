import { afterEach, describe, expect, it, vi } from "vitest";

import { createOpen } from "../../pkg/src/open.js";
import type { UnitPolicy } from "../../pkg/src/options.js";
import { entity, integer } from "../../pkg/src/schema.js";
import { FakeModule, idle } from "./fake-engine.js";
import { codeOf, entities, openRounds, settle } from "./rounds.js";

afterEach(() => void vi.restoreAllMocks());

async function unitDto(policy: UnitPolicy) {
  const module = new FakeModule();
  await createOpen(async () => module)({ name: "a", entities, units: { home: { both: ["place", "note"], ...policy } } });
  return module.opened[0]?.schema.units[0];
}

const home = { name: "home", push: ["note"], pull: ["place", "note"] };

describe("R7: the conditions of a unit", () => {
  it("are what the engine is told", async () => {
    expect(await unitDto({})).toEqual(home);
    const policy: UnitPolicy = {
      timeout: 60_000,
      idleTimeout: 5_000,
      batchSize: 50,
      retry: { base: 500, cap: 8_000 },
      networks: ["wifi", "ethernet"],
      whenSaveData: "wait",
    };
    const { whenSaveData: _, ...same } = policy;
    expect(await unitDto(policy)).toEqual({ ...home, ...same, waitsForDataSaver: true });
    expect(await unitDto({ retry: false, whenSaveData: "run" })).toEqual({ ...home, neverRetries: true });
  });

  it.each<[string, object]>([
    ["an option that is none", { timeuot: 5 }],
    ["a timeout of nothing", { timeout: 0 }],
    ["half a change", { batchSize: 0.5 }],
    ["a base above the cap", { retry: { base: 2, cap: 1 } }],
    ["retry: true", { retry: true }],
    ["no networks", { networks: [] }],
    ["a network that is none", { networks: ["wlan"] }],
    ["whenSaveData that is none", { whenSaveData: "never" }],
  ])("refuse %s", async (_, policy) => {
    expect(await codeOf(() => unitDto(policy))).toBe("open/invalid");
  });

  it("do not count when the user wants it now", async () => {
    const { db, engine } = await openRounds();
    db.sync.trigger("home", { anyNetwork: true });
    expect(engine.calls).toEqual([["trigger", ["home"], false, false, true]]);
  });

  it("are told by the status while a unit waits for them", async () => {
    const { db, engine } = await openRounds();
    expect(db.sync.status.waitingFor).toBe(null);
    const waitingFor = { unit: "home", condition: "network" } as const;
    engine.emit({ type: "status", status: { ...idle, phase: "held", waitingFor } });
    await settle();
    expect(db.sync.status).toMatchObject({ phase: "held", waitingFor });
  });
});

describe("what a schema is advised on", () => {
  const open = async (options: object) => {
    const warned = vi.spyOn(console, "warn").mockReturnValue();
    warned.mockClear();
    const module = new FakeModule();
    const db = await createOpen(async () => module)({ name: "a", server: { url: "/v1" }, entities, ...options } as never);
    await settle();
    const codes = warned.mock.calls.map(([, error]) => (error as { code: string; message: string }).code);
    return { db, codes, warned };
  };

  it("R4: an entity of more than 50 fields", async () => {
    const fields = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, place) => [`f${place}`, integer()]));
    expect((await open({ entities: { wide: entity(fields(50)) } })).codes).toEqual([]);
    expect((await open({ entities: { wide: entity(fields(51)) } })).codes).toEqual(["schema/many-fields"]);
  });

  it("R4: a record of more than 64 KiB, once", async () => {
    const { db, warned } = await open({});
    const note = (db as unknown as Awaited<ReturnType<typeof openRounds>>["db"]).note;
    await note.create({ body: "x".repeat(60_000) });
    expect(warned).not.toHaveBeenCalled();
    await note.create({ body: "x".repeat(70_000) });
    await note.create({ body: "x".repeat(70_000) });
    expect(warned.mock.calls).toMatchObject([["whimbrel:", { code: "value/large-row" }]]);
  });

  it("R18: an entity in no unit", async () => {
    const { codes, warned } = await open({ units: { home: ["place", "note"] } });
    expect(codes).toEqual(["schema/no-unit"]);
    expect((warned.mock.calls[0]?.[1] as Error).message).toContain("workOrder");
    expect((await open({ units: { home: ["place", "note"], send: { push: ["workOrder"] } } })).codes).toEqual([]);
  });
});
