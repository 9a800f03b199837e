import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { createOpen, destroyDatabase } from "../../pkg/src/open.js";
import { type Entities, entity, text } from "../../pkg/src/schema.js";
import type { HealthStatus } from "../../pkg/src/storage-health.js";
import { Memory } from "./device.js";
import { errorDto, FakeModule, idle } from "./fake-engine.js";
import { settle } from "./rounds.js";

const STORE = "whimbrel/a/ana";
const marker = (more: object = {}): string => JSON.stringify({ identity: "one", pending: 0, unmirrored: false, ...more });
const recovery = { changes: 2, refused: 1, whole: true };

let memory: Memory;
let module: FakeModule;

async function openIt(): ReturnType<ReturnType<typeof createOpen>> {
  const options = { name: "a", user: "ana", entities: { note: entity({ body: text() }) } as Entities };
  return createOpen(async () => module)(options as never) as never;
}

/** Opens and waits until it is known what was wiped. */
async function healthOf(): Promise<HealthStatus> {
  const remembered = vi.spyOn(memory, "setItem");
  const db = await openIt();
  const { identity } = module.engine.storage as { identity: string };
  // What was remembered before may be the same: it has to be remembered anew.
  await vi.waitFor(() => expect(remembered).toHaveBeenCalledWith(STORE, expect.stringContaining(identity)));
  remembered.mockRestore();
  return db.health.status;
}

