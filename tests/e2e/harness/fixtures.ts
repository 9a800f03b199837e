/** What a test gets: a server of its own with all places, and as many devices as it asks for. */
import { type BrowserContextOptions, test as base, expect } from "@playwright/test";
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";

import { Device } from "./device";
import { copyTemplate } from "./seeded-database";
import { SyncServer } from "./sync-server";

interface Fixtures {
  readonly server: SyncServer;
  /** A new device: a browser context with nothing in it, behind a proxy of its own. */
  readonly newDevice: (options?: BrowserContextOptions) => Promise<Device>;
}

export const test = base.extend<Fixtures>({
  // Playwright reads the names of what a fixture needs from this pattern: nothing.
  server: async ({}, use, info) => {
    const database = info.outputPath("server.sqlite");
    mkdirSync(dirname(database), { recursive: true });
    copyTemplate(database);
    const server = await SyncServer.start(database);
    await use(server);
    await server.stop();
    rmSync(database, { force: true });
  },
  newDevice: async ({ browser, server }, use) => {
    const devices: Device[] = [];
    await use(async (options) => {
      const device = await Device.make(browser, server.port, options);
      devices.push(device);
      return device;
    });
    for (const device of devices) await device.close();
    // A page that throws is broken even when what was looked at was right.
    expect(devices.flatMap((device) => device.thrown)).toEqual([]);
  },
});

export { expect };
