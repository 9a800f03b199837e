/** One round of one peer: all workloads, from an empty database to the check that everything is where it should be. */
import { type Answers, COLD_STARTS, type Plan, SORTED_ROWS } from "../orders/plan";
import { median } from "../orders/median";
import { type ColdQuestion, toHash } from "../page/commands";
import { Device, type Visit } from "./device";
import type { PeerName } from "./options";

/** The figures of a round. Times are in milliseconds, sizes in bytes. */
export type Figures = Record<Workload | Extra, number>;

/** What the results file holds, in the order of the table. */
export const WORKLOADS = [
  "initial_load",
  "longest_task",
  "cold_start",
  "serial_writes",
  "sorted_query",
  "batch_update",
  "gets",
] as const;

export type Workload = (typeof WORKLOADS)[number];

/** What is measured besides. */
export const EXTRAS = ["first_sorted", "count", "sum", "storage", "renderer", "renderer_peak"] as const;

export type Extra = (typeof EXTRAS)[number];

/** The browser counts what it has stored with a delay. */
const STORAGE_SETTLE_MS = 2_000;

export interface Work {
  readonly origin: string;
  readonly peer: PeerName;
  readonly plan: Plan;
}

export async function runRound(work: Work): Promise<Figures> {
  const device = await Device.start();
  const address = `${work.origin}/${work.peer}.html`;
  try {
    const loading = await device.visit(address, (page) => load(page, work));
    const coldStarts = await coldGets(device, address, work.plan);
    const firstSorted = await coldQueries(device, address, work.plan);
    const warm = await device.visit(address, (page) => warmWorkloads(page, work.plan));
    // In a page of its own: what was awaited is on the disk, and nothing is left in memory.
    await device.visit(address, async (page) => same("after all writes", await page.ask("answers", SORTED_ROWS), work.plan.after));
    return { ...loading, ...warm, cold_start: coldStarts, first_sorted: firstSorted };
  } catch (error) {
    throw new Error(`${work.peer}, ${work.plan.rows} rows: ${String(error)}`, { cause: error });
  } finally {
    await device.stop();
  }
}

type Loading = Pick<Figures, "initial_load" | "longest_task" | "storage" | "renderer" | "renderer_peak">;

async function load(page: Visit, { plan }: Work): Promise<Loading> {
  const { ms, longestTaskMs } = await page.ask("load");
  const memory = await page.memory();
  await page.rest(STORAGE_SETTLE_MS);
  const storage = await page.ask("storageBytes");
  same("after the load", await page.ask("answers", SORTED_ROWS), plan.before);
  const [renderer, renderer_peak] = [memory?.resident ?? NaN, memory?.peak ?? NaN];
  return { initial_load: ms, longest_task: longestTaskMs, storage, renderer, renderer_peak };
}

async function coldGets(device: Device, address: string, plan: Plan): Promise<number> {
  const times: number[] = [];
  for (const [index, id] of plan.coldIds.entries()) {
    const { ms, digest } = await coldStart(device, address, { get: id });
    same("the first row", digest, plan.coldDigests[index]);
    times.push(ms);
  }
  return median(times);
}

async function coldQueries(device: Device, address: string, plan: Plan): Promise<number> {
  const times: number[] = [];
  for (let start = 0; start < COLD_STARTS; start += 1) {
    const { ms, digest } = await coldStart(device, address, { sorted: SORTED_ROWS });
    same("the first sorted rows", digest, plan.before.sortedDigest);
    times.push(ms);
  }
  return median(times);
}

function coldStart(device: Device, address: string, question: ColdQuestion): Promise<{ ms: number; digest: number }> {
  return device.visit(address + toHash(question), (page) => page.ask("cold"));
}

type Warm = Pick<Figures, "gets" | "sorted_query" | "count" | "sum" | "serial_writes" | "batch_update">;

async function warmWorkloads(page: Visit, plan: Plan): Promise<Warm> {
  const gets = await page.ask("gets", plan.getIds);
  same("the rows got", gets.digest, plan.getDigest);
  const sorted = await page.ask("sortedQuery", SORTED_ROWS);
  same("the sorted rows", sorted.digest, plan.before.sortedDigest);
  const open = await page.ask("countOpen");
  same("the count", open.count, plan.before.openCount);
  const sum = await page.ask("sum");
  same("the sum", sum.sum, plan.before.sum);
  const serial = await page.ask("serialWrites", plan.serialWrites);
  const batch = await page.ask("batchUpdate", plan.batch);
  return {
    gets: gets.ms,
    sorted_query: sorted.ms,
    count: open.ms,
    sum: sum.ms,
    serial_writes: serial.ms,
    batch_update: batch.ms,
  };
}

function same<T extends number | Answers>(what: string, found: T, expected: T | undefined): void {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`);
}
