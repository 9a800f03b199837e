import { describe, expect, it } from "vitest";

import { errorDto } from "./fake-engine.js";
import { codeOf, errorOf, openRounds, settle } from "./rounds.js";

const conflict = errorDto("transaction/conflict", { retryable: true, blame: "device" });

describe("a transaction", () => {
  it("reads and writes in its engine, and gives what its function gives", async () => {
    const { db, engine } = await openRounds();
    engine.records.set("a", { id: "a", title: "x" });
    const given = await db.transaction(async (tx) => {
      const order = await tx.workOrder.get("a");
      const note = await tx.note.create({ id: "n", body: order?.title ?? "?" });
      await tx.workOrder.update("a", { title: "y" });
      await tx.note.delete("m");
      return { note, count: await tx.note.count(), first: await tx.note.first() };
    });
    expect(given).toMatchObject({ note: { id: "n", body: "x" }, count: 2, first: { title: "y" } });
    const [transaction] = engine.transactions;
    const names = ["get", "write", "write", "write", "count", "query", "commit", "free"];
    expect(transaction?.calls.map(([name]) => name)).toEqual(names);
    expect(engine.calls).toEqual([["begin"]]);
    expect(engine.records.get("a")).toMatchObject({ title: "y" });
  });

  it("asks its engine whatever there is to ask", async () => {
    const { db, engine } = await openRounds();
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(db.workOrder));
    const asking = names.filter((name) => name !== "constructor" && name !== "watch");
    expect(asking).toEqual(expect.arrayContaining(["get", "query", "first", "count", "sum", "avg", "min", "max", "explain"]));
    await db.transaction(async (tx) => {
      for (const name of asking) {
        const order = tx.workOrder as unknown as Record<string, (first: unknown, second?: object) => Promise<unknown>>;
        const first = { create: { title: "x" }, query: {}, first: {}, count: {}, explain: {} }[name] ?? "dueAt";
        await order[name]?.(first, name === "update" ? { title: "x" } : undefined);
      }
    });
    expect(engine.calls).toEqual([["begin"]]);
  });

  it("takes a function without promises, and one that does nothing", async () => {
    const { db } = await openRounds();
    expect(await db.transaction(() => 5)).toBe(5);
    expect(await db.transaction(async () => {})).toBeUndefined();
  });

  it("makes its calls in their order, also when nobody waits for them", async () => {
    const { db, engine } = await openRounds();
    let release = (): void => {};
    engine.delays.set("write", new Promise((resolve) => (release = resolve)));
    const written = db.transaction((tx) => {
      void tx.note.create({ id: "n", body: "x" });
      return tx.note.count();
    });
    await settle();
    expect(engine.transactions[0]?.calls.map(([name]) => name)).toEqual(["write"]);
    release();
    expect(await written).toBe(1);
    await db.transaction((tx) => void tx.note.create({ id: "m", body: "y" }));
    expect(engine.records.has("m")).toBe(true);
  });

  it("writes nothing when its function throws, now or later", async () => {
    const { db, engine } = await openRounds();
    const own = new Error("of the app");
    const throwing = db.transaction(async (tx) => {
      await tx.note.create({ body: "x" });
      throw own;
    });
    await expect(throwing).rejects.toBe(own);
    await expect(db.transaction(() => { throw own; })).rejects.toBe(own);
    for (const { calls } of engine.transactions) {
      expect(calls.map(([name]) => name)).not.toContain("commit");
      expect(calls.at(-1)).toEqual(["free"]);
    }
  });

  it("throws a refusal where it was asked for, and goes on when that was caught", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("write", errorDto("row/not-found"));
    expect(await codeOf(() => db.transaction((tx) => tx.note.update("n", { body: "x" })))).toBe("row/not-found");
    engine.failures.set("write", errorDto("row/exists"));
    const caught = await db.transaction(async (tx) => {
      const code = await codeOf(() => tx.note.create({ id: "n", body: "x" }));
      await tx.note.update("n", { body: code });
      return code;
    });
    expect(caught).toBe("row/exists");
    expect(engine.records.get("n")).toMatchObject({ body: "row/exists" });
  });

  it("fails with what a call failed with that its function did not wait for", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("write", errorDto("value/too-long"));
    const failing = db.transaction((tx) => {
      tx.note.create({ body: "x" }).catch(() => {});
    });
    expect(await codeOf(() => failing)).toBe("value/too-long");
    expect(engine.transactions[0]?.calls.map(([name]) => name)).toEqual(["write", "free"]);
  });

  it("is over when its function is", async () => {
    const { db, engine } = await openRounds();
    let late: (() => Promise<unknown>) | undefined;
    await db.transaction((tx) => {
      late = () => tx.note.count();
    });
    expect(await codeOf(() => late?.())).toBe("transaction/ended");
    expect(engine.transactions[0]?.calls.map(([name]) => name)).toEqual(["commit", "free"]);
  });

  it("has writes that are saved when it is", async () => {
    const { db } = await openRounds();
    const { note, update } = await db.transaction(async (tx) => {
      const note = await tx.note.create({ id: "n", body: "x" });
      expect(await codeOf(() => note.saved)).toBe("transaction/invalid");
      expect(await codeOf(() => note.confirmed)).toBe("transaction/invalid");
      return { note, update: await tx.note.update("n", { body: "y" }) };
    });
    expect(await note.saved).toBeUndefined();
    expect(update).toEqual({ change: "change-2", entity: "note", id: "n" });
    expect(db.change(note.change).change).toBe("change-1");
  });

  it("leaves the rest of the database outside", async () => {
    const { db, engine } = await openRounds();
    const own = new Error("of the app");
    const throwing = db.transaction(async (tx) => {
      await tx.note.create({ id: "in", body: "x" });
      await db.note.create({ id: "out", body: "x" });
      throw own;
    });
    await expect(throwing).rejects.toBe(own);
    expect([...engine.records.keys()]).toEqual(["out"]);
  });

  it("refuses what cannot be meant", async () => {
    const { db, engine } = await openRounds();
    expect(await codeOf(() => db.transaction(5 as never))).toBe("transaction/invalid");
    for (const retries of [-1, 1.5, Number.NaN, "3"]) {
      expect(await codeOf(() => db.transaction(() => {}, { retries: retries as never }))).toBe("transaction/invalid");
    }
    expect(engine.calls).toEqual([]);
  });
});

