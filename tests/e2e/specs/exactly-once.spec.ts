/**
 * Nothing lost, nothing twice, whatever happens to a push on its way.
 *
 * The oracle: the server gives every write that it performs a version of its own, one after the other. So after N different changes
 * its newest version has grown by N: one more, and something was done twice; one less, and something was lost.
 */
import { type Fault, cutAfter, cutBefore, during, failing, held } from "../harness/faults";
import { expect, test } from "../harness/fixtures";
import type { Device } from "../harness/device";
import { toPlainOrder, writeOrders } from "../harness/orders";
import { pushed } from "../harness/pushes";
import { Random } from "../harness/random";
import { RoundsPage } from "../harness/rounds-page";
import { serverRows } from "../harness/server-state";
import type { SyncServer } from "../harness/sync-server";

const ROUNDS = 6;
const ORDERS_MAX = 40;
/** Long enough for any of its steps to be the one that the server dies in. */
const PUSH_MS_MAX = 25;

/** Brings the device to the point from which is counted, one order written and everything synced, and says that order's version. */
async function ready(device: Device, server: SyncServer, random: Random): Promise<number> {
  await device.open("cleo");
  await new RoundsPage(device.page).isUpToDate();
  await writeOrders(device, random, 1);
  await device.sync();
  const [row, ...more] = await serverRows(server, "cleo", "workOrder");
  expect(more).toEqual([]);
  return row!.version;
}

async function everythingIsThereOnce(device: Device, server: SyncServer, firstVersion: number): Promise<void> {
  await expect.poll(() => device.pending()).toBe(0);
  const rows = await serverRows(server, "cleo", "workOrder");
  expect(rows.map(toPlainOrder)).toEqual(await device.orders());
  const { changes } = pushed(device.proxy);
  const newestVersion = Math.max(...rows.map(({ version }) => version));
  expect(newestVersion - firstVersion).toBe(changes.size - 1);
}

test("the server is killed during a push and started again", async ({ server, newDevice }, info) => {
  const random = Random.forTest(info.title);
  const device = await newDevice();
  const first = await ready(device, server, random);
  for (let round = 0; round < ROUNDS; round++) {
    const delay = random.below(PUSH_MS_MAX);
    device.proxy.inject("/v1/push", during(async () => {
      await new Promise((resolve) => setTimeout(resolve, delay));
      await server.kill();
    }));
    await writeOrders(device, random, 1 + random.below(ORDERS_MAX));
    await device.sync();
    await server.start();
    await device.sync();
  }
  await everythingIsThereOnce(device, server, first);
  expect(pushed(device.proxy).repeated.size).toBeGreaterThan(0);
});

test("the answer to a push is cut after the server has committed", async ({ server, newDevice }, info) => {
  const random = Random.forTest(info.title);
  const device = await newDevice();
  const first = await ready(device, server, random);
  device.proxy.inject("/v1/push", cutAfter, 2);
  await writeOrders(device, random, ORDERS_MAX);
  await device.sync();
  await device.sync();
  await device.sync();
  await everythingIsThereOnce(device, server, first);
  expect(pushed(device.proxy).repeated.size).toBeGreaterThan(0);
});

test("a change whose answer was lost is not done again over somebody's newer one", async ({ newDevice }) => {
  const [first, second] = [await newDevice(), await newDevice()];
  const rounds = { first: new RoundsPage(first.page), second: new RoundsPage(second.page) };
  await first.open("cleo");
  await rounds.first.isUpToDate();
  await rounds.first.create({ title: "Pump 4", place: "nairobi", due: "2031-05-06" });
  await expect.poll(() => first.pending()).toBe(0);
  await second.open("cleo");
  await rounds.second.isUpToDate();

  first.proxy.inject("/v1/push", cutAfter);
  // Whatever the first device tries next stays in the air until the second one has had its say.
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  first.proxy.inject("/v1/push", held(gate), Infinity);
  await rounds.first.edit("Pump 4", { title: "Pump 4, by the first" });
  await expect.poll(() => first.proxy.seen.filter(({ path }) => path === "/v1/push").length).toBeGreaterThan(1);
  await second.sync();
  await rounds.second.edit("Pump 4, by the first", { title: "Pump 4, by the second" });
  await expect.poll(() => second.pending()).toBe(0);
  release();

  await expect.poll(() => first.pending()).toBe(0);
  await first.sync();
  await expect(rounds.first.order("Pump 4, by the second")).toBeVisible();
  await second.sync();
  await expect(rounds.second.order("Pump 4, by the second")).toBeVisible();
  expect(pushed(first.proxy).repeated.size).toBeGreaterThan(0);
});

test("a network that fails in every way it can", async ({ server, newDevice }, info) => {
  const random = Random.forTest(info.title);
  const device = await newDevice();
  const first = await ready(device, server, random);
  const faults: readonly Fault[] = [cutBefore, cutAfter, failing];
  for (let round = 0; round < ROUNDS; round++) {
    for (const path of ["/v1/push", "/v1/pull"]) device.proxy.inject(path, faults[random.below(faults.length)]!, random.below(3));
    await writeOrders(device, random, 1 + random.below(ORDERS_MAX));
    await device.sync();
  }
  device.proxy.heal();
  await device.sync();
  await everythingIsThereOnce(device, server, first);
});
