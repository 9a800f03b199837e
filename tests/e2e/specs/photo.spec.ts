/** A photo on a work order, in the demo: kept offline, sent when the network is back, seen on another phone. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Page } from "@playwright/test";

import { expect, test } from "../harness/fixtures";
import { ROOT, SCREENSHOTS } from "../harness/paths";
import { RoundsPage } from "../harness/rounds-page";

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const PICTURE = join(ROOT, "www/public/icons/icon-512.png");

/** How wide the picture in the sheet is, once it is decoded. */
async function pictureWidth(page: Page): Promise<number> {
  return page.getByAltText("The photo of this work order").evaluate((image: HTMLImageElement) => image.naturalWidth);
}

test("R23: a photo that is taken offline is seen on another phone", async ({ newDevice }) => {
  expect(existsSync(PICTURE)).toBe(true);
  const first = await newDevice(PHONE);
  await first.open("cleo");
  const rounds = new RoundsPage(first.page);
  await rounds.isUpToDate();
  await rounds.create({ title: "Pump 4", place: "nairobi", due: "2031-05-06" });
  await first.goOffline();
  await rounds.order("Pump 4").getByRole("button").click();
  await first.page.getByLabel("Photo (optional)").setInputFiles(PICTURE);
  await expect.poll(() => pictureWidth(first.page)).toBe(512);
  await expect(first.page.getByText("Waits to be sent")).toBeVisible();
  await first.page.screenshot({ path: join(SCREENSHOTS, "phone-photo.png") });
  await first.page.getByRole("button", { name: "Save" }).click();
  await first.goOnline();
  await first.sync();
  await expect.poll(() => first.page.evaluate(() => window.whimbrelDemo!.db.attachments.status.pending)).toBe(0);

  const second = await newDevice(PHONE);
  await second.open("cleo");
  const others = new RoundsPage(second.page);
  await others.isUpToDate();
  await others.order("Pump 4").getByRole("button").click();
  await expect.poll(() => pictureWidth(second.page)).toBe(512);
  await second.page.getByRole("button", { name: "Remove the photo" }).click();
  await second.page.getByRole("button", { name: "Save" }).click();
  await second.sync();
  expect((await second.orders()).map(({ photo }) => photo)).toEqual([null]);
});
