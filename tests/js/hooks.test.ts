import { afterEach, describe, expect, it, vi } from "vitest";

import type { Hooks } from "../../pkg/src/hooks.js";
import { createOpen } from "../../pkg/src/open.js";
import { errorDto, FakeModule } from "./fake-engine.js";
import { codeOf, entities, settle } from "./rounds.js";

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function openWith(hooks: Hooks<"all">) {
  const warned = vi.spyOn(console, "warn").mockReturnValue();
  const module = new FakeModule();
  const db = await createOpen(async () => module)({ name: "rounds", entities, hooks });
  const { engine } = module;
  const ended = { run: "r1", unit: "all" } as const;
  return { db, engine, warned, before: () => engine.host?.beforeRun("all"), ended };
}

describe("R12: hooks", () => {
  it("cost nothing where there are none", async () => {
    const { before } = await openWith({});
    expect(before()).toBe(null);
  });

  it("are asked before a run", async () => {
    const beforeRun = vi.fn(async () => undefined);
    const { before } = await openWith({ beforeRun });
    expect(await before()).toBe(null);
    expect(beforeRun.mock.calls).toMatchObject([[{ unit: "all", signal: { aborted: false } }]]);
  });

  it("fail their own unit when they throw, at once or later", async () => {
    const hooks: Hooks["beforeRun"][] = [
      () => {
        throw new Error("oops");
      },
      async () => Promise.reject(new Error("oops")),
    ];
    for (const beforeRun of hooks) {
      const { before, warned } = await openWith({ beforeRun });
      expect(await before()).toBe("hook/failed: the hook beforeRun failed: oops");
      expect(warned.mock.calls).toMatchObject([["whimbrel:", { code: "hook/failed" }]]);
      warned.mockClear();
    }
  });

  it("have a budget, and are told that it is over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let signal: AbortSignal | undefined;
    const { before, warned } = await openWith({
      budget: 40,
      beforeRun: (context) => {
        ({ signal } = context);
        return new Promise(() => {});
      },
    });
    const answer = before();
    vi.advanceTimersByTime(39);
    expect(signal?.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await answer).toBe("hook/timeout: the hook beforeRun has taken 40 ms, as long as it may");
    expect(signal?.aborted).toBe(true);
    expect(warned.mock.calls).toMatchObject([["whimbrel:", { code: "hook/timeout" }]]);
  });

  it("hear that the run is over", async () => {
    let signal: AbortSignal | undefined;
    const { before, engine, ended, warned } = await openWith({
      beforeRun: (context) => {
        ({ signal } = context);
        return new Promise(() => {});
      },
    });
    const answer = before();
    engine.emit({ type: "cancelled", ...ended });
    expect(await answer).toBe(null);
    expect(signal?.aborted).toBe(true);
    expect(warned).not.toHaveBeenCalled();
  });

  it("are told how a run has ended, and harm nobody", async () => {
    const heard: unknown[] = [];
    const { db, engine, ended, warned } = await openWith({
      afterRun: ({ outcome, error, run }) => {
        heard.push([run, outcome, error?.code]);
        throw new Error("oops");
      },
    });
    const errors = vi.fn();
    db.sync.on("error", errors);
    engine.emit({ type: "complete", ...ended, pushed: 0, pulled: 0, rejected: 0, conflicts: 0, forbidden: [] });
    engine.emit({ type: "error", ...ended, error: errorDto("server/failed"), retryAt: null });
    await settle();
    expect(heard).toEqual([
      ["r1", "complete", undefined],
      ["r1", "error", "server/failed"],
    ]);
    expect(errors).toHaveBeenCalledTimes(1);
    expect(warned.mock.calls.map(([, error]) => (error as { code: string }).code)).toEqual(["hook/failed", "hook/failed"]);
  });

  it("R11: are those that are declared, and no others", async () => {
    expect(await codeOf(() => openWith({ beforePull: () => undefined } as never))).toBe("open/invalid");
    expect(await codeOf(() => openWith({ beforeRun: 5 } as never))).toBe("open/invalid");
    expect(await codeOf(() => openWith({ budget: 0 }))).toBe("open/invalid");
  });
});
