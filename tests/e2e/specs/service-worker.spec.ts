/**
 * Background Sync: the service worker sends what waits when no page has the database open, and may be stopped at any moment.
 *
 * The oracle is that of exactly-once.spec.ts: on an empty server N changes make N versions, no more and no less.
 */
import { type CDPSession, expect, type Page, test as base } from "@playwright/test";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

import type * as Package from "../../../pkg/src/index";
import { FaultProxy } from "../harness/fault-proxy";
import { serverRows } from "../harness/server-state";
import { SyncServer } from "../harness/sync-server";

const CONFIG = join(import.meta.dirname, "../harness/attachments-server.toml");
const TAG = "whimbrel:notes";
const NOTES = 12;

/** An app's worker. Who is signed in it asks its own server here, so that a test can say. */
const WORKER = `
import { drainOnSync } from "/package/service-worker.js";
import { entity, text } from "/package/index.js";
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
drainOnSync({
  name: "notes",
  entities: { note: entity({ body: text() }) },
  units: { all: ["note"], send: { push: ["note"] } },
  send: "send",
  session: async () => {
    const session = await (await fetch("/session.json")).json();
    return session && { user: "ana", server: { url: "/v1", token: async () => session.token } };
  },
});
`;

class Device {
  #registration = "";
  #version = "";

  constructor(
    readonly page: Page,
    readonly proxy: FaultProxy,
    readonly cdp: CDPSession,
  ) {}

