/** A page with the package and its attachments, on a device of its own, and a server that has a field for them. */
import { type Browser, expect, type Page, test as base } from "@playwright/test";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

import type * as AttachmentsModule from "../../../pkg/src/attachments";
import type * as Package from "../../../pkg/src/index";
import { FaultProxy } from "./fault-proxy";
import { SyncServer } from "./sync-server";

const CONFIG = join(import.meta.dirname, "attachments-server.toml");

interface Fixtures {
  readonly server: SyncServer & { readonly database: string; readonly folder: string };
  readonly newTab: () => Promise<Tab>;
}

/** A page with the package. */
export class Tab {
  constructor(
    readonly page: Page,
    readonly proxy: FaultProxy,
  ) {}

  static async open(browser: Browser, port: number): Promise<Tab> {
    const proxy = await FaultProxy.start(port);
    const context = await browser.newContext({ baseURL: proxy.origin });
    const tab = new Tab(await context.newPage(), proxy);
    await tab.load();
    return tab;
  }

  /** Loads the page anew; nothing is open in it. */
  async load(): Promise<void> {
    await this.page.goto("/v1/ping?nonce=page");
  }

  /** Opens the database in the page as `db`. */
  async db(user = "ana", budgetBytes = 50e6): Promise<void> {
    await this.page.evaluate(
      async ([user, budgetBytes]) => {
        const path = (name: string): string => `/package/${name}.js`;
        const { open, entity, text, attachment } = (await import(path("index"))) as typeof Package;
        const { attachments } = (await import(path("attachments"))) as typeof AttachmentsModule;
        const db = await open({
          name: "notes",
          user,
          server: { url: "/v1", token: `dev-${user}` },
          entities: { note: entity({ body: text(), photo: attachment().optional() }) },
          attachments: attachments({ budgetBytes: Number(budgetBytes) }),
        });
        Object.assign(window, { db });
      },
      [user, budgetBytes] as const,
    );
  }

  async offline(isOffline: boolean): Promise<void> {
    if (isOffline) this.proxy.cut();
    else this.proxy.restore();
    await this.page.context().setOffline(isOffline);
  }

  /** Keeps a content that is made from a seed, and a note that refers to it. */
  add(bytes: number, seed: number, note: string | null = `note ${seed}`): Promise<string> {
    return this.page.evaluate(
      async ([bytes, seed, note]) => {
        const content = new Uint8Array(bytes).map((_, place) => (place * 31 + (place >> 9) + seed) & 255);
        const address = await window.db.attachments.add(new Blob([content], { type: "image/jpeg" }));
        if (note !== null) await window.db.note.create({ id: note, body: "x", photo: address });
        return address;
      },
      [bytes, seed, note] as const,
    );
  }

  /** How a sync ended. */
  sync(): Promise<string> {
    return this.page.evaluate(async () => (await window.db.sync.trigger("all").settled).outcome);
  }

  status(): Promise<Package.AttachmentsStatus> {
    return this.page.evaluate(() => window.db.attachments.status);
  }

  state(address: string): Promise<Package.AttachmentState> {
    return this.page.evaluate((address) => window.db.attachments.state(address), address);
  }

  /** The content's hash and type, or the code of what was thrown. */
  get(address: string): Promise<string> {
    return this.page.evaluate(async (address) => {
      try {
        const blob = await window.db.attachments.get(address);
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
        return `sha256-${Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")} ${blob.type}`;
      } catch (thrown) {
        return (thrown as { code?: string }).code ?? String(thrown);
      }
    }, address);
  }

  async isUploaded(address: string): Promise<void> {
    await expect.poll(async () => (await this.state(address)).uploaded).toBe(true);
  }

  /** The parts that were sent: where they began, and their bytes. */
  parts(): (readonly [number, number])[] {
    const sent = this.proxy.seen.filter(({ method, path }) => method === "PATCH" && path.startsWith("/v1/attachments/"));
    return sent.map(({ query, bytes }) => [Number(new URLSearchParams(query).get("offset")), bytes] as const);
  }

  async close(): Promise<void> {
    await this.page.context().close();
    await this.proxy.close();
  }
}

declare global {
  interface Window {
    db: Package.Database<
      { note: Package.Entity<{ body: Package.TextField; photo: Package.Field<string, true> }, "lastWriteWins"> },
      "all"
    >;
  }
}

export const test = base.extend<Fixtures>({
  server: async ({}, use, info) => {
    const database = info.outputPath("server.sqlite");
    mkdirSync(dirname(database), { recursive: true });
    const server = await SyncServer.start(database, CONFIG);
    await use(Object.assign(server, { database, folder: `${database}.attachments` }));
    await server.stop();
    rmSync(database, { force: true });
  },
  newTab: async ({ browser, server }, use) => {
    const tabs: Tab[] = [];
    await use(async () => {
      const tab = await Tab.open(browser, server.port);
      tabs.push(tab);
      return tab;
    });
    for (const tab of tabs) await tab.close();
  },
});

/** The file in which the server keeps a content, or the upload of one. */
export function fileOf(folder: string, address: string): string {
  const digits = address.slice("sha256-".length);
  return join(folder, digits.slice(0, 2), digits);
}

export { expect };
