/** What the server refuses is shown with its reason and stays until somebody discards it. */
import { expect, test } from "../harness/fixtures";
import { RoundsPage } from "../harness/rounds-page";
import { serverRows } from "../harness/server-state";

test("a refused change appears with its reason, survives a reload, and goes when it is discarded", async ({ server, newDevice }) => {
  const device = await newDevice();
  await device.open("cleo");
  const rounds = new RoundsPage(device.page);
  await rounds.isUpToDate();
  await expect(rounds.inbox).toBeHidden();
  // The sheet offers places of the user's country only; an app with a fault may write another.
  await device.page.evaluate(async () => {
    const { db } = window.whimbrelDemo!;
    const { id: placeId } = (await db.place.first())!;
    const order = { status: "open", placeId, dueAt: new Date(2031, 4, 6) };
    await db.workOrder.create({ ...order, title: "Pump in Spain", country: "ES" });
    await db.workOrder.create({ ...order, title: "Pump in Kenya", country: "KE" });
  });
  await expect(rounds.inbox).toContainText("The new work order “Pump in Spain” was refused");
  await expect(rounds.inbox).toContainText("This record is not among those you may change.");
  await rounds.isUpToDate();
  expect((await serverRows(server, "ana", "workOrder")).length).toBe(0);

  await device.reload();
  await rounds.isUpToDate();
  await expect(rounds.inbox.getByRole("listitem")).toHaveCount(1);
  await expect(rounds.inbox).toContainText("Pump in Spain");
  await rounds.inbox.getByRole("button", { name: "Discard: Pump in Spain" }).click();
  await expect(rounds.inbox).toBeHidden();
  await expect(rounds.order("Pump in Kenya")).toBeVisible();
});
