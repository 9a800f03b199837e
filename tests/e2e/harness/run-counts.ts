/** What a page's engine says of its runs, counted in the page from its events. */
import type { Page } from "@playwright/test";

import type {} from "../../../www/src/demo-handle";

export interface RunCounts {
  readonly started: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Changes that the server has decided, in all runs, however they ended. */
  readonly pushed: number;
  readonly rejected: number;
  readonly conflicts: number;
}

type Counting = { -readonly [Name in keyof RunCounts]: number } & { readonly ofRun: Map<string, number> };

declare global {
  var runCounts: Counting | undefined;
}

/** Counts from now on, while no run is under way. */
export async function countRuns(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { sync } = window.whimbrelDemo!.db;
    const counts = { started: 0, completed: 0, failed: 0, cancelled: 0, pushed: 0, rejected: 0, conflicts: 0, ofRun: new Map<string, number>() };
    globalThis.runCounts = counts;
    sync.on("start", () => (counts.started += 1));
    sync.on("progress", ({ run, progress }) => {
      counts.pushed += progress.pushed - (counts.ofRun.get(run) ?? 0);
      counts.ofRun.set(run, progress.pushed);
    });
    sync.on("complete", ({ run, pushed, rejected, conflicts }) => {
      counts.completed += 1;
      counts.rejected += rejected;
      counts.conflicts += conflicts;
      counts.pushed += pushed - (counts.ofRun.get(run) ?? 0);
    });
    sync.on("error", () => (counts.failed += 1));
    sync.on("cancelled", () => (counts.cancelled += 1));
  });
}

/** What was counted, when no run is under way any more. */
export async function runCounts(page: Page): Promise<RunCounts> {
  await page.waitForFunction(() => {
    const counts = globalThis.runCounts!;
    const { phase } = window.whimbrelDemo!.db.sync.status;
    return phase === "idle" && counts.started === counts.completed + counts.failed + counts.cancelled;
  });
  return page.evaluate(() => {
    const { ofRun: _, ...counts } = globalThis.runCounts!;
    return counts;
  });
}

/** What became of changes: how many ended in which way. */
export function endings(page: Page, changes: readonly string[]): Promise<Record<string, number>> {
  return page.evaluate(async (changes) => {
    const { db } = window.whimbrelDemo!;
    const counts: Record<string, number> = {};
    for (const { outcome } of await Promise.all(changes.map((change) => db.change(change).confirmed))) {
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
    return counts;
  }, changes);
}
