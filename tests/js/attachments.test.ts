import { describe, expect, it, vi } from "vitest";

import type { AttachmentHost, Attachments } from "../../pkg/src/attachments/types.js";
import { createOpen } from "../../pkg/src/open.js";
import { attachment, entity, text } from "../../pkg/src/schema.js";
import { errorDto, FakeModule } from "./fake-engine.js";
import { codeOf, settle } from "./rounds.js";

const ADDRESS = `sha256-${"0a".repeat(32)}`;
const entities = { note: entity({ body: text(), photo: attachment().optional() }), other: entity({ file: attachment() }) };

async function openWith(options: object = {}) {
  const module = new FakeModule();
  const db = await createOpen(async () => module)({ name: "notes", entities, server: { url: "/v1", token: "t" }, ...options });
  return { db, module };
}

describe("attachments", () => {
  it("are text to the engine, with an index", async () => {
    const { module } = await openWith();
    const [note, other] = module.opened[0]!.schema.entities;
    expect(note!.fields[1]).toEqual({ name: "photo", type: "text", max: 71, optional: true, index: true });
    expect(other!.fields[0]).toEqual({ name: "file", type: "text", max: 71, optional: false, index: true });
  });

  it("take addresses only", async () => {
    const { db } = await openWith();
    expect(await codeOf(() => db.note.create({ body: "x", photo: "photo.jpg" }))).toBe("value/type");
    await db.note.create({ body: "x", photo: ADDRESS });
    await db.note.create({ body: "x", photo: null });
  });

  it("are there when the app has brought them, and say so when not", async () => {
    const { db } = await openWith();
    expect(() => db.attachments).toThrow(expect.objectContaining({ code: "open/invalid" }));
    const started = { status: {} } as Attachments;
    const { db: other } = await openWith({ attachments: { start: async () => started } });
    expect(other.attachments).toBe(started);
  });

  it("that cannot start keep the database from opening", async () => {
    const failing = { start: () => Promise.reject(new Error("no room")) };
    await expect(openWith({ attachments: failing })).rejects.toThrow("no room");
  });

  it("are lent what they need: who asks, which records refer to what, when a sync has completed", async () => {
    let host: AttachmentHost | undefined;
    const { db, module } = await openWith({
      attachments: { start: async (given: AttachmentHost) => ((host = given), {} as Attachments) },
    });
    expect(host).toMatchObject({ name: "notes", user: null, url: "/v1", encrypted: false });
    expect(await host!.token()).toBe("t");
    await host!.referred([ADDRESS]);
    const queries = module.engine.calls.filter(([name]) => name === "query");
    expect(queries.map(([, entity]) => entity)).toEqual(["note", "other"]);
    expect(String(queries[0]![2])).toContain(ADDRESS);
    let synced = 0;
    host!.onSynced(() => synced++);
    module.engine.host!.event({ type: "complete", run: "1", unit: "all", pushed: 1, rejected: 0, conflicts: 0, pulled: 0, forbidden: [] });
    await settle();
    expect(synced).toBe(1);
    let restored = 0;
    host!.onRestored(() => restored++);
    vi.spyOn(globalThis.console, "warn").mockReturnValue();
    module.engine.emit({ type: "report", level: "warn", error: errorDto("sync/server-restored") });
    await settle();
    expect(restored).toBe(1);
    let ended = false;
    host!.onEnd(() => (ended = true));
    await db.close();
    expect(ended).toBe(true);
  });
});