beforeEach(() => {
  memory = new Memory();
  module = new FakeModule();
  vi.stubGlobal("localStorage", memory);
  vi.stubGlobal("navigator", { storage: { persisted: async () => true } });
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("a wipe", () => {
  it("is none on the first start, and none while the database is the same", async () => {
    module.engine.storage = { identity: "one", isNew: true, recovered: {} };
    expect((await healthOf()).wiped).toBeNull();
    module.engine.storage = { identity: "one", isNew: false, recovered: { zero: recovery } };
    expect((await healthOf()).wiped).toBeNull();
    expect(console.error).not.toHaveBeenCalled();
  });

  it("is told with what came back", async () => {
    memory.setItem(STORE, marker({ pending: 2 }));
    module.engine.storage = { identity: "two", isNew: true, recovered: { one: recovery } };
    expect((await healthOf()).wiped).toEqual({ recovered: 3, lost: 0 });
    expect(console.error).toHaveBeenCalledWith("whimbrel:", expect.objectContaining({ code: "store/wiped" }));
    expect(JSON.parse(memory.getItem(STORE) ?? "")).toMatchObject({ identity: "two" });
  });

  it("is told again when it was not told before the app was killed", async () => {
    memory.setItem(STORE, marker());
    module.engine.storage = { identity: "two", isNew: false, recovered: { one: recovery, zero: recovery } };
    expect((await healthOf()).wiped).toEqual({ recovered: 3, lost: 0 });
  });

  it("without a mirror has lost what waited", async () => {
    memory.setItem(STORE, marker({ pending: 7 }));
    module.engine.storage = { identity: "two", isNew: true, recovered: {} };
    expect((await healthOf()).wiped).toEqual({ recovered: 0, lost: 7 });
  });

  it("with a mirror that has gaps has lost nobody knows what", async () => {
    memory.setItem(STORE, marker({ pending: 2 }));
    module.engine.storage = { identity: "two", isNew: true, recovered: { one: { ...recovery, whole: false } } };
    expect((await healthOf()).wiped).toEqual({ recovered: 3, lost: null });
  });

  it("is noticed by the mirror alone", async () => {
    memory.setItem(STORE, "nonsense");
    module.engine.storage = { identity: "two", isNew: true, recovered: { one: recovery } };
    expect((await healthOf()).wiped).toEqual({ recovered: 3, lost: 0 });
  });

  it("is told of a database that was damaged and began anew, once", async () => {
    memory.setItem(STORE, marker({ pending: 2 }));
    module.engine.storage = { identity: "one", isNew: true, recovered: { "one#7": recovery } };
    expect((await healthOf()).wiped).toEqual({ recovered: 3, lost: 0 });
    expect(console.error).toHaveBeenCalledWith("whimbrel:", expect.objectContaining({ code: "store/corrupt" }));
    module.engine.storage = { identity: "one", isNew: false, recovered: { "one#7": recovery } };
    expect((await healthOf()).wiped).toBeNull();
    memory.setItem(STORE, marker({ pending: 2, damage: 6 }));
    expect((await healthOf()).wiped).toEqual({ recovered: 3, lost: 0 });
  });

  it("that the engine finds out later is told to who listens, and who comes late", async () => {
    const db = await openIt();
    await vi.waitFor(() => expect(memory.getItem(STORE)).toContain("one"));
    const seen: unknown[] = [];
    db.health.subscribe(({ wiped }) => seen.push(wiped));
    module.engine.storage = { identity: "one", isNew: false, recovered: { zero: recovery } };
    module.engine.emit({ type: "recovered" });
    await vi.waitFor(() => expect(seen).toEqual([null, { recovered: 3, lost: 0 }]));
    db.health.subscribe(({ wiped }) => seen.push(wiped));
    expect(seen).toHaveLength(3);
  });
});

describe("what is remembered", () => {
  it("is how many changes wait, and that the mirror missed some", async () => {
    const db = await openIt();
    await vi.waitFor(() => expect(memory.getItem(STORE)).not.toBeNull());
    module.engine.emit({ type: "status", status: { ...idle, pending: 5 } });
    module.engine.emit({ type: "report", level: "warn", error: errorDto("store/mirror") });
    await settle();
    await db.close();
    expect(memory.getItem(STORE)).toBe(marker({ pending: 5, unmirrored: true }));
    await (await openIt()).close();
    expect(module.opened.map((dto) => dto.mirrorUnsure)).toEqual([false, true]);
  });

  it("is forgotten with the database", async () => {
    memory.setItem(STORE, marker());
    await destroyDatabase(async () => module, "a", "ana");
    expect(memory.length).toBe(0);
  });

  it("is nothing where there is no localStorage", async () => {
    vi.stubGlobal("localStorage", undefined);
    expect((await openIt()).health.status.wiped).toBeNull();
  });
});

describe("persistence", () => {
  const persistedOf = async (storage: object): Promise<boolean | null> => {
    vi.stubGlobal("navigator", { storage });
    const db = await openIt();
    await vi.waitFor(() => expect(db.health.status.persisted).not.toBeNull());
    return db.health.status.persisted;
  };

  it("is asked for unless it is there", async () => {
    const persist = vi.fn(async () => true);
    expect(await persistedOf({ persisted: async () => true, persist })).toBe(true);
    expect(persist).not.toHaveBeenCalled();
    expect(await persistedOf({ persisted: async () => false, persist })).toBe(true);
    expect(console.warn).not.toHaveBeenCalled();
  });

  it("R23: that is refused is said loudly", async () => {
    expect(await persistedOf({ persist: async () => false })).toBe(false);
    expect(console.warn).toHaveBeenCalledWith("whimbrel:", expect.objectContaining({ code: "store/not-persistent" }));
  });

  it("is not waited for", async () => {
    vi.stubGlobal("navigator", { storage: { persist: () => new Promise(() => undefined) } });
    expect((await openIt()).health.status.persisted).toBeNull();
  });

  it("comes with the space that is used", async () => {
    vi.stubGlobal("navigator", { storage: { persisted: async () => true, estimate: async () => ({ usage: 5, quota: 9 }) } });
    expect(await (await openIt()).health.usage()).toEqual({ usage: 5, quota: 9 });
    vi.stubGlobal("navigator", {});
    expect(await (await openIt()).health.usage()).toEqual({ usage: null, quota: null });
  });
});
