/**
 * `cargo xtask kill`: Chromium is killed while it writes, and opened again on the same profile. What it had acknowledged is in a journal
 * out here; all of it must be there, whole, and still wait in the outbox.
 *
 * Then the torn logs (`tear.ts`): the heal keeps them from becoming a wipe, the mirror brings back what a wipe took. With both switched off
 * the same rounds must lose writes, or they prove nothing.
 */
import { rmSync } from "node:fs";

import { Device, Tally } from "./device";
import { type Options, parseOptions } from "./options";
import { PROFILES } from "./paths";
import { Random } from "./random";
import { Site } from "./site";
import { tear } from "./tear";

/** A profile is given up when it holds so many records: the first look at it takes longer and longer. */
const RECORDS_MAX = 6_000;
/** The browser dies at the latest so long after it has begun to write. */
const WRITE_MS_MAX = 1_200;
/** Or so long after its start, when it opens the database by itself. */
const OPENING_MS_MAX = 3_000;
/** Steps of each lane behind a torn record. */
const TORN_STEPS_MAX = 8;
const CONTROL_ROUNDS_MAX = 5;

/** Where the heal is on trial, the browser dies at the latest so long after the opening: what is written late must not count. */
const EARLY_MS_MAX = 900;

const GUARDED = { mirror: true, heal: true };

/** What is left switched on in a torn round. */
type Guard = "heal" | "mirror" | "none";

async function main({ rounds, torn, seed }: Options): Promise<void> {
  console.log(`again with --rounds ${rounds} --torn ${torn} --seed ${seed}`);
  const site = await Site.start("kill-page");
  try {
    const random = new Random(seed);
    const killed = await killRounds(site.origin, rounds, random);
    if (rounds > 0) report("killed", rounds, killed);
    const healed = await tornRounds(site.origin, Math.ceil(torn / 2), random, "heal");
    const mirrored = await tornRounds(site.origin, Math.floor(torn / 2), random, "mirror");
    const control = torn === 0 ? undefined : await controlRounds(site.origin, random);
    fail([...killed.wrong, ...healed.wrong, ...mirrored.wrong], control);
  } finally {
    await site.stop();
    rmSync(PROFILES, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function killRounds(origin: string, rounds: number, random: Random): Promise<Tally> {
  const tally = new Tally();
  let device = new Device(origin, GUARDED, tally);
  for (let round = 1; round <= rounds; round += 1) {
    const what = `round ${round}`;
    if (random.onceIn(8)) await device.dieWhileOpening(random.below(OPENING_MS_MAX));
    // A wipe comes with the second start after a kill, and not every start ends in one.
    if (random.onceIn(4)) await (await device.open(`${what}, first look`)).browser.close();
    const opened = await device.open(what);
    await device.dieWhileWriting(opened, random.below(WRITE_MS_MAX));
    if (round % 10 === 0) console.log(`${what} of ${rounds}: ${tally.acknowledged} acknowledged, ${tally.lost} lost`);
    if (device.size > RECORDS_MAX) {
      await lookTwice(device, `${what}, last looks`);
      device = new Device(origin, GUARDED, tally);
    }
  }
  if (rounds > 0) await lookTwice(device, "the last looks");
  return tally;
}

async function tornRounds(origin: string, rounds: number, random: Random, guard: Guard): Promise<Tally> {
  const tally = new Tally();
  for (let round = 1; round <= rounds; round += 1) {
    const device = new Device(origin, { mirror: guard === "mirror", heal: guard === "heal" }, tally);
    await tornRound(device, origin, random, guard, `${guard}, torn round ${round}`);
  }
  if (guard === "heal" && tally.wipes > 0) tally.wrong.push(`${tally.wipes} wipes although the log was renewed`);
  if (guard === "mirror" && tally.wipes < rounds) tally.wrong.push(`only ${tally.wipes} wipes: the torn rounds prove little`);
  if (rounds > 0) report(`torn, ${guard} only`, rounds, tally);
  return tally;
}

/**
 * Writes and dies; the log is torn; opens and writes a little behind the tear; opens again, which is when the wipe comes. Much more would
 * begin a new log and hide it, which is what the heal does on purpose.
 */
async function tornRound(device: Device, origin: string, random: Random, guard: Guard, what: string): Promise<void> {
  const first = await device.open(`${what}, new`);
  await device.dieWhileWriting(first, guard === "heal" ? random.below(EARLY_MS_MAX) : 200 + random.below(WRITE_MS_MAX));
  tear(device.profile, origin, random);
  const opened = await device.open(`${what}, torn`);
  await device.write(opened, 1 + random.below(TORN_STEPS_MAX));
  if (guard === "heal") await device.healed(opened, what);
  await (random.onceIn(2) ? opened.browser.kill() : opened.browser.close());
  if (guard === "heal") await lookUnhealed(device, what);
  await lookTwice(device, `${what}, after`);
}

/** The same without any guard: at least one round must lose what was acknowledged. */
async function controlRounds(origin: string, random: Random): Promise<Tally> {
  const tally = new Tally();
  for (let round = 1; round <= CONTROL_ROUNDS_MAX && tally.lost === 0; round += 1) {
    const device = new Device(origin, { mirror: false, heal: false }, tally);
    await tornRound(device, origin, random, "none", `control round ${round}`);
  }
  return tally;
}

/** After an orderly end nothing is renewed. Closing the browser over its debugging port is none: its pages are not told. */
async function lookUnhealed(device: Device, what: string): Promise<void> {
  const healed = await device.open(`${what}, healed`);
  await device.healed(healed, `${what}, healed`);
  await healed.page.close();
  await healed.browser.close();
  const again = await device.open(`${what}, closed`);
  await device.unhealed(again, `${what}, closed`);
  await again.browser.close();
}

async function lookTwice(device: Device, what: string): Promise<void> {
  await (await device.open(what)).browser.close();
  await (await device.open(`${what}, again`)).browser.close();
  device.remove();
}

function report(what: string, rounds: number, { acknowledged, opened, wipes, lost, wrong }: Tally): void {
  const found = `${acknowledged} writes acknowledged, looked ${opened} times: ${wipes} wipes, ${lost} lost`;
  console.log(`${what}: ${rounds} rounds, ${found}, ${wrong.length} failures`);
}

function fail(wrong: readonly string[], control: Tally | undefined): void {
  for (const sentence of wrong) console.error(`error: ${sentence}`);
  if (control?.lost === 0) console.error("error: without heal and mirror nothing was lost either: the torn rounds prove nothing");
  else if (control !== undefined) console.log(`control: without heal and mirror ${control.lost} acknowledged writes were lost, as they must be`);
  if (wrong.length > 0 || control?.lost === 0) process.exitCode = 1;
}

try {
  await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
