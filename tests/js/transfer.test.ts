/** Exports and imports: pieces as they are asked for, and no end without a word. */
import { describe, expect, it } from "vitest";

import { errorDto } from "./fake-engine.js";
import { codeOf, errorOf, openRounds } from "./rounds.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A stream of these chunks; then it ends, or fails. */
const streamOf = (chunks: unknown[], failure?: Error): ReadableStream<Uint8Array> =>
  new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk !== undefined) controller.enqueue(chunk as Uint8Array);
      else if (failure === undefined) controller.close();
      else controller.error(failure);
    },
  });

describe("export", () => {
  it("reads a piece when somebody asks for one", async () => {
    const { db, engine } = await openRounds();
    engine.pieces = ["{}\n", "{}\n{}\n"];
    const reader = db.export().getReader();
    expect(engine.calls).toEqual([]);
    expect((await reader.read()).value).toEqual(bytes("{}\n"));
    expect(engine.calls).toEqual([
      ["beginExport", true],
      ["exportNext", 1],
    ]);
    expect((await reader.read()).value).toEqual(bytes("{}\n{}\n"));
    expect((await reader.read()).done).toBe(true);
    expect(engine.calls.length).toBe(4);
  });

  it("is a stream like others", async () => {
    const { db, engine } = await openRounds();
    engine.pieces = ["a\n", "b\n"];
    expect(await new Response(db.exportOutbox()).text()).toBe("a\nb\n");
    expect(engine.calls[0]).toEqual(["beginExport", false]);
  });

  it("ends when nobody wants the rest", async () => {
    const { db, engine } = await openRounds();
    engine.pieces = ["a\n", "b\n"];
    const reader = db.export().getReader();
    await reader.read();
    await reader.cancel();
    expect(engine.calls.at(-1)).toEqual(["endTransfer", 1]);
    await db.export().cancel();
    expect(engine.calls.at(-1)).toEqual(["endTransfer", 1]);
  });

  it("fails with the engine's word", async () => {
    const { db, engine } = await openRounds();
    engine.failures.set("exportNext", errorDto("export/overtaken", { retryable: true }));
    expect(await codeOf(() => db.export().getReader().read())).toBe("export/overtaken");
    await db.close();
    expect(await codeOf(() => db.export().getReader().read())).toBe("store/closed");
  });
});

describe("import", () => {
  it.each([
    ["text", "é\n"],
    ["bytes", bytes("é\n")],
    ["a buffer", bytes("é\n").buffer],
    ["a file", new Blob(["é\n"])],
    ["a stream", streamOf([bytes("é\n").subarray(0, 1), bytes("é\n").subarray(1)])],
  ])("takes %s", async (_, lines) => {
    const { db, engine } = await openRounds();
    const imported = await db.import(lines as string);
    expect(imported).toEqual({ whole: false, records: 0, changes: 2, refused: 1, skipped: 0 });
    expect(engine.calls.at(-1)).toEqual(["importEnd", 1]);
    expect(engine.calls.filter(([name]) => name === "importNext").reduce((sum, call) => sum + Number(call[2]), 0)).toBe(3);
  });

  it("hands over large pieces one after the other", async () => {
    const { db, engine } = await openRounds();
    await db.import(streamOf([new Uint8Array(600_000)]));
    const sizes = engine.calls.filter(([name]) => name === "importNext").map((call) => call[2]);
    expect(sizes).toEqual([262_144, 262_144, 75_712]);
  });

  it("is undone when anything fails", async () => {
    const { db, engine } = await openRounds();
    const broken = await errorOf(() => db.import(streamOf([bytes("a")], new Error("gone"))));
    expect(broken).toMatchObject({ code: "import/failed", retryable: true, cause: new Error("gone") });
    expect(engine.calls.at(-1)).toEqual(["endTransfer", 1]);
    expect(await codeOf(() => db.import(streamOf(["text"])))).toBe("value/type");
    expect(engine.calls.at(-1)).toEqual(["endTransfer", 2]);
    engine.failures.set("importNext", errorDto("import/malformed"));
    expect(await codeOf(() => db.import("x"))).toBe("import/malformed");
    engine.failures.set("importEnd", errorDto("import/truncated"));
    expect(await codeOf(() => db.import("x"))).toBe("import/truncated");
    expect(engine.calls.at(-1)).toEqual(["endTransfer", 4]);
    engine.failures.set("endTransfer", errorDto("store/failed"));
    engine.failures.set("importEnd", errorDto("import/damaged"));
    expect(await codeOf(() => db.import("x"))).toBe("import/damaged");
  });

  it("takes nothing else", async () => {
    const { db, engine } = await openRounds();
    for (const wrong of [null, 5, {}, []]) expect(await codeOf(() => db.import(wrong as never))).toBe("value/type");
    expect(engine.calls).toEqual([]);
  });
});
