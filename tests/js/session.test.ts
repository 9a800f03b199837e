import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { createOpen } from "../../pkg/src/open.js";
import { type Entities, entity, text } from "../../pkg/src/schema.js";
import { Session, sweep } from "../../pkg/src/session.js";
import { Device, openPage } from "./device.js";
import { errorDto, FakeModule } from "./fake-engine.js";
import { codeOf } from "./rounds.js";

let device: Device;

beforeEach(() => {
  device = new Device();
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

afterEach(() => {
  expect(console.warn).not.toHaveBeenCalled();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("a start", () => {
  it("after a crash heals once, however soon the crash came", async () => {
    const before = new Map(device.storage.items);
    Session.begin();
    await vi.waitFor(() => expect(device.records).toBe(1));
    device.kill(before);
    await openPage();
    expect(device.heals).toBe(1);
    device.leave();
    await openPage();
    expect(device.heals).toBe(1);
  });

  it("after an orderly end does not, and nothing is left of that", async () => {
    await openPage();
    device.leave();
    await openPage();
    expect(device.heals).toBe(0);
    expect([device.records, device.storage.length]).toEqual([1, 0]);
  });

  it("heals for nothing when the note of the end was not written in time", async () => {
    await openPage();
    const before = new Map(device.storage.items);
    device.leave();
    device.kill(before);
    await openPage();
    expect(device.heals).toBe(1);
  });

  it("heals when the page that was killed had come back from the back/forward cache", async () => {
    await openPage();
    device.tell("pagehide");
    const written = new Map(device.storage.items);
    device.tell("pageshow");
    await vi.waitFor(() => expect(device.records).toBe(2));
    device.kill(written);
    await openPage();
    expect(device.heals).toBe(1);
    expect([device.records, device.storage.length]).toEqual([1, 0]);
  });

  it("does not heal beside tabs that are alive, but when all were killed", async () => {
    await openPage();
    await openPage();
    expect(device.heals).toBe(0);
    device.kill();
    await openPage();
    await openPage();
    expect(device.heals).toBe(1);
    expect(device.records).toBe(2);
  });

  it("heals what an earlier one did not come to heal", async () => {
    Session.begin();
    await vi.waitFor(() => expect(device.records).toBe(1));
    device.kill();
    const failing = vi.spyOn(crypto, "getRandomValues").mockImplementation(() => {
      throw new Error("killed");
    });
    await expect(openPage()).rejects.toThrow("killed");
    failing.mockRestore();
    device.leave();
    await openPage();
    expect(device.heals).toBe(1);
    expect(device.records).toBe(1);
  });
});

describe("a session", () => {
  it("that ends by itself leaves nothing", async () => {
    const session = await openPage();
    await session?.end();
    expect([device.records, device.storage.length]).toEqual([0, 0]);
    device.tell("pagehide");
    device.tell("pageshow");
    await sweep();
    expect([device.records, device.storage.length, device.heals]).toEqual([0, 0, 0]);
  });

  it("is none where an end could not be told from a crash, or nothing needs healing", () => {
    const locks = { request: async () => undefined, query: async () => ({}) };
    vi.stubGlobal("navigator", { locks });
    expect(Session.begin()).toBeNull();
    vi.stubGlobal("navigator", { userAgentData: {} });
    expect(Session.begin()).toBeNull();
    vi.stubGlobal("navigator", { userAgentData: {}, locks });
    vi.stubGlobal("localStorage", undefined);
    expect(Session.begin()).toBeNull();
    expect(device.disk.size).toBe(0);
  });

  it("is over when the database is closed, and when it could not be opened", async () => {
    const module = new FakeModule();
    const options = { name: "a", entities: { note: entity({ body: text() }) } as Entities };
    const open = createOpen(async () => module);
    const db = await open(options as never);
    await vi.waitFor(() => expect(device.records).toBe(1));
    await (db as unknown as { close(): Promise<void> }).close();
    await vi.waitFor(() => expect(device.records).toBe(0));
    module.failure = errorDto("store/locked");
    expect(await codeOf(() => open(options as never))).toBe("store/locked");
    await vi.waitFor(() => expect(device.records).toBe(0));
  });
});
