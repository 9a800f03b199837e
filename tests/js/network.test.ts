import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { capacitor, type CapacitorApp, type CapacitorNetwork } from "../../pkg/src/capacitor.js";
import type { NetworkAdapter, NetworkReport, NetworkState } from "../../pkg/src/network.js";
import { createOpen } from "../../pkg/src/open.js";
import { watchSuspension } from "../../pkg/src/suspension.js";
import { FakeModule } from "./fake-engine.js";
import { entities, openRounds, settle } from "./rounds.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function openWith(network: NetworkAdapter) {
  const module = new FakeModule();
  const db = await createOpen(async () => module)({ name: "rounds", entities, network });
  await settle();
  return { db, engine: module.engine };
}

describe("R14: the type of the network", () => {
  it("is unknown where nobody says what it is", async () => {
    const { db, engine } = await openRounds();
    const { status, type, metered, saveData } = db.network;
    expect({ status, type, metered, saveData }).toEqual({
      status: "unknown",
      type: "unknown",
      metered: null,
      saveData: false,
    });
    expect(engine.calls).toEqual([]);
  });

  it("is what the browser says, where it says something, and changes with it", async () => {
    const connection = Object.assign(new EventTarget(), { type: "cellular", saveData: true });
    vi.stubGlobal("navigator", { connection });
    const module = new FakeModule();
    const db = await createOpen(async () => module)({ name: "rounds", entities });
    const heard: NetworkState[] = [];
    db.network.subscribe((_, state) => heard.push(state));
    Object.assign(connection, { type: "wifi", saveData: false });
    connection.dispatchEvent(new Event("change"));
    connection.type = "bluetooth";
    connection.dispatchEvent(new Event("change"));
    expect(heard.map(({ type, metered, saveData }) => [type, metered, saveData])).toEqual([
      ["cellular", true, true],
      ["wifi", null, false],
      ["unknown", null, false],
    ]);
    expect(module.engine.calls).toEqual([
      ["carried", undefined, "cellular", true],
      ["carried", undefined, "wifi", false],
      ["carried", undefined, "unknown", false],
    ]);
    await db.close();
    connection.type = "cellular";
    connection.dispatchEvent(new Event("change"));
    expect(heard.length).toBe(3);
  });
});

describe("R13: one network service", () => {
  it("tells a late subscriber the present state at once", async () => {
    const { db, engine } = await openRounds();
    engine.emit({ type: "network", status: "captive" });
    await settle();
    const late = vi.fn();
    db.network.subscribe(late);
    expect(late.mock.calls).toMatchObject([["captive", { status: "captive", type: "unknown" }]]);
  });

  it("hears of an adapter instead of the browser, and ends it with the database", async () => {
    vi.stubGlobal("navigator", { connection: Object.assign(new EventTarget(), { type: "cellular" }) });
    let report = (_: NetworkReport): void => {};
    const stop = vi.fn();
    const { db, engine } = await openWith({
      start: (tell) => {
        report = tell;
        return stop;
      },
    });
    const changes = vi.fn();
    db.network.on("change", changes);
    report({ online: false, type: "none", metered: false });
    report({ online: true, type: "wifi" });
    report({ metered: true });
    report({ woke: true });
    expect(engine.calls).toEqual([
      ["carried", false, "none", false],
      ["carried", true, "wifi", false],
      ["woke"],
    ]);
    expect(changes.mock.calls.map(([, { type, metered }]) => [type, metered])).toEqual([
      ["none", false],
      ["wifi", false],
      ["wifi", true],
    ]);
    await db.close();
    report({ online: false });
    await settle();
    expect(stop).toHaveBeenCalledTimes(1);
    expect(engine.calls.at(-1)).toEqual(["close"]);
  });

  it("says on the console that an adapter has failed, and goes on without", async () => {
    const console = vi.spyOn(globalThis.console, "error").mockReturnValue();
    const { db } = await openWith({ start: () => Promise.reject(new Error("no plugin")) });
    expect(console.mock.calls).toMatchObject([["whimbrel:", { code: "network/adapter" }]]);
    await db.close();
  });
});

describe("R23: the adapter for Capacitor", () => {
  it("reports what the phone says, and that the app comes back", async () => {
    const listeners = new Map<string, (value?: unknown) => void>();
    const removed: string[] = [];
    const addListener = async (event: string, listener: (value: never) => void) => {
      listeners.set(event, listener as never);
      return { remove: async () => void removed.push(event) };
    };
    const plugin: CapacitorNetwork = {
      getStatus: async () => ({ connected: true, connectionType: "cellular" }),
      addListener,
    };
    const app: CapacitorApp = { addListener };
    const { db, engine } = await openWith(capacitor({ network: plugin, app }));
    expect([db.network.type, db.network.metered]).toEqual(["cellular", true]);
    listeners.get("networkStatusChange")?.({ connected: false, connectionType: "none" });
    listeners.get("resume")?.();
    expect(engine.calls).toEqual([["carried", true, "cellular", false], ["carried", false, "none", false], ["woke"]]);
    await db.close();
    await settle();
    expect(removed).toEqual(["networkStatusChange", "resume"]);
  });
});

describe("R13: sleep", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const sleeps = (hidden: boolean, ms: number): number => {
    vi.stubGlobal("document", { visibilityState: hidden ? "hidden" : "visible" });
    let clock = 0;
    const woke = vi.fn();
    const off = watchSuspension(woke, () => clock);
    for (const step of [5_000, 5_000 + ms, 5_000]) {
      clock += step;
      vi.advanceTimersByTime(5_000);
    }
    off();
    clock += 1_000_000;
    vi.advanceTimersByTime(10_000);
    return woke.mock.calls.length;
  };

  it("is noticed by a timer that comes much too late, once", () => {
    expect(sleeps(false, 20_000)).toBe(1);
    expect(sleeps(true, 200_000)).toBe(1);
  });

  it("is neither a busy page nor a hidden one whose timers are slowed down", () => {
    expect(sleeps(false, 3_000)).toBe(0);
    expect(sleeps(true, 60_000)).toBe(0);
  });
});
