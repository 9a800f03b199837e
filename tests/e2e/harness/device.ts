/**
 * A device: a browser with a storage of its own, and the way from it to the server, which can be cut and can be made to fail.
 *
 * **Invariant:** offline is complete: the browser says so (`navigator.onLine`, its events), and nothing passes the proxy either, which
 * holds for the service worker as well.
 */
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "@playwright/test";

import { FaultProxy } from "./fault-proxy";
import type {} from "../../../www/src/demo-handle";
import type { WorkOrder } from "../../../www/src/rounds";
import type { UserId } from "./users";

/** A work order as it can be compared. */
export type PlainOrder = Omit<WorkOrder, "dueAt"> & { readonly dueAt: number };

export class Device {
  readonly context: BrowserContext;
  readonly proxy: FaultProxy;
  readonly page: Page;
  /** What pages of this device have thrown and nobody has caught. */
  readonly thrown: string[] = [];

  private constructor(context: BrowserContext, proxy: FaultProxy, page: Page) {
    this.context = context;
    this.proxy = proxy;
    this.page = page;
    context.on("weberror", (error) => this.thrown.push(String(error.error())));
  }

  static async make(browser: Browser, serverPort: number, options: BrowserContextOptions = {}): Promise<Device> {
    const proxy = await FaultProxy.start(serverPort);
    const context = await browser.newContext({ ...options, baseURL: proxy.origin });
    return new Device(context, proxy, await context.newPage());
  }

  async close(): Promise<void> {
    await this.context.close();
    await this.proxy.close();
  }

  /** Opens the page; the user's database is open when this returns. */
  async open(user: UserId): Promise<void> {
    await this.page.goto(`/?user=${user}`);
    await isOpen(this.page);
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await isOpen(this.page);
  }

  /** Another tab of the same browser. */
  async newTab(user: UserId): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(`/?user=${user}`);
    await isOpen(page);
    return page;
  }

  /** Waits until the service worker has the page and answers for it. */
  async pageIsKept(): Promise<void> {
    await this.page.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    await this.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  }

  async goOffline(): Promise<void> {
    this.proxy.cut();
    await this.context.setOffline(true);
  }

  async goOnline(): Promise<void> {
    this.proxy.restore();
    await this.context.setOffline(false);
  }

  /** Runs a sync of everything, and says how it ended and with which code. */
  sync(): Promise<{ outcome: string; code: string | null }> {
    return this.page.evaluate(async () => {
      const settled = await window.whimbrelDemo!.db.sync.trigger("everything").settled;
      return { outcome: settled.outcome, code: settled.outcome === "error" ? settled.error.code : null };
    });
  }

  /** All work orders on the device, by id. */
  orders(page = this.page): Promise<PlainOrder[]> {
    return page.evaluate(async () => {
      const orders = await window.whimbrelDemo!.db.workOrder.query();
      const plain = orders.map((order) => ({ ...order, dueAt: order.dueAt.getTime() }));
      return plain.sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  places(): Promise<number> {
    return this.page.evaluate(() => window.whimbrelDemo!.db.place.count());
  }

  /** How many changes the server has not decided. */
  pending(): Promise<number> {
    return this.page.evaluate(() => window.whimbrelDemo!.db.sync.status.pending);
  }
}

async function isOpen(page: Page): Promise<void> {
  await page.waitForFunction(() => window.whimbrelDemo !== undefined);
}
