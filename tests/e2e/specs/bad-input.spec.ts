/** Mistakes of an app: each is a typed error with its code, and nothing on the device changes. */
import { expect, test } from "../harness/fixtures";
import { makeMistakes } from "../harness/mistakes";
import { RoundsPage } from "../harness/rounds-page";

const CODES: Readonly<Record<string, string>> = {
  "an unknown entity": "schema/unknown-entity",
  "a unit of an unknown entity": "schema/unknown-entity",
  "an unknown field": "schema/unknown-field",
  "an unknown field in an update": "schema/unknown-field",
  "an unknown field in a query": "schema/unknown-field",
  "a number for a text": "value/type",
  "a text for a time": "value/type",
  "a time that is none": "value/not-json",
  "a number that is none": "value/not-json",
  "a text over its limit": "value/too-long",
  "a missing field": "value/required",
  "a field emptied that must have a value": "value/required",
  "a write to a read-only entity": "policy/read-only",
  "a delete in a read-only entity": "policy/read-only",
  "an object that contains itself": "value/cycle",
  "an object 65 levels deep": "value/too-deep",
  "an object 100,000 levels deep": "value/too-deep",
  "the key __proto__": "value/forbidden-key",
  "a function": "value/not-json",
  "an id that is not text": "value/id",
  "an empty id": "value/id",
  "an id that is taken": "row/exists",
  "an update of nothing": "row/not-found",
  "an unknown unit": "sync/unknown-unit",
  "a query with an unknown part": "query/invalid",
  "a batch with one bad write": "value/type",
};

test("each mistake has its code and changes nothing, and the database works on", async ({ newDevice }) => {
  const device = await newDevice();
  await device.open("cleo");
  const rounds = new RoundsPage(device.page);
  await rounds.isUpToDate();
  await rounds.create({ title: "Pump 4", place: "nairobi", due: "2031-05-06" });
  await expect.poll(() => device.pending()).toBe(0);
  const state = async () => ({ orders: await device.orders(), places: await device.places(), pending: await device.pending() });
  const before = await state();

  expect(await device.page.evaluate(makeMistakes, "/package/index.js")).toEqual(CODES);
  expect(await state()).toEqual(before);

  await rounds.edit("Pump 4", { title: "Pump 5" });
  await expect(rounds.order("Pump 5")).toBeVisible();
  await expect.poll(() => device.pending()).toBe(0);
});
