/**
 * Two tabs of one browser work on the same records at once; a third one watches, and is frozen for a while. There must be one order of all
 * transactions (`history.ts`), and every tab must end with what that order leaves. Then the database is deleted, and every tab must know.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import type { Page } from "playwright-core";

import type { Contents } from "../page/tabs-page";
import { Browser } from "./browser";
import { newProfile } from "./device";
import { flaw, lastMarks, type Report } from "./history";
import { parseOptions } from "./options";
import { PROFILES } from "./paths";
import { Site } from "./site";

const NAME = "shared";
const LANES = 3;
/** What is worked while a tab is frozen. */
const FROZEN_TRANSACTIONS = 100;
/** Nothing here may take longer; a tab that hangs fails the run. */
const MS_MAX = 20 * 60_000;
/** News from another tab, and the end of a deleted database, arrive within this. */
const NEWS_MS_MAX = 30_000;

async function main(): Promise<void> {
  const { transactions, seed } = parseOptions(process.argv.slice(2));
  console.log(`again with --transactions ${transactions} --seed ${seed} (the order in which the tabs meet is never the same)`);
  const site = await Site.start("tabs-page");
  const browser = await Browser.start(newProfile());
  try {
    const reports: Report[] = [];
    const tabs: Page[] = [];
    for (let tab = 0; tab < 3; tab += 1) tabs.push(await openTab(browser, site.origin, reports, tab === 0));
    await work(tabs, seed, transactions);
    await agree(tabs, reports);
    console.log(`${reports.length} transactions of two tabs: one order, and all tabs as it says`);
    await aFrozenTabBlocksNobody(tabs, seed + 100, reports);
    await everyTabNoticesTheEnd(tabs);
  } finally {
    await browser.kill();
    await site.stop();
    rmSync(PROFILES, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function openTab(browser: Browser, origin: string, reports: Report[], isFirst: boolean): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(MS_MAX);
  await page.exposeFunction("report", (report: Report) => void reports.push(report));
  await page.goto(origin);
  await page.evaluate(([name, isFirst]) => window.tabsPage.open(name, isFirst), [NAME, isFirst] as const);
  return page;
}

async function work([one, two]: readonly Page[], seed: number, transactions: number): Promise<void> {
  const half = Math.ceil(transactions / 2);
  const go = (page: Page | undefined, tab: "a" | "b", seed: number): Promise<void> | undefined =>
    page?.evaluate(([tab, seed, half, lanes]) => window.tabsPage.work(tab, seed, half, lanes), [tab, seed, half, LANES] as const);
  await within(MS_MAX, "the tabs' work", Promise.all([go(one, "a", seed), go(two, "b", seed + LANES)]));
}

/** All tabs come to see the same, it is what the history says, and the history has an order. */
async function agree(tabs: readonly Page[], reports: readonly Report[]): Promise<void> {
  const [first] = tabs;
  assert.ok(first !== undefined);
  const contents = await everything(first, reports);
  const last = lastWriters(contents);
  assert.equal(flaw(reports, last), undefined);
  for (const [number, tab] of tabs.entries()) {
    await comesToBe(`tab ${number} has what tab 0 has`, contents, () => tab.evaluate(() => window.tabsPage.read()));
    await comesToBe(`tab ${number} has seen it`, contents.places, () => tab.evaluate(() => window.tabsPage.watched()));
  }
  theCheckCanFail(reports, last);
}

/** What a tab reads once it has heard of every transaction: news of the last one of another tab takes its moment. */
async function everything(tab: Page, reports: readonly Report[]): Promise<Contents> {
  const marks = lastMarks(reports);
  let contents: Contents | undefined;
  await comesToBe("the tab has every transaction", marks, async () => {
    contents = await tab.evaluate(() => window.tabsPage.read());
    return Object.fromEntries(Object.keys(marks).map((id) => [id, contents?.marks[id]]));
  });
  assert.ok(contents !== undefined);
  return contents;
}

/** A history with one write less, or one that saw what was gone already, must be refused, or the check proves nothing. */
function theCheckCanFail(reports: readonly Report[], last: ReadonlyMap<string, string>): void {
  const writer = reports.findIndex(({ written }) => written.length > 0);
  assert.ok(flaw(reports.filter((_, index) => index !== writer), last) !== undefined, "a write taken out is not noticed");
  const late = reports.findLastIndex(({ seen }) => Object.values(seen).some((by) => by !== ""));
  const report = reports[late];
  assert.ok(report !== undefined);
  const stale = reports.with(late, { ...report, seen: Object.fromEntries(Object.keys(report.seen).map((place) => [place, ""])) });
  assert.ok(flaw(stale, last) !== undefined, "a look at what was gone is not noticed");
}

async function aFrozenTabBlocksNobody(tabs: readonly Page[], seed: number, reports: Report[]): Promise<void> {
  const [first, watcher] = [tabs[0], tabs.at(-1)];
  assert.ok(first !== undefined && watcher !== undefined);
  const session = await watcher.context().newCDPSession(watcher);
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  reports.length = 0;
  await work(tabs, seed, FROZEN_TRANSACTIONS);
  assert.equal(reports.length, FROZEN_TRANSACTIONS);
  await session.send("Page.setWebLifecycleState", { state: "active" });
  // The others hear of each other's last transactions in a moment, too.
  await comesToBe("the tab that was frozen has it all", [], async () => {
    const [{ places }, watched] = [await first.evaluate(() => window.tabsPage.read()), await watcher.evaluate(() => window.tabsPage.watched())];
    return Object.entries(places).filter(([place, what]) => watched[place] !== what);
  });
  console.log(`a frozen tab: ${FROZEN_TRANSACTIONS} transactions of the others meanwhile, and it has seen them afterwards`);
}

async function everyTabNoticesTheEnd(tabs: readonly Page[]): Promise<void> {
  const ends = tabs.map((tab) => tab.evaluate(() => window.tabsPage.ended()));
  await tabs[0]?.evaluate((name) => window.tabsPage.destroy(name), NAME);
  const codes = await within(NEWS_MS_MAX, "the end of the database", Promise.all(ends));
  assert.deepEqual(codes, tabs.map(() => "store/deleted store/deleted"));
  console.log("the database was deleted, and every tab knows");
}

function lastWriters({ places }: Contents): Map<string, string> {
  return new Map(Object.entries(places).map(([place, what]) => [place, what.replace(/^\w+ /, "")]));
}

async function comesToBe<T>(what: string, wanted: T, look: () => Promise<T>): Promise<void> {
  const end = Date.now() + NEWS_MS_MAX;
  for (;;) {
    const found = await look();
    try {
      assert.deepEqual(found, wanted, what);
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} has not come to an end within ${ms} ms`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

try {
  await main();
} catch (error) {
  console.error(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
