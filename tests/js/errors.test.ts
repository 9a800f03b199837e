import { readFileSync } from "node:fs";

import { afterEach, describe, expect, it, vi } from "vitest";

import { ENGINE_CODES, PACKAGE_CODES, toWhimbrelError, WhimbrelError } from "../../pkg/src/errors.js";
import { errorDto, FakeModule } from "./fake-engine.js";
import { codeOf, errorOf, openRounds, settle } from "./rounds.js";

afterEach(() => void vi.restoreAllMocks());

const file = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

describe("errors", () => {
  it("are errors with a code", () => {
    const error = toWhimbrelError(errorDto("store/quota", { retryable: true, blame: "device" }));
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(WhimbrelError);
    expect(error).toMatchObject({
      name: "WhimbrelError",
      message: "about store/quota",
      retryable: true,
      blame: "device",
    });
    expect(toWhimbrelError(error)).toBe(error);
  });

  it.each([
    new TypeError("x"),
    "text",
    undefined,
    null,
    5,
    new DOMException("x", "AbortError"),
    { code: 5, blame: "app" },
  ])("are made of anything: %s", (thrown) => {
    expect(toWhimbrelError(thrown)).toMatchObject({ code: "engine/internal", blame: "engine", cause: thrown });
  });

  const table = [...file("src/error.rs").matchAll(/^ {4}\w+ = "([a-z/-]+)", (\w+), (true|false);$/gm)];

  it("have the codes of the engine's own table", () => {
    expect(ENGINE_CODES).toEqual(table.map(([, code]) => code));
  });

  it("are all in the README, as the engine's table has them", () => {
    const readme = file("pkg/README.md");
    for (const [, code, blame, retryable] of table) {
      expect(readme).toContain(`| \`${code}\` | ${blame?.toLowerCase()} |${retryable === "true" ? " yes " : " "}|`);
    }
    for (const code of PACKAGE_CODES) expect(readme).toContain(`| \`${code}\` | `);
  });
});

const calls = async () => {
  const { db, engine, module } = await openRounds();
  return {
    db,
    engine,
    module,
    all: {
      write: () => db.note.create({ body: "x" }),
      get: () => db.note.get("a"),
      query: () => db.note.query(),
      count: () => db.note.count(),
      watch: () => db.note.watch().subscribe(() => {}),
      trigger: () => db.sync.trigger("home"),
      retryNow: () => db.sync.retryNow(),
      cancel: () => db.sync.cancel(),
      change: () => db.change("c").confirmed,
      inbox: () => db.inbox.list(),
      discard: () => db.inbox.discard(1),
      load: () => db.load(""),
    } satisfies Record<string, () => unknown>,
  };
};

describe("every call", () => {
  it("passes the engine's error on", async () => {
    const { engine, all } = await calls();
    for (const [name, call] of Object.entries(all)) {
      engine.failures.set(name, errorDto("store/failed", { blame: "device" }));
      expect(await errorOf(call), name).toMatchObject({ code: "store/failed", blame: "device" });
    }
  });

  it("makes a crash a typed error, and so does every later one, without asking the engine again", async () => {
    for (const crashing of Object.keys((await calls()).all)) {
      const { engine, module, all } = await calls();
      const trap = new WebAssembly.RuntimeError("unreachable");
      engine.failures.set(crashing, trap);
      const error = await errorOf(all[crashing as keyof typeof all]);
      expect(error).toMatchObject({ code: "engine/internal", blame: "engine", retryable: false, cause: trap });
      const asked = engine.calls.length;
      for (const [name, call] of Object.entries(all))
        expect(await errorOf(call), `${name} after ${crashing}`).toBe(error);
      expect(engine.calls.length).toBe(asked);
      expect(await codeOf(() => openRounds(module))).toBe("engine/internal");
    }
  });
});

describe("a crash", () => {
  it("answers those who wait, in every database of the page", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const module = new FakeModule();
    const { db: one, engine } = await openRounds(module);
    const { db: two } = await openRounds(module);
    engine.delays.set("get", new Promise(() => {}));
    const fail = vi.fn();
    const waiting = [codeOf(() => one.note.get("a")), codeOf(() => two.change("c").confirmed)];
    const run = two.sync.trigger("home");
    two.note.watch().subscribe(() => {}, fail);
    const next = codeOf(() => two.note.watch()[Symbol.asyncIterator]().next());
    await settle();
    engine.failures.set("cancel", new WebAssembly.RuntimeError("unreachable"));
    expect(await codeOf(() => one.sync.cancel())).toBe("engine/internal");
    expect(await Promise.all([...waiting, next])).toEqual(["engine/internal", "engine/internal", "engine/internal"]);
    expect(await run.settled).toMatchObject({ outcome: "error", error: { code: "engine/internal" } });
    await settle();
    expect(fail.mock.calls).toMatchObject([[{ code: "engine/internal" }]]);
  });

  it("does not keep a database from being closed", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("cancel", new RangeError("Maximum call stack size exceeded"));
    expect(await codeOf(() => db.sync.cancel())).toBe("engine/internal");
    await db.close();
    expect(engine.calls).toEqual([["cancel"]]);
  });

  it("of another database while one opens leaves none that seems to work", async () => {
    const module = new FakeModule();
    vi.spyOn(module, "open").mockImplementation(async () => {
      module.health.notice(new WebAssembly.RuntimeError("unreachable"));
      return module.engine;
    });
    expect(await codeOf(() => openRounds(module))).toBe("engine/internal");
  });

  it("while opening is remembered too", async () => {
    const module = new FakeModule();
    module.failure = new WebAssembly.RuntimeError("unreachable");
    expect(await codeOf(() => openRounds(module))).toBe("engine/internal");
    module.failure = undefined;
    expect(await codeOf(() => openRounds(module))).toBe("engine/internal");
  });
});
