import { afterEach, describe, expect, it, vi } from "vitest";

import { errorDto, type FakeEngine } from "./fake-engine.js";
import { codeOf, openRounds, settle } from "./rounds.js";

afterEach(() => void vi.restoreAllMocks());

const rows = (...bodies: string[]): string => JSON.stringify(bodies.map((body) => ({ id: body, body })));

/** The one watch that the engine has. */
function theWatch(engine: FakeEngine) {
  const [watch] = engine.watches.values();
  if (watch === undefined) throw new Error("the engine watches nothing");
  return watch;
}

describe("subscribe", () => {
  it("delivers the newest result only, one turn later", async () => {
    const { db, engine } = await openRounds();
    const seen: string[][] = [];
    db.note.watch({ where: { body: "x" } }).subscribe((notes) => seen.push(notes.map((note) => note.body)));
    expect(engine.calls).toEqual([["watch", "note", '{"where":{"body":"x"}}']]);
    const { deliver } = theWatch(engine);
    deliver(rows("a"));
    deliver(rows("a", "b"));
    deliver(rows("c"));
    expect(seen).toEqual([]);
    await settle();
    expect(seen).toEqual([["c"]]);
    deliver(rows());
    await settle();
    expect(seen).toEqual([["c"], []]);
  });

  it("delivers nothing after the end, also not what was on its way", async () => {
    const { db, engine } = await openRounds();
    const deliverTo = vi.fn();
    const off = db.note.watch().subscribe(deliverTo, deliverTo);
    const { deliver, fail } = theWatch(engine);
    deliver(rows("a"));
    fail(errorDto("store/failed"));
    off();
    off();
    deliver(rows("b"));
    await settle();
    expect(deliverTo).not.toHaveBeenCalled();
    expect(engine.calls.filter(([name]) => name === "unwatch").length).toBe(1);
    expect(engine.watches.size).toBe(0);
  });

  it("ends with a signal", async () => {
    const { db, engine } = await openRounds();
    const controller = new AbortController();
    const deliverTo = vi.fn();
    const watch = db.note.watch({}, { signal: controller.signal });
    watch.subscribe(deliverTo);
    const { deliver } = theWatch(engine);
    controller.abort();
    deliver(rows("a"));
    await settle();
    expect(deliverTo).not.toHaveBeenCalled();
    expect(engine.watches.size).toBe(0);
    watch.subscribe(deliverTo);
    expect(engine.watches.size).toBe(0);
  });

  it("reports a listener that throws and goes on", async () => {
    const console = vi.spyOn(globalThis.console, "error").mockReturnValue();
    const { db, engine } = await openRounds();
    const oops = new Error("oops");
    const deliverTo = vi.fn().mockImplementationOnce(() => {
      throw oops;
    });
    db.note.watch().subscribe(deliverTo);
    theWatch(engine).deliver(rows("a"));
    await settle();
    theWatch(engine).deliver(rows("b"));
    await settle();
    expect(deliverTo).toHaveBeenCalledTimes(2);
    expect(console.mock.calls).toEqual([["whimbrel: a listener has thrown", oops]]);
  });

  it("reports a listener that rejects", async () => {
    const console = vi.spyOn(globalThis.console, "error").mockReturnValue();
    const { db, engine } = await openRounds();
    db.note.watch().subscribe(async () => Promise.reject("oops"));
    theWatch(engine).deliver(rows("a"));
    await settle();
    expect(console.mock.calls).toEqual([["whimbrel: a listener has thrown", "oops"]]);
  });

  it("tells of failures, or the console does", async () => {
    const console = vi.spyOn(globalThis.console, "error").mockReturnValue();
    const { db, engine } = await openRounds();
    const fail = vi.fn();
    const off = db.note.watch().subscribe(() => {}, fail);
    theWatch(engine).fail(errorDto("store/failed"));
    await settle();
    expect(fail.mock.calls).toMatchObject([[{ code: "store/failed", name: "WhimbrelError" }]]);
    expect(console).not.toHaveBeenCalled();
    off();
    db.note.watch().subscribe(() => {});
    theWatch(engine).fail(errorDto("store/failed"));
    await settle();
    expect(console.mock.calls).toMatchObject([["whimbrel: a watched query failed", { code: "store/failed" }]]);
  });

  it("throws what the engine refuses", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("watch", errorDto("query/invalid"));
    expect(await codeOf(() => db.note.watch().subscribe(() => {}))).toBe("query/invalid");
  });

  it("can always be left, even when the engine crashes at that", async () => {
    const { db, engine } = await openRounds();
    const off = db.note.watch().subscribe(() => {});
    const iterator = db.note.watch()[Symbol.asyncIterator]();
    const step = iterator.next();
    engine.failures.set("unwatch", new WebAssembly.RuntimeError("unreachable"));
    off();
    expect(await codeOf(() => step)).toBe("engine/internal");
    expect((await iterator.return?.())?.done).toBe(true);
  });

  it("is over when the database is closed", async () => {
    const { db, engine } = await openRounds();
    const deliverTo = vi.fn();
    const off = db.note.watch().subscribe(deliverTo, deliverTo);
    const { deliver } = theWatch(engine);
    await db.close();
    deliver(rows("a"));
    off();
    await settle();
    expect(deliverTo).not.toHaveBeenCalled();
    expect(await codeOf(() => db.note.watch().subscribe(() => {}))).toBe("store/closed");
  });
});

