/** Pictures of the page for people to look at: `npm run screenshots --workspace tests/e2e`, then target/e2e/screenshots. */
import type { BrowserContextOptions } from "@playwright/test";
import { join } from "node:path";

import type { Device } from "../harness/device";
import { cutBefore, halfway } from "../harness/faults";
import { expect, test } from "../harness/fixtures";
import { SCREENSHOTS } from "../harness/paths";
import { RoundsPage } from "../harness/rounds-page";

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const DEVICES: Readonly<Record<string, BrowserContextOptions>> = {
  phone: PHONE,
  "phone-dark": { ...PHONE, colorScheme: "dark" },
  desktop: { viewport: { width: 1280, height: 800 } },
};

const ORDERS = [
  { title: "Replace the pump at the north well", place: "madrid", days: -2 },
  { title: "Check the meter", place: "sevilla", days: 0 },
  { title: "Inspect the transformer station and note the numbers of all damaged seals", place: "val", days: 1 },
  { title: "Clean the filters", place: "bilb", days: 4 },
];

for (const [name, options] of Object.entries(DEVICES)) {
  test(`pictures: ${name}`, async ({ newDevice }) => {
    const device = await newDevice(options);
    const take = (what: string) => device.page.screenshot({ path: join(SCREENSHOTS, `${name}-${what}.png`) });
    await firstSync(device, take);
    const rounds = new RoundsPage(device.page);
    for (const { title, place, days } of ORDERS) await rounds.create({ title, place, due: inDays(days) });
    await expect.poll(() => device.pending()).toBe(0);
    await device.sync();
    await take("2-up-to-date");

    await device.goOffline();
    await rounds.order("Check the meter").getByRole("checkbox").click();
    await rounds.create({ title: "Read the old meter", place: "zar", due: inDays(9) });
    await rounds.edit("Clean the filters", { title: "Clean all filters" });
    await take("3-offline");
    await device.goOnline();

    device.proxy.inject("/v1/push", cutBefore, Infinity);
    device.proxy.inject("/v1/pull", cutBefore, Infinity);
    await rounds.edit("Clean all filters", { title: "Clean the new filters" });
    await device.sync();
    await take("4-failed");
    device.proxy.heal();

    await device.page.getByRole("button", { name: "New work order" }).click();
    await device.page.getByLabel("Title").fill("Paint the door");
    await device.page.getByLabel("Place", { exact: true }).pressSequentially("val");
    await expect(device.page.getByRole("listbox").getByRole("option").first()).toBeVisible();
    await take("5-sheet");
    await device.page.keyboard.press("Enter");
    await device.page.getByRole("button", { name: "Cancel" }).click();
    await rounds.order("Read the old meter").getByRole("button").click();
    await device.page.getByRole("button", { name: "Delete" }).click();
    await take("6-delete");
    await device.page.getByRole("button", { name: "Keep it" }).click();
  });
}

async function firstSync(device: Device, take: (what: string) => Promise<unknown>): Promise<void> {
  let release = (): void => undefined;
  device.proxy.inject("/v1/pull", halfway(new Promise((resolve) => (release = resolve))));
  await device.open("ana");
  const rounds = new RoundsPage(device.page);
  await expect(rounds.syncBar).toContainText("of 7,178");
  await take("1-syncing");
  release();
  await rounds.isUpToDate();
}

function inDays(days: number): string {
  return new Date(Date.now() + days * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
}
