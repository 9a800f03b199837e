/** A day without a network: everything works on the device, survives a reload, and reaches the other device afterwards. */
import { expect, test } from "../harness/fixtures";
import { Random } from "../harness/random";
import { RoundsPage } from "../harness/rounds-page";
import { serverRows } from "../harness/server-state";

const CREATED = 20;
const EDITED = 5;
const DELETED = 3;
const PLACES = ["mad", "bar", "sev", "zar", "mal", "bil", "val", "ali"];

test("20 created, 5 edited and 3 deleted while offline, a reload in between, and another device has exactly that", async ({
  server,
  newDevice,
}, info) => {
  const random = Random.forTest(info.title);
  const ana = await newDevice();
  await ana.open("ana");
  const rounds = new RoundsPage(ana.page);
  await rounds.isUpToDate();
  await ana.pageIsKept();

  await ana.goOffline();
  await expect(rounds.syncBar).toContainText("You're offline");
  const titles = Array.from({ length: CREATED }, (_, index) => `Order ${index + 1}, ${random.below(1000)} <b>&amp;</b>`);
  for (const title of titles) {
    const due = `2031-0${1 + random.below(9)}-${10 + random.below(18)}`;
    await rounds.create({ title, place: PLACES[random.below(PLACES.length)]!, due });
  }
  const changed = random.pick(titles, EDITED + DELETED);
  const edited = changed.slice(0, EDITED);
  const deleted = changed.slice(EDITED);
  for (const title of edited) await rounds.edit(title, { title: `${title}, changed`, place: "san" });
  for (const title of deleted) await rounds.delete(title);
  const kept = titles.filter((title) => !deleted.includes(title));
  const expected = kept.map((title) => (edited.includes(title) ? `${title}, changed` : title));

  await expect(rounds.orders).toHaveCount(expected.length);
  const beforeReload = await ana.orders();
  expect(beforeReload.map(({ title }) => title).sort()).toEqual([...expected].sort());

  await ana.reload();
  await expect(rounds.orders).toHaveCount(expected.length);
  expect(await ana.orders()).toEqual(beforeReload);
  const waiting = await ana.pending();
  expect(waiting).toBeGreaterThanOrEqual(expected.length);
  await expect(rounds.syncBar).toContainText(`You're offline, ${waiting} changes waiting`);
  await expect(ana.page.locator("#device")).toContainText(/Last sync \d\d:\d\d\./);
  expect(await serverRows(server, "ana", "workOrder")).toEqual([]);

  await ana.goOnline();
  await expect.poll(() => ana.pending()).toBe(0);
  await rounds.isUpToDate();
  const other = await newDevice();
  await other.open("ana");
  await new RoundsPage(other.page).isUpToDate();
  expect(await ana.orders()).toEqual(beforeReload);
  expect(await other.orders()).toEqual(beforeReload);
  await expect(new RoundsPage(other.page).orders).toHaveCount(expected.length);
  const rows = await serverRows(server, "ana", "workOrder");
  expect(rows.map(({ id }) => id)).toEqual(beforeReload.map(({ id }) => id));
});
