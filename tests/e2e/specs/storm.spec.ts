/**
 * A storm: every fifth request of a device meets one of the faults that networks have, for as long as the test wants, while it writes. In the end
 * everything is on the server, once, and the device's counters say so.
 *
 * `STORM_REQUESTS` says how many requests there are to be (150 when it is not set).
 */
import { type Fault, busy, cutAfter, cutBefore, failing, send, signInPage, signInRedirect, truncated } from "../harness/faults";
import { expect, test } from "../harness/fixtures";
import { toPlainOrder, writeOrders } from "../harness/orders";
import { pushed } from "../harness/pushes";
import { Random } from "../harness/random";
import { RoundsPage } from "../harness/rounds-page";
import { serverRows } from "../harness/server-state";

const REQUESTS = Number(process.env["STORM_REQUESTS"] ?? 150);
/** One request in so many meets a fault. */
const FAULTY = 5;
const ORDERS_MAX = 4;
const SLOW_MS_MAX = 400;
/** A request and its share of everything else, at most. */
const REQUEST_MS_MAX = 400;

test("R17: a storm of faults loses nothing and does nothing twice", async ({ server, newDevice }, info) => {
  test.setTimeout(90_000 + REQUESTS * REQUEST_MS_MAX);
  const random = Random.forTest(info.title);
  const slow: Fault = async ({ response, forward }) => {
    await new Promise((resolve) => setTimeout(resolve, random.below(SLOW_MS_MAX)));
    send(response, await forward());
  };
  const doubled: Fault = async ({ response, forward }) => {
    await forward();
    send(response, await forward());
  };
  const kinds = { cutBefore, cutAfter, doubled, failing, busy: busy(1), slow, truncated: truncated(1), signInPage, signInRedirect };
  const faults = Object.entries<Fault>(kinds);
  const met = new Map(faults.map(([name]) => [name, 0]));
  let [requests, turn] = [0, 0];
  const storm: Fault = async (exchange) => {
    requests += 1;
    // Each kind has its turn, so that none is missing by chance.
    const fault = random.below(FAULTY) === 0 ? faults[turn++ % faults.length] : undefined;
    if (fault === undefined) return send(exchange.response, await exchange.forward());
    met.set(fault[0], (met.get(fault[0]) ?? 0) + 1);
    return fault[1](exchange);
  };

  const device = await newDevice();
  await device.open("cleo");
  await new RoundsPage(device.page).isUpToDate();
  await writeOrders(device, random, 1);
  await device.sync();
  const [first] = await serverRows(server, "cleo", "workOrder");

  for (const path of ["/v1/push", "/v1/pull"]) device.proxy.inject(path, storm, Infinity);
  let written = 1;
  while (requests < REQUESTS) {
    const count = random.below(ORDERS_MAX + 1);
    if (count > 0) await writeOrders(device, random, count);
    written += count;
    await device.sync();
  }
  device.proxy.heal();
  expect((await device.sync()).outcome).toBe("complete");

  const faulted = [...met.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${requests} requests, ${faulted} of them faulted: ${[...met].map(([name, count]) => `${name} ${count}`).join(", ")}`);
  expect(await device.pending()).toBe(0);
  const status = await device.page.evaluate(() => {
    const { pending, rejected, conflicts } = window.whimbrelDemo!.db.sync.status;
    return { pending, rejected, conflicts };
  });
  expect(status).toEqual({ pending: 0, rejected: 0, conflicts: 0 });
  const rows = await serverRows(server, "cleo", "workOrder");
  expect(rows.length).toBe(written);
  expect(rows.map(toPlainOrder)).toEqual(await device.orders());
  // Each change has a version of its own: one more, and something was done twice; one less, and something was lost.
  const newest = Math.max(...rows.map(({ version }) => version));
  expect(newest - first!.version).toBe(pushed(device.proxy).changes.size - 1);
  for (const [name, count] of met) expect(count, `no request met "${name}"`).toBeGreaterThan(0);
});
