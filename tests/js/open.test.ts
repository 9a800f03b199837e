import { describe, expect, it, vi } from "vitest";

import { createOpen, destroyDatabase } from "../../pkg/src/open.js";
import { boolean, type Entities, entity, integer, real, ref, text, timestamp } from "../../pkg/src/schema.js";
import { errorDto, FakeModule, idle } from "./fake-engine.js";
import { codeOf, entities, errorOf, openRounds } from "./rounds.js";

const note = { note: entity({ body: text() }) };

/** Opens what no compiler has looked at. */
async function openAnything(options: object): Promise<FakeModule> {
  const module = new FakeModule();
  await createOpen(async () => module)({ name: "a", entities: note as Entities, ...options } as never);
  return module;
}

describe("open", () => {
  it("tells the engine the whole schema", async () => {
    const module = new FakeModule();
    await createOpen(async () => module)({
      name: "rounds",
      user: "ana",
      server: { url: new URL("https://example.org/v1"), token: "t" },
      entities: {
        place: entity({ name: text(), open: boolean().optional() }, { sync: "readOnly" }),
        order: entity(
          { title: text().max(9).index(), n: integer().unique(), x: real(), at: timestamp(), placeId: ref("place") },
          { sync: "merge", indexes: [["n", "at"]], unique: [["placeId", "title"]] },
        ),
      },
      units: { home: ["place", "order"], reference: { pull: ["place"] }, send: { push: ["order"] } },
      auto: { start: "home", every: { unit: "home", seconds: 0.5 } },
      version: 3,
      durability: "strict",
      cacheBytes: 1_000,
    });
    const plain = { optional: false, index: false };
    expect(module.opened).toEqual([
      {
        name: "rounds",
        user: "ana",
        url: "https://example.org/v1",
        schema: {
          version: 3,
          entities: [
            {
              name: "place",
              policy: "readOnly",
              fields: [
                { name: "name", type: "text", ...plain },
                { name: "open", type: "boolean", ...plain, optional: true },
              ],
              indexes: [],
            },
            {
              name: "order",
              policy: "merge",
              fields: [
                { name: "title", type: "text", optional: false, index: true, max: 9 },
                { name: "n", type: "integer", ...plain },
                { name: "x", type: "real", ...plain },
                { name: "at", type: "timestamp", ...plain },
                { name: "placeId", type: "ref", ...plain, entity: "place" },
              ],
              indexes: [
                { fields: ["n", "at"], unique: false },
                { fields: ["n"], unique: true },
                { fields: ["placeId", "title"], unique: true },
              ],
            },
          ],
          units: [
            { name: "home", push: ["order"], pull: ["place", "order"] },
            { name: "reference", push: [], pull: ["place"] },
            { name: "send", push: ["order"], pull: [] },
          ],
        },
        steps: [],
        auto: { start: "home", every: { unit: "home", seconds: 1 } },
        strict: true,
        cacheBytes: 1_000,
        noMirror: false,
        mirrorUnsure: false,
      },
    ]);
  });

  it("tells the engine the constraints", async () => {
    const place = { type: "ref", optional: false, index: false, entity: "place" };
    const { opened } = await openAnything({
      entities: {
        place: entity({ state: text().oneOf("open", "shut").max(5) }),
        note: entity({
          a: ref("place", { onDelete: "cascade" }),
          b: ref("place", { onDelete: "restrict" }).unique(),
          c: ref("place", { onDelete: "setNull" }).optional(),
        }),
      },
    });
    expect(opened[0]?.schema.entities.map(({ fields }) => fields)).toEqual([
      [{ name: "state", type: "text", optional: false, index: false, oneOf: ["open", "shut"], max: 5 }],
      [
        { name: "a", ...place, onDelete: "cascade" },
        { name: "b", ...place, onDelete: "restrict" },
        { name: "c", ...place, optional: true, onDelete: "setNull" },
      ],
    ]);
  });

  it("has defaults: no user, no server, one unit with everything, relaxed", async () => {
    const { opened } = await openAnything({ entities });
    expect(opened).toMatchObject([
      { user: null, url: null, auto: {}, strict: false, cacheBytes: null, schema: { version: 1 } },
    ]);
    expect(opened[0]?.schema.units).toEqual([
      { name: "all", push: ["workOrder", "note"], pull: ["place", "workOrder", "note"] },
    ]);
  });

  it.each<[string, object, string]>([
    ["no name", { name: undefined }, "open/invalid"],
    ["a user that is not text", { user: 7 }, "open/invalid"],
    ["a server without a URL", { server: {} }, "open/invalid"],
    ["version 0", { version: 0 }, "open/invalid"],
    ["an unknown durability", { durability: "maybe" }, "open/invalid"],
    ["a cache of no bytes", { cacheBytes: 0 }, "open/invalid"],
    ["an interval of no seconds", { auto: { every: { unit: "all", seconds: 0 } } }, "open/invalid"],
    ["no entities", { entities: undefined }, "open/invalid"],
    ["an entity that is none", { entities: { note: {} } }, "open/invalid"],
    ["a field that is none", { entities: { note: { policy: "merge", fields: { body: "text" } } } }, "open/invalid"],
    ["an index that is no list", { entities: { note: { ...note.note, indexes: ["body"] } } }, "open/invalid"],
    ["a unit that is none", { units: { home: 5 } }, "open/invalid"],
    ["an entity with a name of the database", { entities: { sync: note.note } }, "schema/invalid"],
    ["an entity that would make it a promise", { entities: { then: note.note } }, "schema/invalid"],
    ["a signal that was used", { signal: AbortSignal.abort() }, "open/aborted"],
  ])("refuses %s", async (_, options, code) => {
    expect(await codeOf(() => openAnything(options))).toBe(code);
  });

  it("refuses a limit that is none", async () => {
    expect(await codeOf(() => (text().oneOf as () => unknown)())).toBe("schema/invalid");
    expect(await codeOf(() => text().oneOf(5 as never))).toBe("schema/invalid");
    for (const max of [0, -1, 1.5, Number.NaN]) expect(await codeOf(() => text().max(max))).toBe("schema/invalid");
  });

  it("keeps the engine's refusal", async () => {
    const module = new FakeModule();
    module.failure = errorDto("store/quota", { retryable: true, blame: "device" });
    const error = await errorOf(() => openRounds(module));
    expect(error).toMatchObject({
      code: "store/quota",
      message: "about store/quota",
      retryable: true,
      blame: "device",
    });
  });

  it("closes what was opened when it is aborted meanwhile", async () => {
    const module = new FakeModule();
    const controller = new AbortController();
    const opening = createOpen(async () => module)({ name: "a", entities: note, signal: controller.signal });
    controller.abort("changed my mind");
    const error = await errorOf(() => opening);
    expect(error).toMatchObject({ code: "open/aborted", cause: "changed my mind" });
    expect(module.opened).toEqual([]);
    const load = vi.fn();
    expect(await codeOf(() => createOpen(load)({ name: "a", entities: note, signal: controller.signal }))).toBe(
      "open/aborted",
    );
    expect(load).not.toHaveBeenCalled();

    const late = new AbortController();
    vi.spyOn(module, "open").mockImplementation(async () => {
      late.abort();
      return module.engine;
    });
    expect(await codeOf(() => createOpen(async () => module)({ name: "a", entities: note, signal: late.signal }))).toBe(
      "open/aborted",
    );
    expect(module.engine.calls).toEqual([["close"]]);
  });

  it("misses no event that comes while it opens", async () => {
    const module = new FakeModule();
    const original = module.open.bind(module);
    vi.spyOn(module, "open").mockImplementation(async (options, host) => {
      const engine = await original(options, host);
      host.event({ type: "status", status: { ...idle, pending: 4 } });
      return engine;
    });
    const { db } = await openRounds(module);
    await Promise.resolve();
    expect(db.sync.status.pending).toBe(4);
  });

  it("asks for the token the way it was given", async () => {
    const tokens = [
      [undefined, null],
      ["t", "t"],
      [() => "made", "made"],
      [async () => null, null],
    ] as const;
    for (const [token, expected] of tokens) {
      const { engine } = await openAnything({ server: { url: "/v1", ...(token && { token }) } });
      expect(await engine.host?.token()).toBe(expected);
    }
  });
});

describe("destroy", () => {
  it("names the database and the user", async () => {
    const module = new FakeModule();
    await destroyDatabase(async () => module, "rounds", "ana");
    expect(module.destroyed).toEqual([["rounds", "ana"]]);
    expect(await codeOf(() => destroyDatabase(async () => module, 5 as never, null))).toBe("open/invalid");
    module.failure = errorDto("store/failed");
    expect(await codeOf(() => destroyDatabase(async () => module, "rounds", null))).toBe("store/failed");
  });
});
