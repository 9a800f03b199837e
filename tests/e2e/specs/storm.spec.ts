/**
 * A storm: every fifth request of a device meets one of the faults that networks have, for as long as the test wants, while it writes. In the end
 * everything is on the server, once, and what the device's engine has counted is what the model says: what was written, and what the server has.
 *
 * `STORM_REQUESTS` says how many requests there are to be (150 when it is not set); from 1,000 on two devices of one user share them.
 */
import type { Device } from "../harness/device";
import { type Fault, busy, cutAfter, cutBefore, failing, send, signInPage, signInRedirect, truncated } from "../harness/faults";
import { expect, test } from "../harness/fixtures";
import { toPlainOrder, writeOrders } from "../harness/orders";
import { pushed } from "../harness/pushes";
import { Random } from "../harness/random";
import { RoundsPage } from "../harness/rounds-page";
import { countRuns, endings, runCounts } from "../harness/run-counts";
import { serverRows } from "../harness/server-state";

const REQUESTS = Number(process.env["STORM_REQUESTS"] ?? 150);
const DEVICES = REQUESTS < 1_000 ? 1 : 2;
/** One request in so many meets a fault. */
const FAULTY = 5;
const ORDERS_MAX = 4;
const SLOW_MS_MAX = 400;
/** A request and its share of everything else, at most. */
const REQUEST_MS_MAX = 400;

// Of thousands of calls, pictures and copies of the page would take more time than the storm.
test.use({ trace: REQUESTS < 1_000 ? "retain-on-failure" : "off" });

class Storm {
  requests = 0;
  readonly met: Map<string, number>;
  readonly #faults: readonly (readonly [string, Fault])[];
  readonly #random: Random;
  #turn = 0;

  constructor(random: Random) {
    const slow: Fault = async ({ response, forward }) => {
      await new Promise((resolve) => setTimeout(resolve, random.below(SLOW_MS_MAX)));
      send(response, await forward());
    };
    const doubled: Fault = async ({ response, forward }) => {
      await forward();
      send(response, await forward());
    };
    const kinds = { cutBefore, cutAfter, doubled, failing, busy: busy(1), slow, truncated: truncated(1), signInPage, signInRedirect };
    this.#random = random;
    this.#faults = Object.entries<Fault>(kinds);
    this.met = new Map(this.#faults.map(([name]) => [name, 0]));
  }

  readonly fault: Fault = async (exchange) => {
    this.requests += 1;
    // Each kind has its turn, so that none is missing by chance.
    const fault = this.#random.below(FAULTY) === 0 ? this.#faults[this.#turn++ % this.#faults.length] : undefined;
    if (fault === undefined) return send(exchange.response, await exchange.forward());
    this.met.set(fault[0], (this.met.get(fault[0]) ?? 0) + 1);
    return fault[1](exchange);
  };
}

/** Writes and syncs until the storm is over; the ids of all changes. */
async function live(device: Device, storm: Storm, random: Random): Promise<string[]> {
  const changes: string[] = [];
  while (storm.requests < REQUESTS) {
    const count = random.below(ORDERS_MAX + 1);
    if (count > 0) changes.push(...(await writeOrders(device, random, count)));
    await device.sync();
  }
  return changes;
}

test("R17: a storm of faults loses nothing and does nothing twice", async ({ server, newDevice }, info) => {
  test.setTimeout(90_000 + REQUESTS * REQUEST_MS_MAX);
  const random = Random.forTest(info.title);
  const storm = new Storm(random);
  const devices: Device[] = [];
  const written: string[][] = [];
  let before = Infinity;
  for (let number = 0; number < DEVICES; number += 1) {
    const device = await newDevice();
    devices.push(device);
    await device.open("cleo");
    await new RoundsPage(device.page).isUpToDate();
    await countRuns(device.page);
    written.push(await writeOrders(device, random, 1));
    expect((await device.sync()).outcome).toBe("complete");
    if (number === 0) before = (await serverRows(server, "cleo", "workOrder"))[0]!.version - 1;
    for (const path of ["/v1/push", "/v1/pull"]) device.proxy.inject(path, storm.fault, Infinity);
  }

  const lives = await Promise.all(devices.map((device) => live(device, storm, random)));
  lives.forEach((changes, number) => written[number]?.push(...changes));
  for (const device of devices) device.proxy.heal();
  for (const device of devices) expect((await device.sync()).outcome).toBe("complete");
  // What the last of them sent is there for the others.
  for (const device of devices) expect((await device.sync()).outcome).toBe("complete");

  const rows = await serverRows(server, "cleo", "workOrder");
  const sum = (numbers: Iterable<number>): number => [...numbers].reduce((all, one) => all + one, 0);
  const sent = devices.map((device) => pushed(device.proxy).changes.size);
  const counts = await Promise.all(devices.map((device) => runCounts(device.page)));
  const runs = (name: keyof (typeof counts)[number]): number => sum(counts.map((count) => count[name]));
  console.log(
    `${storm.requests} requests, ${sum(storm.met.values())} of them faulted: ${[...storm.met].map(([name, count]) => `${name} ${count}`).join(", ")}; ` +
      `${DEVICES} devices wrote ${sum(written.map(({ length }) => length))} changes, sent ${sum(sent)} after folding; ` +
      `${runs("started")} runs: ${runs("completed")} complete, ${runs("failed")} failed, ${runs("cancelled")} cancelled`,
  );
  for (const [number, device] of devices.entries()) {
    const changes = written[number] ?? [];
    const status = await device.page.evaluate(() => {
      const { pending, rejected, conflicts } = window.whimbrelDemo!.db.sync.status;
      return { pending, rejected, conflicts };
    });
    expect(status).toEqual({ pending: 0, rejected: 0, conflicts: 0 });
    expect(await endings(device.page, changes)).toEqual({ accepted: changes.length });
    // The engine has heard of each change that it sent once, however often it went and the answer came.
    expect(counts[number]).toMatchObject({ pushed: sent[number], rejected: 0, conflicts: 0 });
    expect(rows.map(toPlainOrder)).toEqual(await device.orders());
  }
  // Each change has a version of its own: one more, and something was done twice; one less, and something was lost.
  const newest = Math.max(...rows.map(({ version }) => version));
  expect(newest - before).toBe(sum(sent));
  for (const [name, count] of storm.met) expect(count, `no request met "${name}"`).toBeGreaterThan(0);
});
