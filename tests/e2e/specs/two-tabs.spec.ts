/** Two tabs of one browser share one database. */
import { expect, test } from "../harness/fixtures";
import { RoundsPage } from "../harness/rounds-page";

test("a second tab shows the first tab's work without a reload, also while offline", async ({ newDevice }) => {
  const device = await newDevice();
  await device.open("cleo");
  const first = new RoundsPage(device.page);
  await first.isUpToDate();
  const second = new RoundsPage(await device.newTab("cleo"));
  await second.isUpToDate();
  await expect(second.orders).toHaveCount(0);

  await device.goOffline();
  await first.create({ title: "Pump 4", place: "nairobi", due: "2031-05-06" });
  await expect(second.order("Pump 4")).toContainText("Nairobi");
  await second.edit("Pump 4", { title: "Pump 5" });
  await expect(first.order("Pump 5")).toBeVisible();
  await first.delete("Pump 5");
  await expect(second.orders).toHaveCount(0);
});

test("each user's work stays in a database of their own", async ({ newDevice }) => {
  const device = await newDevice();
  await device.open("cleo");
  const rounds = new RoundsPage(device.page);
  await rounds.isUpToDate();
  await rounds.create({ title: "Cleo's pump", place: "nairobi", due: "2031-05-06" });
  await rounds.page.getByLabel("Signed in as").selectOption({ label: "Ben · Germany" });
  await rounds.isUpToDate();
  await expect(rounds.orders).toHaveCount(0);
  await rounds.page.getByLabel("Signed in as").selectOption({ label: "Cleo · Kenya" });
  await expect(rounds.order("Cleo's pump")).toBeVisible();
});