  async start(): Promise<void> {
    this.signIn({ token: "dev-ana" });
    this.proxy.files.set("/worker.js", { type: "text/javascript", text: WORKER });
    this.proxy.files.set("/page", { type: "text/html", text: "<!doctype html><title>page</title>" });
    this.cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      for (const { registrationId, isDeleted } of registrations) if (!isDeleted) this.#registration = registrationId;
    });
    this.cdp.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
      for (const { versionId, status } of versions) if (status === "activated") this.#version = versionId;
    });
    await this.cdp.send("ServiceWorker.enable");
    await this.page.goto("/page");
    await this.page.evaluate(async () => {
      await navigator.serviceWorker.register("/worker.js", { type: "module" });
      await navigator.serviceWorker.ready;
    });
    await expect.poll(() => this.#version !== "" && this.#registration !== "").toBe(true);
  }

  signIn(session: { readonly token: string | null } | null): void {
    this.proxy.files.set("/session.json", { type: "application/json", text: JSON.stringify(session) });
  }

  async open(): Promise<void> {
    await this.page.evaluate(async () => {
      const path = "/package/index.js";
      const { open, entity, text } = (await import(path)) as typeof Package;
      const db = await open({
        name: "notes",
        user: "ana",
        server: { url: "/v1", token: "dev-ana" },
        entities: { note: entity({ body: text() }) },
        units: { all: ["note"], send: { push: ["note"] } },
        backgroundSync: true,
      });
      Object.assign(window, { notes: db });
    });
  }

  /** Writes notes that nobody sends, and goes away from the database. */
  async write(count: number): Promise<void> {
    await this.open();
    await this.page.evaluate(async (count) => {
      for (let number = 0; number < count; number++) await window.notes.note.create({ body: `note ${number}` });
      await window.notes.close();
    }, count);
  }

  pending(): Promise<number> {
    return this.page.evaluate(() => window.notes.sync.status.pending);
  }

  /** The browser says that there is a network. */
  async dispatch(): Promise<void> {
    const { cdp, proxy } = this;
    const event = { origin: proxy.origin, registrationId: this.#registration, tag: TAG, lastChance: false };
    await cdp.send("ServiceWorker.dispatchSyncEvent", event);
  }

  async stopWorker(): Promise<void> {
    await this.cdp.send("ServiceWorker.stopWorker", { versionId: this.#version });
  }

  pushes(): number {
    return this.proxy.seen.filter(({ path }) => path === "/v1/push").length;
  }
}

declare global {
  interface Window {
    notes: Package.Database<
      { note: Package.Entity<{ body: Package.TextField }, "lastWriteWins"> },
      "all" | "send"
    >;
  }
}

const test = base.extend<{ server: SyncServer; device: Device }>({
  server: async ({}, use, info) => {
    const database = info.outputPath("server.sqlite");
    mkdirSync(dirname(database), { recursive: true });
    const server = await SyncServer.start(database, CONFIG);
    await use(server);
    await server.stop();
    rmSync(database, { force: true });
  },
  device: async ({ browser, server }, use) => {
    const proxy = await FaultProxy.start(server.port);
    const context = await browser.newContext({ baseURL: proxy.origin, permissions: ["background-sync"] });
    const page = await context.newPage();
    const device = new Device(page, proxy, await context.newCDPSession(page));
    await device.start();
    await use(device);
    await context.close();
    await proxy.close();
  },
});

/** Every change was made at the server, and made once. */
async function everythingIsThereOnce(server: SyncServer, count: number): Promise<void> {
  const rows = await serverRows(server, "ana", "note");
  expect(rows).toHaveLength(count);
  expect(Math.max(...rows.map(({ version }) => version))).toBe(count);
}

test("R21: a sync event sends what waits while no page has the database open", async ({ server, device }) => {
  await device.write(NOTES);
  expect(device.pushes()).toBe(0);
  await device.dispatch();
  await expect.poll(async () => (await serverRows(server, "ana", "note")).length).toBe(NOTES);
  await device.open();
  await expect.poll(() => device.pending()).toBe(0);
  await everythingIsThereOnce(server, NOTES);
});

test("R21: nobody signed in, or a token that is none: nothing is sent and nothing is lost", async ({ server, device }) => {
  await device.write(NOTES);
  for (const session of [null, { token: null }]) {
    device.signIn(session);
    const asked = device.proxy.seen.filter(({ path }) => path === "/session.json").length;
    await device.dispatch();
    await expect.poll(() => device.proxy.seen.filter(({ path }) => path === "/session.json").length).toBeGreaterThan(asked);
  }
  expect(device.pushes()).toBe(0);
  await device.open();
  await device.page.evaluate(() => window.notes.sync.trigger("all").settled);
  await everythingIsThereOnce(server, NOTES);
});

const MOMENTS = ["before the push arrives", "while the server works", "when the server has committed"] as const;

for (const moment of MOMENTS) {
  test(`R17: the worker is stopped ${moment}, and the page finds everything in order`, async ({ server, device }) => {
    await device.write(NOTES);
    let stopped = (): void => undefined;
    const isStopped = new Promise<void>((resolve) => (stopped = resolve));
    device.proxy.inject("/v1/push", async ({ response, forward }) => {
      if (moment === "before the push arrives") {
        await device.stopWorker();
      } else {
        const answered = forward().catch(() => undefined);
        if (moment === "when the server has committed") await answered;
        await device.stopWorker();
        await answered;
      }
      response.destroy();
      stopped();
    });
    await device.dispatch();
    await isStopped;
    await device.open();
    expect(await device.page.evaluate(async () => (await window.notes.sync.trigger("all").settled).outcome)).toBe("complete");
    await expect.poll(() => device.pending()).toBe(0);
    expect(await device.page.evaluate(() => window.notes.note.count())).toBe(NOTES);
    await everythingIsThereOnce(server, NOTES);
  });
}

test("the worker and a page at once send everything once", async ({ server, device }) => {
  await device.write(NOTES);
  await device.open();
  const settled = device.page.evaluate(async () => (await window.notes.sync.trigger("all").settled).outcome);
  await device.dispatch();
  expect(await settled).toBe("complete");
  await expect.poll(() => device.pending()).toBe(0);
  await everythingIsThereOnce(server, NOTES);
});

test("R21: the page asks for a sync event when what waits cannot be sent", async ({ device }) => {
  await device.open();
  const tags = (): Promise<readonly string[]> =>
    device.page.evaluate(async () => {
      const { sync } = (await navigator.serviceWorker.ready) as unknown as { sync: { getTags(): Promise<string[]> } };
      return sync.getTags();
    });
  await device.page.evaluate(() => window.notes.note.create({ body: "x" }));
  expect(await tags()).toEqual([]);
  // The worker cannot either, so the browser keeps the tag for another attempt.
  device.proxy.files.delete("/session.json");
  device.proxy.cut();
  await device.page.evaluate(() => void window.notes.sync.trigger("all"));
  await expect.poll(tags).toEqual([TAG]);
});
