import { afterEach, describe, expect, it, vi } from "vitest";

import type { SyncStatus } from "../../pkg/src/status.js";
import { errorDto, idle } from "./fake-engine.js";
import { codeOf, errorOf, openRounds, settle } from "./rounds.js";

afterEach(() => void vi.restoreAllMocks());

const start = { type: "start", run: "r1", unit: "home", cause: "app" } as const;
const failed = {
  type: "error",
  run: "r1",
  unit: "home",
  error: errorDto("network/timeout", { retryable: true }),
  retryAt: 5,
} as const;
const settled = (requests: number[], outcome: "complete" | "discarded" | "cancelled" = "complete") =>
  ({ type: "settled", requests, outcome, run: outcome === "discarded" ? null : "r1", error: null }) as const;

describe("trigger", () => {
  it("R9: gives every caller the outcome of the run that served it", async () => {
    const { db, engine } = await openRounds();
    const [one, two] = [db.sync.trigger("home"), db.sync.trigger("home")];
    expect(engine.calls).toEqual([
      ["trigger", ["home"], false, false],
      ["trigger", ["home"], false, false],
    ]);
    engine.emit(settled([1, 2, 77]));
    expect(await one.settled).toEqual({ outcome: "complete", run: "r1" });
    expect(await two.settled).toEqual({ outcome: "complete", run: "r1" });
    expect(one.unit).toBe("home");
  });

  it("asks for several units at once", async () => {
    const { db, engine } = await openRounds();
    const [home, send] = db.sync.trigger(["home", "send"], { discardPending: true });
    expect(engine.calls).toEqual([["trigger", ["home", "send"], true, false]]);
    engine.emit(settled([2], "cancelled"));
    engine.emit({ type: "settled", requests: [1], outcome: "error", run: "r2", error: errorDto("server/failed") });
    expect(await send?.settled).toEqual({ outcome: "cancelled", run: "r1" });
    expect(await home?.settled).toMatchObject({
      outcome: "error",
      run: "r2",
      error: { code: "server/failed", name: "WhimbrelError" },
    });
    expect(db.sync.trigger([])).toEqual([]);
    expect(engine.calls.length).toBe(1);
  });

  it("says that a request in a handler of a run's end is a consequence of it", async () => {
    const { db, engine } = await openRounds();
    const complained = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const first = db.sync.trigger("home");
    const afterwards = first.settled.then(() => db.sync.trigger("home"));
    const off = db.sync.on("complete", () => void db.sync.trigger("send"));
    engine.emit({ type: "complete", run: "r1", unit: "home", pushed: 0, pulled: 0, rejected: 0, conflicts: 0, forbidden: [] });
    engine.emit(settled([1]));
    const second = await afterwards;
    expect(engine.calls.slice(1)).toEqual([
      ["trigger", ["send"], false, true],
      ["trigger", ["home"], false, true],
    ]);
    off();
    engine.emit({ type: "settled", requests: [3], outcome: "error", run: null, error: errorDto("sync/loop") });
    expect(await second.settled).toMatchObject({ outcome: "error", run: null, error: { code: "sync/loop" } });
    expect(complained).toHaveBeenCalledOnce();
    await new Promise((resolve) => setTimeout(resolve));
    db.sync.trigger("home");
    expect(engine.calls.at(-1)).toEqual(["trigger", ["home"], false, false]);
    complained.mockRestore();
  });

  it("misses no outcome that the engine has at once", async () => {
    const { db, engine } = await openRounds();
    vi.spyOn(engine, "trigger").mockImplementation(() => {
      engine.emit(settled([9]));
      return Uint32Array.of(9);
    });
    expect(await db.sync.trigger("home").settled).toEqual({ outcome: "complete", run: "r1" });
  });

  it("R19: tells those who were discarded, and whoever listens", async () => {
    const { db, engine } = await openRounds();
    const listener = vi.fn();
    db.sync.on("discarded", listener);
    const run = db.sync.trigger("send");
    engine.emit(settled([1, 50], "discarded"));
    engine.emit(settled([1], "discarded"));
    expect(await run.settled).toEqual({ outcome: "discarded", run: null });
    await settle();
    expect(listener.mock.calls).toEqual([[{ type: "discarded", unit: "send" }]]);
  });

  it("R15: throws for a unit that is not there", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("trigger", errorDto("sync/unknown-unit"));
    expect(await codeOf(() => db.sync.trigger("hom" as never))).toBe("sync/unknown-unit");
  });

  it("is settled when the database is closed", async () => {
    const { db } = await openRounds();
    const run = db.sync.trigger("home");
    await db.close();
    expect(await run.settled).toEqual({ outcome: "cancelled", run: null });
    expect(await codeOf(() => db.sync.trigger("home"))).toBe("store/closed");
  });
});

