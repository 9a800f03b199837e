/**
 * How fast an outbox becomes the server's, and what a long one takes of memory, in Chromium against the real server over loopback.
 * `cargo xtask bench drain` calls it; it prints, and writes `target/bench/drain.json`.
 */
import { build } from "esbuild";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, platform, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium as playwright, type Page } from "playwright-core";

import { digest } from "../orders/digest";
import { generate } from "../orders/generate";
import { median } from "../orders/median";
import { type Row, toValues } from "../orders/row";
import { heaviest } from "../runner/heaviest";
import { BENCH, chromium, OUTPUT, PROFILES } from "../runner/paths";
import { number } from "../runner/table";
import { runAlone } from "./alone";
import type { Ran, Report } from "./page";
import { insertRows, programs, type RunningServer, startServer } from "./server";

const MIB = 1024 * 1024;
const SEED = 20_260_501;
/** DESIGN 7, and the issue. */
const RATIO_MAX = 3;
const MEMORY_MIB_MAX = 128;
/** Changes that are written in one batch, and how many of a long queue are written one by one. */
const AT_ONCE = 1_000;
const SINGLE = 500;
const COMMAND_MS_MAX = 10 * 60_000;
const BROWSER_ARGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"];
/** Rows that go into the page at once. */
const HANDED_OVER = 10_000;

interface Options {
  readonly runs: number;
  readonly changes: number;
  readonly queue: number;
  readonly profile: boolean;
}

function parse(): Options {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "5" },
      changes: { type: "string", default: "10000" },
      queue: { type: "string", default: "100000" },
      profile: { type: "boolean", default: false },
    },
  });
  return { runs: Number(values.runs), changes: Number(values.changes), queue: Number(values.queue), profile: values.profile };
}

async function makePages(keepsNames: boolean): Promise<string> {
  const folder = join(OUTPUT, "drain-pages");
  const options = { bundle: true, minify: !keepsNames, format: "esm", target: "es2022", logLevel: "warning" } as const;
  await build({ ...options, entryPoints: [join(BENCH, "drain/page.ts")], outfile: join(folder, "drain.js") });
  writeFileSync(join(folder, "index.html"), '<!doctype html><title>drain</title><script type="module" src="/drain.js"></script>');
  return folder;
}

/** A device on a fresh profile and a server on a fresh database. */
interface Scene {
  readonly server: RunningServer;
  readonly folder: string;
  /** Opens the database in a page of its own; the network is there when it is said. */
  visit<T>(isOnline: boolean, work: (page: Page) => Promise<T>): Promise<T>;
  /** Closes the browser; there are no visits after it. */
  leave(): Promise<void>;
  /** Then: sends what waits, from a page that nobody looks at. */
  send(): Promise<Report>;
}

