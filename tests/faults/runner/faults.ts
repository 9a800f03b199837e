/**
 * `npm run faults`: every call that the package makes of IndexedDB fails, one at a time and in every way, in Chromium. Each time the outcome
 * must be typed and within its deadline, what was acknowledged must be there, and what failed must be there whole or not at all.
 */
import { chromium as playwright, type Browser, type Page } from "playwright-core";
import { resolve } from "node:path";

import { chromium } from "../../kill/runner/paths";
import { Site } from "../../kill/runner/site";
import type { Result } from "../page/faults-page";
import { FAULTS, kindOf, type Plan } from "../page/plan";

/** Pages at work beside each other. */
const PAGES = 3;
/** Findings that are printed. */
const SHOWN_MAX = 40;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"];

async function main(): Promise<void> {
  const only = process.argv[2] ?? "";
  const site = await Site.start("faults-page", resolve(import.meta.dirname, "../page"));
  const browser = await playwright.launch({ executablePath: chromium(), args: FLAGS });
  try {
    const pages = await Promise.all(Array.from({ length: PAGES }, () => openPage(browser, site.origin)));
    const began = performance.now();
    const plans = (await plan(pages)).filter(({ label, fault }) => `${label} ${fault}`.includes(only));
    console.log(`${plans.length} faults to try`);
    const results = await runAll(pages, plans);
    process.exitCode = report(results, only === "", (performance.now() - began) / 1000) ? 0 : 1;
  } finally {
    await browser.close();
    await site.stop();
  }
}

async function openPage(browser: Browser, origin: string): Promise<Page> {
  // A context of its own: what hangs in one page must not keep another one from its databases.
  const page = await (await browser.newContext()).newPage();
  await page.goto(origin);
  await page.waitForFunction(() => "faultsPage" in window);
  return page;
}

const run = (page: Page, plan: Plan | null, number: number): Promise<Result> =>
  page.evaluate(([plan, number]) => window.faultsPage.run(plan, number), [plan, number] as const);

/** The first and the last of each label's calls, with every fault that its kind has. */
async function plan([page]: readonly Page[]): Promise<Plan[]> {
  if (page === undefined) throw new Error("no page");
  const healthy = await run(page, null, 0);
  if (healthy.findings.length > 0) throw new Error(`without a fault: ${healthy.findings.join("\n")}`);
  const plans: Plan[] = [];
  for (const [label, count] of healthy.calls) {
    if (label.startsWith("verify")) continue;
    for (const fault of FAULTS[kindOf(label)] ?? []) {
      // Looking an object store up asks nothing of the browser: once will do.
      for (const nth of new Set(kindOf(label) === "objectStore" ? [0] : [0, count - 1])) plans.push({ label, nth, fault });
    }
  }
  return plans;
}

async function runAll(pages: readonly Page[], plans: readonly Plan[]): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const work = async (page: Page): Promise<void> => {
    for (let index = next++; index < plans.length; index = next++) {
      results.push(await run(page, plans[index] ?? null, index + 1));
      if (results.length % 100 === 0) console.log(`${results.length} of ${plans.length}`);
    }
  };
  await Promise.all(pages.map(work));
  return results;
}

/** All pairs of a kind of call and a fault. */
const PAIRS = Object.entries(FAULTS).flatMap(([kind, faults]) => faults.map((fault) => `${kind} ${fault}`));

/** Prints what was tried and found; whether all is well. */
function report(results: readonly Result[], isWhole: boolean, seconds: number): boolean {
  const hit = results.filter(({ wasHit }) => wasHit);
  const tally = new Map<string, number>();
  for (const { failures } of hit) {
    const code = failures[0]?.code ?? "no call failed";
    tally.set(code, (tally.get(code) ?? 0) + 1);
  }
  const wrong = results.filter(({ findings }) => findings.length > 0);
  for (const { plan, failures, findings } of wrong.slice(0, SHOWN_MAX)) {
    console.log(`\n${plan?.label} [${plan?.nth}] ${plan?.fault}\n  failed: ${JSON.stringify(failures)}\n  ${findings.join("\n  ")}`);
  }
  const kinds = new Set(hit.map(({ plan }) => `${kindOf(plan?.label ?? "")} ${plan?.fault}`));
  const missed = isWhole ? PAIRS.filter((pair) => !kinds.has(pair)) : [];
  for (const pair of missed) console.log(`never tried: ${pair}`);
  console.log(`\noutcomes: ${[...tally].map(([code, count]) => `${code} ${count}`).join(", ")}`);
  console.log(`${hit.length} of ${results.length} planned faults met their call, ${wrong.length} with findings, in ${seconds.toFixed(0)} s`);
  return wrong.length === 0 && missed.length === 0 && hit.length > 0;
}

await main();