describe("events", () => {
  it("arrive in order, after the call that caused them", async () => {
    const { db, engine } = await openRounds();
    const heard: string[] = [];
    db.sync.on("start", ({ type, unit, cause }) => heard.push(`${type} ${unit} ${cause}`));
    db.sync.on("progress", ({ progress }) => heard.push(`progress ${progress.pulled}/${progress.toPull}`));
    db.sync.on("complete", ({ run, pulled }) => heard.push(`complete ${run} ${pulled}`));
    db.sync.on("cancelled", ({ run }) => heard.push(`cancelled ${run}`));
    engine.emit(start);
    engine.emit({ type: "progress", run: "r1", unit: "home", progress: { ...idle.progress, pulled: 5, toPull: 9 } });
    engine.emit({ type: "complete", run: "r1", unit: "home", pushed: 1, pulled: 9, rejected: 0, conflicts: 0, forbidden: [] });
    engine.emit({ type: "cancelled", run: "r2", unit: "home" });
    expect(heard).toEqual([]);
    await settle();
    expect(heard).toEqual(["start home app", "progress 5/9", "complete r1 9", "cancelled r2"]);
  });

  it("reach nobody who has left, not even in the same turn", async () => {
    const { db, engine } = await openRounds();
    const second = vi.fn();
    const offFirst = db.sync.on("start", () => offSecond());
    const offSecond = db.sync.on("start", second);
    engine.emit(start);
    await settle();
    expect(second).not.toHaveBeenCalled();
    offFirst();
    offFirst();
  });

  it("reach a function as often as it was registered", async () => {
    const { db, engine } = await openRounds();
    const listener = vi.fn();
    const off = db.sync.on("start", listener);
    db.sync.on("start", listener);
    engine.emit(start);
    await settle();
    off();
    engine.emit(start);
    await settle();
    expect(listener).toHaveBeenCalledTimes(3);
  });

  it("R20: survive a listener that throws", async () => {
    const console = vi.spyOn(globalThis.console, "error").mockReturnValue();
    const { db, engine } = await openRounds();
    const listener = vi.fn();
    db.sync.on("start", () => {
      throw new Error("oops");
    });
    db.sync.on("start", listener);
    const run = db.sync.trigger("home");
    engine.emit(start);
    engine.emit(settled([1]));
    expect(await run.settled).toEqual({ outcome: "complete", run: "r1" });
    expect(listener).toHaveBeenCalledTimes(1);
    expect(console).toHaveBeenCalledTimes(1);
  });

  it("carry errors and dates", async () => {
    const { db, engine } = await openRounds();
    const listener = vi.fn();
    db.sync.on("error", listener);
    engine.emit(failed);
    await settle();
    expect(listener.mock.calls).toMatchObject([
      [{ error: { code: "network/timeout", retryable: true }, retryAt: new Date(5) }],
    ]);
  });

  it("R22: of failures go to the console when nobody listens", async () => {
    const console = vi.spyOn(globalThis.console, "error").mockReturnValue();
    const { db, engine } = await openRounds();
    engine.emit(failed);
    await settle();
    expect(console.mock.calls).toMatchObject([['whimbrel: the sync of "home" failed', { code: "network/timeout" }]]);
    db.sync.on("error", () => {});
    engine.emit(failed);
    await settle();
    expect(console).toHaveBeenCalledTimes(1);
  });

  it("for the developer go to the console", async () => {
    const warn = vi.spyOn(globalThis.console, "warn").mockReturnValue();
    const error = vi.spyOn(globalThis.console, "error").mockReturnValue();
    const { engine } = await openRounds();
    engine.emit({ type: "report", level: "warn", error: errorDto("sync/loop") });
    engine.emit({ type: "report", level: "error", error: errorDto("store/corrupt") });
    await settle();
    expect(warn.mock.calls).toMatchObject([["whimbrel:", { code: "sync/loop" }]]);
    expect(error.mock.calls).toMatchObject([["whimbrel:", { code: "store/corrupt" }]]);
  });

  it("have names", async () => {
    const { db } = await openRounds();
    for (const name of ["end", "constructor", "__proto__"]) {
      expect(await codeOf(() => db.sync.on(name as never, () => {}))).toBe("sync/unknown-event");
    }
    expect(await codeOf(() => db.network.on("online" as never, () => {}))).toBe("sync/unknown-event");
  });
});

