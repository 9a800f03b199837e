import { describe, expect, it } from "vitest";

import { inPieces } from "../../pkg/src/seed.js";
import { codeOf, errorOf, openRounds } from "./rounds.js";

describe("the inbox", () => {
  it("lists what the server refused", async () => {
    const { db, engine } = await openRounds();
    const entry = {
      change: "c",
      entity: "note",
      id: "n",
      op: "update",
      set: { body: "x" },
      was: { body: "y" },
      schema: 1,
      at: 7,
      seq: 3,
    };
    engine.refused = [
      { position: 4, entry, code: "constraint/unique", message: "there is one", fields: { body: "is there already" } },
      {
        position: 5,
        entry: { change: "d", entity: "note", id: "m", op: "delete", at: 8 },
        code: "auth/forbidden",
        message: "no",
      },
    ];
    expect(await db.inbox.list()).toEqual([
      {
        position: 4,
        change: "c",
        op: "update",
        entity: "note",
        id: "n",
        set: { body: "x" },
        was: { body: "y" },
        at: new Date(7),
        code: "constraint/unique",
        message: "there is one",
        fields: { body: "is there already" },
      },
      {
        position: 5,
        change: "d",
        op: "delete",
        entity: "note",
        id: "m",
        set: {},
        was: {},
        at: new Date(8),
        code: "auth/forbidden",
        message: "no",
        fields: {},
      },
    ]);
  });

  it("discards by position and nothing else", async () => {
    const { db, engine } = await openRounds();
    await db.inbox.discard(4);
    for (const position of [-1, 1.5, Number.NaN, "4", undefined]) {
      expect(await codeOf(() => db.inbox.discard(position as never))).toBe("value/type");
    }
    expect(engine.calls).toEqual([["discard", 4]]);
  });
});

describe("the inbox, further", () => {
  it("sends again with other values, and says what was written", async () => {
    const { db, engine } = await openRounds();
    const [write] = await db.inbox.resend(4, { body: "short", at: new Date(5) });
    expect(write).toEqual({ change: "again", entity: "note", id: "n" });
    await db.inbox.resend({ position: 5 });
    expect(engine.calls).toEqual([
      ["resend", 4, { patch: { body: "short", at: 5 } }],
      ["resend", 5, { patch: {} }],
    ]);
  });

  it("says what a discard takes along", async () => {
    const { db, engine } = await openRounds();
    const entry = { change: "d", entity: "note", id: "m", op: "create", set: { body: "x" }, at: 8 };
    engine.refused = [{ place: "outbox", position: 6, entry }];
    expect(await db.inbox.dependents(4)).toEqual([
      { place: "outbox", position: 6, change: "d", entity: "note", id: "m", op: "create", set: { body: "x" }, was: {}, at: new Date(8) },
    ]);
  });

  it("goes out as lines of JSON", async () => {
    const { db, engine } = await openRounds();
    const entry = { change: "d", entity: "note", id: "m", op: "delete", at: 8 };
    engine.refused = [1, 2].map((position) => ({ place: "inbox", position, entry, code: "auth/scope", message: "no" }));
    const lines = (await (await db.inbox.export()).text()).trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { position: number }).position)).toEqual([1, 2]);
  });
});

describe("load", () => {
  const stream = (...chunks: unknown[]): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk as Uint8Array);
        controller.close();
      },
    });
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  it("takes text, bytes and streams", async () => {
    const { db, engine } = await openRounds();
    const same = [
      '{"end":{}}\n',
      bytes('{"end":{}}\n'),
      bytes('{"end":{}}\n').slice().buffer as ArrayBuffer,
      stream(bytes('{"end'), bytes('":{}}\n')),
      new Blob(['{"end":{}}\n']).stream(),
    ];
    for (const lines of same) expect(await db.load(lines)).toBe(3);
    expect(engine.calls).toEqual(same.map(() => ["load", '{"end":{}}\n']));
  });

  it("hands large files over in pieces", async () => {
    const { db, engine } = await openRounds();
    const large = `${JSON.stringify({ gone: "x".repeat(700_000) })}\n`;
    expect(await db.load(large)).toBe(3);
    expect(engine.calls).toEqual([["load", large]]);
    const pieces = inPieces(bytes(large));
    const lengths: number[] = [];
    for (let piece = await pieces(); piece !== undefined; piece = await pieces()) lengths.push(piece.length);
    expect(lengths).toEqual([262_144, 262_144, large.length - 524_288]);
  });

  it("refuses the rest before anything is loaded", async () => {
    const { db, engine } = await openRounds();
    for (const lines of [undefined, null, 5, {}, [], stream("text")]) {
      expect(await codeOf(() => db.load(lines as never))).toBe("value/type");
    }
    const locked = stream();
    locked.getReader();
    expect(await codeOf(() => db.load(locked))).toBe("load/failed");
    const cause = new Error("the connection broke");
    const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(cause) });
    expect(await errorOf(() => db.load(broken))).toMatchObject({ code: "load/failed", retryable: true, cause });
    expect(engine.calls).toEqual([]);
  });
});
