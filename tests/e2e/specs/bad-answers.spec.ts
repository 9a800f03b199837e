/** A server, or something in its place, that answers what no client should believe: a typed error, and nothing on the device changes. */
import { type Fault, answer, busy, cutBefore, failing, rewritten, signInPage, signInRedirect, truncated } from "../harness/faults";
import { expect, test } from "../harness/fixtures";
import { RoundsPage } from "../harness/rounds-page";

const UPGRADE = JSON.stringify({
  type: "urn:whimbrel:problem:protocol/upgrade-required",
  code: "protocol/upgrade-required",
  status: 426,
  title: "The protocol version is not spoken here.",
  retryable: false,
});

const notJson = rewritten((text) => text.replace('{"cursor"', "{cursor"));
const unknownKind = rewritten((text) => text.replace('{"cursor"', '{"coarser"'));
const otherVersion = rewritten((text) => text.replace('"protocol":1', '"protocol":99'));
const upgradeRequired = answer(426, { "content-type": "application/problem+json" }, UPGRADE);
const nothing = answer(200, { "content-type": "application/x-ndjson" });

const PULLS: readonly [what: string, fault: Fault, code: string, words: string][] = [
  ["HTML", signInPage, "network/not-our-server", "something else answered"],
  ["a redirect to HTML", signInRedirect, "network/not-our-server", "something else answered"],
  ["a line that is not JSON", notJson, "protocol/malformed", "could not be read"],
  ["a line of an unknown kind", unknownKind, "protocol/malformed", "could not be read"],
  ["an answer that ends in the middle of a line", truncated(1), "protocol/truncated", "broke off"],
  ["nothing at all", nothing, "protocol/truncated", "broke off"],
  ["another protocol version", otherVersion, "protocol/upgrade-required", "too old"],
  ["a demand for a newer client", upgradeRequired, "protocol/upgrade-required", "too old"],
  ["an error of its own", failing, "server/failed", "has a problem"],
  ["that it is busy", busy(1), "server/busy", "is busy"],
  ["nothing but a cut connection", cutBefore, "network/unreachable", "cannot be reached"],
];

for (const [what, fault, code, words] of PULLS) {
  test(`the server answers a pull with ${what}`, async ({ newDevice }) => {
    const device = await newDevice();
    await device.open("cleo");
    const rounds = new RoundsPage(device.page);
    await rounds.isUpToDate();
    const places = await device.places();
    await rounds.create({ title: "Pump 4", place: "nairobi", due: "2031-05-06" });
    await expect.poll(() => device.pending()).toBe(0);
    const orders = await device.orders();

    device.proxy.inject("/v1/pull", fault, Infinity);
    expect(await device.sync()).toEqual({ outcome: "error", code });
    await expect(rounds.syncBar).toContainText(words);
    expect(await device.places()).toBe(places);
    expect(await device.orders()).toEqual(orders);

    device.proxy.heal();
    await rounds.syncAgain();
    await rounds.isUpToDate();
  });
}

test("the server answers a push with HTML: the change waits, and is sent once that is over", async ({ newDevice }) => {
  const device = await newDevice();
  await device.open("cleo");
  const rounds = new RoundsPage(device.page);
  await rounds.isUpToDate();
  device.proxy.inject("/v1/push", signInPage, Infinity);
  await rounds.create({ title: "Pump 4", place: "nairobi", due: "2031-05-06" });
  expect(await device.sync()).toEqual({ outcome: "error", code: "network/not-our-server" });
  await expect(rounds.syncBar).toContainText("1 change waiting");
  await expect(rounds.order("Pump 4")).toBeVisible();
  device.proxy.heal();
  await device.sync();
  expect(await device.pending()).toBe(0);
});