describe("R22: the status", () => {
  it("is told at once, then whenever it changes", async () => {
    const { db, engine } = await openRounds();
    const seen: SyncStatus[] = [];
    const off = db.sync.subscribe((status) => seen.push(status));
    expect(seen).toEqual([db.sync.status]);
    const lastError = errorDto("server/busy", { retryable: true, blame: "server" });
    engine.emit({
      type: "status",
      status: { ...idle, phase: "backoff", pending: 2, lastSuccess: 7, nextRetry: 9, lastError },
    });
    await settle();
    expect(seen[1]).toMatchObject({
      phase: "backoff",
      pending: 2,
      lastSuccess: new Date(7),
      nextRetry: new Date(9),
      lastError: { code: "server/busy", blame: "server", name: "WhimbrelError" },
    });
    expect(db.sync.status).toBe(seen[1]);
    off();
    engine.emit({ type: "status", status: idle });
    await settle();
    expect(seen.length).toBe(2);
    expect(db.sync.status.phase).toBe("idle");
  });

  it("says null where the engine says nothing", async () => {
    const { db, engine } = await openRounds();
    const { unit, run, lastSuccess, nextRetry, lastError, ...rest } = idle;
    engine.emit({ type: "status", status: rest as never });
    const { settled: outcome } = db.sync.trigger("home");
    engine.emit({ type: "settled", requests: [1], outcome: "cancelled" } as never);
    await settle();
    expect(db.sync.status).toEqual({ ...rest, unit, run, lastSuccess, nextRetry, lastError });
    expect(await outcome).toEqual({ outcome: "cancelled", run: null });
  });

  it("survives a listener that throws at once", async () => {
    const console = vi.spyOn(globalThis.console, "error").mockReturnValue();
    const { db } = await openRounds();
    db.sync.subscribe(() => {
      throw new Error("oops");
    });
    expect(console).toHaveBeenCalledTimes(1);
  });

  it("passes retryNow, cancel and signedIn on", async () => {
    const { db, engine } = await openRounds();
    db.sync.retryNow();
    db.sync.cancel();
    db.sync.signedIn();
    expect(engine.calls).toEqual([["retryNow"], ["cancel"], ["signedIn"]]);
  });
});

describe("the network", () => {
  it("tells every change once, whichever event brings it", async () => {
    const { db, engine } = await openRounds();
    const changes: string[] = [];
    const all: string[] = [];
    const off = db.network.on("change", (status) => changes.push(status));
    db.network.subscribe((status) => all.push(status));
    expect(db.network.status).toBe("unknown");
    engine.emit({ type: "network", status: "online" });
    engine.emit({ type: "status", status: { ...idle, network: "online" } });
    engine.emit({ type: "status", status: { ...idle, network: "offline" } });
    engine.emit({ type: "network", status: "offline" });
    await settle();
    off();
    engine.emit({ type: "network", status: "captive" });
    await settle();
    expect(changes).toEqual(["online", "offline"]);
    expect(all).toEqual(["unknown", "online", "offline", "captive"]);
    expect(db.network.status).toBe("captive");
  });
});

describe("closing", () => {
  it("happens once, and everything says so afterwards", async () => {
    const { db, engine } = await openRounds();
    await Promise.all([db.close(), db.close()]);
    await db.close();
    expect(engine.calls).toEqual([["close"]]);
    for (const call of [
      () => db.note.get("a"),
      () => db.note.create({ body: "x" }),
      () => db.sync.cancel(),
      () => db.inbox.list(),
    ]) {
      expect(await errorOf(call)).toMatchObject({ code: "store/closed", blame: "app", retryable: false });
    }
  });

  it("lets a write that is under way come to its end", async () => {
    const { db, engine } = await openRounds();
    let go = (): void => {};
    engine.delays.set("write", new Promise((resolve) => (go = resolve)));
    const writing = db.note.create({ body: "x" });
    const closing = new Promise<void>((resolve) => setImmediate(resolve));
    engine.delays.set("close", closing);
    const closed = db.close();
    go();
    expect((await writing).body).toBe("x");
    await closed;
  });

  it("is over for a second caller when it is over for the first", async () => {
    const { db, engine } = await openRounds();
    let go = (): void => {};
    engine.delays.set("close", new Promise((resolve) => (go = resolve)));
    const over: string[] = [];
    const both = [db.close().then(() => over.push("one")), db.close().then(() => over.push("two"))];
    await settle();
    expect(over).toEqual([]);
    go();
    await Promise.all(both);
  });

  it("comes with `await using`", async () => {
    const { db, engine } = await openRounds();
    {
      await using scoped = db;
      void scoped;
    }
    expect(engine.calls).toEqual([["close"]]);
  });

  it("tells everybody when the engine ends by itself", async () => {
    const { db, engine } = await openRounds();
    const failures: string[] = [];
    db.note.watch().subscribe(
      () => {},
      (error) => failures.push(error.code),
    );
    const run = db.sync.trigger("home");
    const receipt = db.change("c").confirmed;
    engine.emit({ type: "ended", error: errorDto("store/deleted", { blame: "device" }) });
    expect((await db.closed).code).toBe("store/deleted");
    expect(await run.settled).toMatchObject({ outcome: "error", error: { code: "store/deleted" } });
    expect(await receipt).toEqual({ outcome: "unknown", change: "c" });
    expect(await codeOf(() => db.note.get("a"))).toBe("store/deleted");
    expect(failures).toEqual(["store/deleted"]);
    await db.close();
    expect((await db.closed).code).toBe("store/deleted");
  });

  it("tells why it is closed", async () => {
    const { db } = await openRounds();
    await db.close();
    expect((await db.closed).code).toBe("store/closed");
  });

  it("says when it failed, and is closed all the same", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("close", errorDto("store/failed"));
    expect(await codeOf(() => db.close())).toBe("store/failed");
    expect(await codeOf(() => db.note.get("a"))).toBe("store/closed");
  });
});