describe("iteration", () => {
  it("starts with the first step and gives the newest result", async () => {
    const { db, engine } = await openRounds();
    const iterator = db.note.watch()[Symbol.asyncIterator]();
    expect(engine.calls).toEqual([]);
    const first = iterator.next();
    theWatch(engine).deliver(rows("a"));
    expect((await first).value).toEqual([{ id: "a", body: "a" }]);
    theWatch(engine).deliver(rows("b"));
    theWatch(engine).deliver(rows("c"));
    expect((await iterator.next()).value).toEqual([{ id: "c", body: "c" }]);
    const waiting = iterator.next();
    theWatch(engine).deliver(rows("d"));
    expect((await waiting).value).toEqual([{ id: "d", body: "d" }]);
  });

  it("ends with a break", async () => {
    const { db, engine } = await openRounds();
    let turns = 0;
    const loop = (async () => {
      for await (const notes of db.note.watch()) {
        turns += notes.length;
        break;
      }
    })();
    theWatch(engine).deliver(rows("a"));
    await loop;
    expect(turns).toBe(1);
    expect(engine.watches.size).toBe(0);
  });

  it.each(["abort", "close"])("ends without an error on %s", async (how) => {
    const { db, engine } = await openRounds();
    const controller = new AbortController();
    let turns = 0;
    const loop = (async () => {
      for await (const _ of db.note.watch({}, { signal: controller.signal })) turns++;
    })();
    theWatch(engine).deliver(rows("a"));
    await settle();
    const { deliver } = theWatch(engine);
    if (how === "abort") controller.abort();
    else await db.close();
    deliver(rows("b"));
    await loop;
    expect(turns).toBe(1);
  });

  it("gives all steps that were asked for an answer", async () => {
    const { db, engine } = await openRounds();
    const iterator = db.note.watch()[Symbol.asyncIterator]();
    const steps = [iterator.next(), iterator.next(), iterator.next()];
    theWatch(engine).deliver(rows("a"));
    await iterator.return?.();
    expect((await Promise.all(steps)).map((step) => step.done)).toEqual([false, true, true]);
    expect((await iterator.next()).done).toBe(true);
    expect(engine.watches.size).toBe(0);
  });

  it("throws a failure once, then is done", async () => {
    const { db, engine } = await openRounds();
    const iterator = db.note.watch()[Symbol.asyncIterator]();
    const first = iterator.next();
    theWatch(engine).fail(errorDto("store/failed"));
    expect(await codeOf(() => first)).toBe("store/failed");
    expect((await iterator.next()).done).toBe(true);
    expect(engine.watches.size).toBe(0);
  });

  it("throws a failure that came between two steps", async () => {
    const { db, engine } = await openRounds();
    const iterator = db.note.watch()[Symbol.asyncIterator]();
    const first = iterator.next();
    theWatch(engine).deliver(rows("a"));
    await first;
    theWatch(engine).fail(errorDto("store/failed"));
    expect(await codeOf(() => iterator.next())).toBe("store/failed");
    expect((await iterator.next()).done).toBe(true);
  });

  it("rejects what the engine refuses", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("watch", errorDto("query/invalid"));
    const iterator = db.note.watch()[Symbol.asyncIterator]();
    expect(await codeOf(() => iterator.next())).toBe("query/invalid");
    expect((await iterator.next()).done).toBe(true);
  });

  it("is independent for each reader of the same watch", async () => {
    const { db, engine } = await openRounds();
    const watch = db.note.watch();
    const [one, two] = [watch[Symbol.asyncIterator](), watch[Symbol.asyncIterator]()];
    void one.next();
    void two.next();
    expect(engine.watches.size).toBe(2);
    await one.return?.();
    expect(engine.watches.size).toBe(1);
  });
});
