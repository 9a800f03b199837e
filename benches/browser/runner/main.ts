/**
 * The browser bench: peers side by side, interleaved, each on a fresh profile; every answer is checked. Prints a table per row count and
 * writes `target/bench/latest.json`. `cargo xtask bench` calls it.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";

import { generate } from "../orders/generate";
import { makePlan, type Plan } from "../orders/plan";
import { FORMS, toText } from "../orders/texts";
import { textPath } from "../page/commands";
import { bundle } from "./bundles";
import { Device } from "./device";
import { durability } from "./durability";
import { goals } from "./goals";
import { type Options, parseOptions, type PeerName } from "./options";
import { OUTPUT, PROFILES } from "./paths";
import { profileRound } from "./profile";
import { type Figures, runRound } from "./round";
import { Site } from "./site";
import { type RunSummary, summarise, toResults } from "./summary";
import { number, table } from "./table";

const RESULTS = join(OUTPUT, "latest.json");
const GIB = 1024 ** 3;

async function main(options: Options): Promise<void> {
  mkdirSync(OUTPUT, { recursive: true });
  // What a run leaves is of that run: a failed one leaves nothing.
  rmSync(RESULTS, { force: true });
  rmSync(PROFILES, { recursive: true, force: true });
  const site = await Site.start(await bundle(options.peers, options.profile));
  try {
    console.log(await describe(options));
    if (options.profile) {
      for (const rows of options.rows) await profile(site, rows, options);
      return;
    }
    const summaries: RunSummary[] = [];
    for (const rows of options.rows) {
      summaries.push(await measure(site, rows, options));
    }
    for (const summary of summaries) console.log(["", table(summary), goals(summary) ?? ""].join("\n\n").trimEnd());
    if (summaries[0] !== undefined) console.log(`\n${durability(summaries[0])}`);
    writeFileSync(RESULTS, `${JSON.stringify(toResults(summaries), null, 2)}\n`);
  } finally {
    await site.stop();
  }
}

async function profile(site: Site, count: number, { peers, seed }: Options): Promise<void> {
  const plan = prepare(site, count, seed);
  for (const peer of peers) await profileRound({ origin: site.origin, peer, plan });
}

async function measure(site: Site, count: number, { peers, runs, seed }: Options): Promise<RunSummary> {
  const plan = prepare(site, count, seed);
  const rounds = new Map<PeerName, Figures[]>(peers.map((peer) => [peer, []]));
  for (let run = 0; run < runs; run += 1) {
    // Each run begins with another peer: what one leaves behind does not always meet the same one.
    const order = peers.map((_, index) => peers[(index + run) % peers.length] as PeerName);
    for (const peer of order) {
      const figures = await runRound({ origin: site.origin, peer, plan });
      rounds.get(peer)?.push(figures);
      console.log(`${count} rows, run ${run + 1} of ${runs}, ${peer}: loaded in ${number(figures.initial_load)} ms`);
    }
  }
  return summarise(count, rounds);
}

/** The rows and the plan; the texts with the rows are served from now on. */
function prepare(site: Site, count: number, seed: number): Plan {
  const rows = generate(count, seed);
  const plan = makePlan(rows, seed);
  for (const form of FORMS) {
    const text = toText(rows, form);
    site.put(textPath(form), text);
    console.log(`${count} rows as ${form}: ${number(text.length / count)} bytes each`);
  }
  return plan;
}

async function describe({ runs, seed }: Options): Promise<string> {
  const device = await Device.start();
  const version = device.version();
  await device.stop();
  const [cpu] = cpus();
  const memory = `${Math.round(totalmem() / GIB)} GiB`;
  return [
    `Chromium ${version}, ${platform()} ${release()}, ${cpus().length} × ${cpu?.model.trim() ?? "?"}, ${memory}`,
    `Seed ${seed}, ${runs} runs, medians; in brackets the ratio to raw IndexedDB`,
  ].join("\n");
}

try {
  await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
