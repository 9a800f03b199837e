/** The package in a browser: apps of different versions, and databases that go away while they are open. No server, no demo. */
import { type BrowserContext, expect, type Page, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Database, Entities } from "whimbrel";

import { PACKAGE } from "../harness/paths";

const ORIGIN = "http://localhost:9";

/** What a page of these tests has on its window. */
interface Tab {
  db?: Database<Entities>;
  /** The code of what ended the database. */
  ended?: string;
  /** What a watch was told last. */
  told?: unknown;
}

/** A tab with an app of that version. */
async function tabOf(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await page.route(`${ORIGIN}/**`, async (route) => {
    if (route.request().url().endsWith("/whimbrel.js")) {
      await route.fulfill({ contentType: "text/javascript", body: readFileSync(join(PACKAGE, "index.js")) });
    } else await route.fulfill({ contentType: "text/html", body: "<!doctype html><title>app</title>" });
  });
  await page.goto(`${ORIGIN}/`);
  return page;
}

/** Opens the database as version 1 or 2 of the app; the error's code and cause when it does not open. */
function open(page: Page, version: 1 | 2, mistake = false): Promise<string> {
  return page.evaluate(
    async ([version, mistake, url]) => {
      const tab = window as unknown as Tab;
      const { entity, integer, open, text, WhimbrelError } = (await import(url)) as typeof import("whimbrel");
      const toNumber = (old: string): number => {
        if (mistake) throw new RangeError(`no floor ${old}`);
        return Number(old);
      };
      const db = (
        version === 1
          ? open({ name: "versions", entities: { order: entity({ title: text(), floor: text().index() }) } })
          : open({
              name: "versions",
              version: 2,
              steps: { 2: (s) => s.rename("order", "title", "name").convert("order", "floor", toNumber) },
              entities: {
                order: entity({ name: text(), floor: integer().index(), state: text().default("open").index() }),
              },
            })
      ) as Promise<unknown> as Promise<Database<Entities>>;
      try {
        tab.db = await db;
      } catch (error) {
        if (!(error instanceof WhimbrelError)) throw error;
        return `${error.code} ${error.cause instanceof Error ? error.cause.message : ""}`.trim();
      }
      void tab.db.closed.then((why) => (tab.ended = why.code));
      tab.db.entity("order").watch().subscribe(
        (rows) => (tab.told = rows),
        (error) => (tab.told = error.code),
      );
      return "open";
    },
    [version, mistake, `${ORIGIN}/whimbrel.js`] as const,
  );
}

/** Makes an order; the error's code when that fails. */
function create(page: Page, fields: object): Promise<string> {
  return page.evaluate(async (fields) => {
    const { db } = window as unknown as Tab;
    return db?.entity("order").create(fields as never).then(
      () => "saved",
      (error: { code: string }) => error.code,
    ) ?? "not open";
  }, fields);
}

function query(page: Page, where: object): Promise<object[]> {
  return page.evaluate(async (where) => {
    const rows = await (window as unknown as Tab).db?.entity("order").query({ where, orderBy: { id: "asc" } } as never);
    return (rows ?? []).map((row) => ({ ...row, id: "" }));
  }, where);
}

const ended = (page: Page) => page.evaluate(() => (window as unknown as Tab).ended);
const told = (page: Page) => page.evaluate(() => (window as unknown as Tab).told);

test("a newer version takes the database over, and the older tab ends", async ({ context }) => {
  const [old, now] = [await tabOf(context), await tabOf(context)];
  expect(await open(old, 1)).toBe("open");
  expect(await create(old, { title: "Pump", floor: "4" })).toBe("saved");
  expect(await open(now, 2)).toBe("open");
  await expect.poll(() => ended(old)).toBe("store/newer");
  expect(await told(old)).toBe("store/newer");
  expect(await create(old, { title: "Roof", floor: "5" })).toBe("store/newer");
  expect(await query(now, { floor: { gte: 4 }, state: "open" })).toEqual([
    { id: "", name: "Pump", floor: 4, state: "open" },
  ]);
  await old.reload();
  expect(await open(old, 1)).toBe("store/newer");
  expect(await open(old, 2)).toBe("open");
});

test("many records are converted, and a function that throws changes nothing", async ({ context }) => {
  const tab = await tabOf(context);
  expect(await open(tab, 1)).toBe("open");
  await tab.evaluate(async () => {
    const { db } = window as unknown as Tab;
    for (let start = 0; start < 10_000; start += 1_000) {
      await db?.batch((batch) => {
        const { order } = batch as unknown as { order: { create(fields: object): unknown } };
        for (let number = start; number < start + 1_000; number++) order.create({ title: "Pump", floor: `${number}` });
      });
    }
  });
  const other = await tabOf(context);
  expect(await open(other, 2, true)).toMatch(/^schema\/step-failed no floor \d+$/);
  expect(await query(tab, { floor: "4711" })).toEqual([{ id: "", title: "Pump", floor: "4711" }]);
  expect(await open(other, 2)).toBe("open");
  await expect.poll(() => ended(tab)).toBe("store/newer");
  expect(await query(other, { floor: { in: [4_711, 9_999] } })).toHaveLength(2);
  expect(await query(other, { floor: { lt: 100 }, state: "open" })).toHaveLength(100);
});

test("a database that another tab deletes ends at once", async ({ context }) => {
  const [one, two] = [await tabOf(context), await tabOf(context)];
  expect(await open(one, 1)).toBe("open");
  expect(await open(two, 1)).toBe("open");
  await two.evaluate(async (url) => {
    const { Whimbrel } = (await import(url)) as typeof import("whimbrel");
    await Whimbrel.destroy("versions");
  }, `${ORIGIN}/whimbrel.js`);
  for (const page of [one, two]) {
    await expect.poll(() => ended(page)).toBe("store/deleted");
    expect(await create(page, { title: "Pump", floor: "4" })).toBe("store/deleted");
  }
});

test("site data that is cleared ends the database, and it is not made again", async ({ context }) => {
  const page = await tabOf(context);
  expect(await open(page, 1)).toBe("open");
  expect(await create(page, { title: "Pump", floor: "4" })).toBe("saved");
  const devtools = await context.newCDPSession(page);
  await devtools.send("Storage.clearDataForOrigin", { origin: ORIGIN, storageTypes: "indexeddb" });
  await expect.poll(() => ended(page)).toBe("store/deleted");
  expect(await create(page, { title: "Roof", floor: "5" })).toBe("store/deleted");
  const names = await page.evaluate(async () => (await indexedDB.databases()).map((database) => database.name));
  expect(names).not.toContain("whimbrel/versions");
});