describe("a conflict", () => {
  it("runs the function again, on the new state", async () => {
    const { db, engine } = await openRounds();
    engine.records.set("n", { id: "n", body: "1" });
    engine.failures.set("commit", conflict);
    const seen: (string | undefined)[] = [];
    const note = await db.transaction(async (tx) => {
      const before = (await tx.note.get("n"))?.body;
      seen.push(before);
      if (seen.length === 1) engine.records.set("n", { id: "n", body: "2" });
      await tx.note.update("n", { body: `${before}!` });
      return tx.note.get("n");
    });
    expect([seen, note]).toEqual([["1", "2"], { id: "n", body: "2!" }]);
    expect(engine.records.get("n")).toEqual({ id: "n", body: "2!" });
  });

  it("also counts when the function has swallowed or wrapped it", async () => {
    const { db, engine } = await openRounds();
    for (const wrap of [true, false]) {
      let runs = 0;
      engine.failures.set("count", conflict);
      const value = await db.transaction(async (tx) => {
        runs += 1;
        await tx.note.count().catch((cause) => {
          if (wrap) throw new Error("of the app", { cause });
        });
        return runs;
      });
      expect(value).toBe(2);
    }
    const commits = engine.transactions.map(({ calls }) => calls.some(([name]) => name === "commit"));
    expect(commits).toEqual([false, true, false, true]);
  });

  it("is an error after as many tries as were allowed", async () => {
    const { db, engine } = await openRounds();
    let runs = 0;
    const work = (): void => {
      runs += 1;
      engine.failures.set("commit", conflict);
    };
    expect(await errorOf(() => db.transaction(work, { retries: 3 }))).toMatchObject({
      code: "transaction/conflict",
      retryable: true,
      blame: "device",
    });
    expect(runs).toBe(4);
    runs = 0;
    expect(await codeOf(() => db.transaction(work, { retries: 0 }))).toBe("transaction/conflict");
    expect(runs).toBe(1);
  });

  it("of a transaction inside is no conflict of the one around it", async () => {
    const { db, engine } = await openRounds();
    let runs = 0;
    const around = db.transaction(async () => {
      runs += 1;
      await db.transaction(() => void engine.failures.set("commit", conflict), { retries: 0 });
    });
    expect(await codeOf(() => around)).toBe("transaction/conflict");
    expect(runs).toBe(1);
  });
});

describe("a signal", () => {
  it("that was aborted before prevents everything", async () => {
    const { db, engine } = await openRounds();
    const signal = AbortSignal.abort("enough");
    expect(await errorOf(() => db.transaction(() => {}, { signal }))).toMatchObject({
      code: "transaction/aborted",
      cause: "enough",
    });
    expect(engine.calls).toEqual([]);
  });

  it("ends a function that waits, whose later calls fail", async () => {
    const { db, engine } = await openRounds();
    const abort = new AbortController();
    let late: Promise<string> | undefined;
    let goOn = (): void => {};
    const waiting = db.transaction(
      async (tx) => {
        await tx.note.create({ id: "n", body: "x" });
        await new Promise<void>((resolve) => (goOn = resolve));
        late = codeOf(() => tx.note.count());
        await late;
      },
      { signal: abort.signal },
    );
    await settle();
    abort.abort();
    expect(await codeOf(() => waiting)).toBe("transaction/aborted");
    goOn();
    await settle();
    expect(await late).toBe("transaction/ended");
    expect(engine.records.size).toBe(0);
  });

  it("ends the pause between two runs", async () => {
    const { db, engine } = await openRounds();
    const abort = new AbortController();
    let runs = 0;
    const work = (): void => {
      runs += 1;
      engine.failures.set("commit", conflict);
      if (runs === 2) abort.abort();
    };
    expect(await codeOf(() => db.transaction(work, { signal: abort.signal }))).toBe("transaction/aborted");
    expect(runs).toBe(2);
  });
});

describe("the end of the database", () => {
  it("is the end of its transactions", async () => {
    const { db, engine, module } = await openRounds();
    const closing = db.transaction(async (tx) => {
      await db.close();
      await tx.note.count();
    });
    expect(await codeOf(() => closing)).toBe("store/closed");
    expect(await codeOf(() => db.transaction(() => {}))).toBe("store/closed");
    expect(engine.transactions.length).toBe(1);
    const other = await openRounds(module);
    const crashing = other.db.transaction(async (tx) => {
      engine.failures.set("count", new WebAssembly.RuntimeError("unreachable"));
      await tx.note.count();
    });
    expect(await codeOf(() => crashing)).toBe("engine/internal");
    expect(engine.transactions.at(-1)?.calls.map(([name]) => name)).toEqual(["count"]);
  });
});