async function withScene<T>(pages: string, work: (scene: Scene) => Promise<T>): Promise<T> {
  mkdirSync(PROFILES, { recursive: true });
  const folder = mkdtempSync(join(PROFILES, "drain-"));
  const server = await startServer(programs(), folder, pages);
  const [profile, args] = [join(folder, "profile"), BROWSER_ARGS];
  const context = await playwright.launchPersistentContext(profile, { executablePath: chromium(), args: [...args] });
  context.setDefaultTimeout(COMMAND_MS_MAX);
  const visit: Scene["visit"] = async (isOnline, work) => {
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(error));
    await page.goto(server.origin);
    await context.setOffline(!isOnline);
    await page.evaluate(() => globalThis.drain.open());
    const done = await work(page);
    await page.close();
    await context.setOffline(false);
    return done;
  };
  const leave: Scene["leave"] = () => context.close();
  const send: Scene["send"] = () => runAlone(server.origin, profile, args);
  try {
    return await work({ server, folder, visit, leave, send });
  } finally {
    await context.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function queue(page: Page, rows: readonly Row[], atOnce: number): Promise<void> {
  for (let from = 0; from < rows.length; from += HANDED_OVER) {
    const some = rows.slice(from, from + HANDED_OVER).map(toValues);
    await page.evaluate(([some, atOnce]) => globalThis.drain.queue(some, atOnce), [some, atOnce] as const);
  }
}

/** Everything that was written is on the server as it was written, and nothing waits. */
async function check(server: RunningServer, { pushed, pending }: Pick<Report, "pushed" | "pending">, rows: readonly Row[]): Promise<void> {
  if (pending !== 0 || pushed !== rows.length) throw new Error(`${pushed} of ${rows.length} were sent, ${pending} wait`);
  const there = (await server.rows()).map(([id, , ...values]) => JSON.stringify([id, ...values])).sort();
  const wanted = rows.map((row) => JSON.stringify(toValues(row))).sort();
  if (there.length !== wanted.length || there.some((row, place) => row !== wanted[place])) {
    throw new Error(`the server has ${there.length} rows, and they are not the ${wanted.length} that were written`);
  }
}

async function profiled<T>(page: Page, wanted: boolean, work: () => Promise<T>): Promise<T> {
  if (!wanted) return work();
  const session = await page.context().newCDPSession(page);
  await session.send("Profiler.enable");
  await session.send("Profiler.start");
  const done = await work();
  const { profile } = await session.send("Profiler.stop");
  console.log(heaviest(profile).join("\n"));
  return done;
}

/** The same as a page that nobody looks at does, in one. */
async function sendIn(page: Page, profile: boolean): Promise<Report> {
  const ran = await profiled(page, profile, () => page.evaluate(() => globalThis.drain.run("send")));
  return { ...ran, pending: await page.evaluate(() => globalThis.drain.pending()) };
}

/** Milliseconds. */
interface Measured {
  readonly drain: number;
  /** The server itself, without a device and a network. */
  readonly own: number;
  /** Plain SQL. */
  readonly plain: number;
}

async function drainOnce(pages: string, rows: readonly Row[], profile: boolean): Promise<Measured> {
  return withScene(pages, async ({ server, folder, visit, leave, send }) => {
    await visit(false, (page) => queue(page, rows, AT_ONCE));
    const profiled = profile ? await visit(true, (page) => sendIn(page, true)) : undefined;
    await leave();
    const [own, plain] = [insertRows(programs(), "own", folder, rows), insertRows(programs(), "plain", folder, rows)];
    const ran = profiled ?? (await send());
    await check(server, ran, rows);
    return { drain: ran.ms, own, plain };
  });
}

async function measureDrain(pages: string, { changes, runs, profile }: Options): Promise<readonly Measured[]> {
  const rows = generate(changes, SEED);
  const all: Measured[] = [];
  for (let run = 1; run <= runs; run += 1) {
    const one = await drainOnce(pages, rows, profile);
    all.push(one);
    const { drain, own, plain } = one;
    console.log(
      `run ${run} of ${runs}: drained in ${number(drain)} ms, inserted by the server itself in ${number(own)} ms: ${number(drain / own)}×; ` +
        `by plain SQL in ${number(plain)} ms: ${number(drain / plain)}×`,
    );
  }
  const of = (figure: (one: Measured) => number): number => median(all.map(figure));
  const ratio = of(({ drain, own }) => drain / own);
  console.log(
    `outbox drain, ${number(changes)} changes: ${number(of(({ drain }) => drain))} ms, the server's own batch insert ` +
      `${number(of(({ own }) => own))} ms; medians of ${runs} runs, of the ratio: ${number(ratio)}×, at most ${RATIO_MAX}×: ` +
      `${verdict(ratio <= RATIO_MAX)}; plain SQL ${number(of(({ plain }) => plain))} ms, ${number(of(({ drain, plain }) => drain / plain))}×`,
  );
  return all;
}

/** Engine memory in MiB after each part of a long queue's life; each part but the last two in a page of its own. */
async function measureMemory(pages: string, { queue: count, profile }: Options): Promise<Record<string, number>> {
  const rows = generate(count, SEED);
  const mib = async (page: Page): Promise<number> => (await page.evaluate(() => globalThis.drain.memoryBytes())) / MIB;
  return withScene(pages, async ({ server, visit }) => {
    const figures: Record<string, number> = {};
    figures["queued"] = await visit(false, async (page) => {
      await queue(page, rows.slice(SINGLE), AT_ONCE);
      await queue(page, rows.slice(0, SINGLE), 1);
      return mib(page);
    });
    figures["opened again"] = await visit(false, async (page) => {
      const pending = await page.evaluate(() => globalThis.drain.pending());
      if (pending !== count) throw new Error(`${pending} of ${count} changes wait`);
      return mib(page);
    });
    await visit(true, async (page) => {
      const ran = await sendIn(page, profile);
      figures["drained"] = await mib(page);
      console.log(`${number(count)} changes drained in ${number(ran.ms)} ms, by tenths: ${tenths(ran, count).map(number).join(", ")} ms`);
      await check(server, ran, rows);
      const pulled = await page.evaluate(() => globalThis.drain.run("fetch"));
      if (pulled.pulled !== count) throw new Error(`${pulled.pulled} of ${count} rows were pulled`);
      figures["pulled what it had sent"] = await mib(page);
      if ((await page.evaluate(() => globalThis.drain.digest())) !== digest(rows)) throw new Error("the device has other rows");
    });
    const most = Math.max(...Object.values(figures));
    const parts = Object.entries(figures).map(([part, size]) => `${part} ${number(size)}`);
    console.log(
      `engine memory with ${number(count)} queued changes, MiB: ${parts.join(", ")}; at most ${MEMORY_MIB_MAX}: ${verdict(most <= MEMORY_MIB_MAX)}`,
    );
    return figures;
  });
}

/** How long each tenth of the changes took. */
function tenths({ steps, ms }: Ran, count: number): number[] {
  const ends = Array.from({ length: 10 }, (_, tenth) => steps.find(([, pushed]) => pushed >= ((tenth + 1) * count) / 10)?.[0] ?? ms);
  return ends.map((end, tenth) => end - (ends[tenth - 1] ?? 0));
}

function verdict(isReached: boolean): string {
  return isReached ? "reached" : "**not reached**";
}

try {
  const options = parse();
  const pages = await makePages(options.profile);
  console.log(`${platform()} ${release()}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}; seed ${SEED}`);
  const drain = options.changes > 0 ? await measureDrain(pages, options) : [];
  const memory = options.queue > 0 ? await measureMemory(pages, options) : {};
  writeFileSync(join(OUTPUT, "drain.json"), `${JSON.stringify({ drain, memory }, null, 2)}\n`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
