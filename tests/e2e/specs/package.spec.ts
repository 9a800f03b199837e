/** The package as it is built, on a real IndexedDB, with a schema that the demo does not have: transactions and constraints. */
import { expect, test } from "@playwright/test";

import { openPage } from "../harness/package-page";

test("transactions of two tabs that count at once lose no count", async ({ context }) => {
  const tabs = [await openPage(context), await openPage(context)];
  const count = async (lanes: number): Promise<number> => {
    const { open, entity, integer, text } = window.whimbrelPackage;
    const db = await open({ name: "counts", entities: { counter: entity({ name: text(), count: integer() }) } });
    const add = (): Promise<number> =>
      db.transaction(async (tx) => {
        const counter = await tx.counter.get("only");
        const next = (counter?.count ?? 0) + 1;
        if (counter === undefined) await tx.counter.create({ id: "only", name: "all", count: next });
        else await tx.counter.update("only", { count: next });
        return next;
      });
    await Promise.all(Array.from({ length: lanes }, add));
    return db.transaction(async (tx) => (await tx.counter.get("only"))?.count ?? 0);
  };
  await Promise.all(tabs.map((tab) => tab.evaluate(count, 20)));
  expect(await tabs[0]?.evaluate(count, 1)).toBe(41);
});

test("a transaction is there as a whole or not at all, also after a reload", async ({ context }) => {
  const page = await openPage(context);
  const seen = await page.evaluate(async () => {
    const { open, entity, text } = window.whimbrelPackage;
    const db = await open({ name: "whole", entities: { note: entity({ body: text() }) } });
    const thrown = await db
      .transaction(async (tx) => {
        await tx.note.create({ id: "a", body: "x" });
        throw new Error(`${await tx.note.count()} here, ${await db.note.count()} outside`);
      })
      .catch((error: Error) => error.message);
    const note = await db.transaction(async (tx) => {
      await tx.note.create({ id: "b", body: "x" });
      return tx.note.create({ id: "c", body: "y" });
    });
    await note.saved;
    return [thrown, (await db.note.query()).map(({ id }) => id)];
  });
  expect(seen).toEqual(["1 here, 0 outside", ["b", "c"]]);
  await page.close();
  const again = await openPage(context);
  const left = await again.evaluate(async () => {
    const { open, entity, text } = window.whimbrelPackage;
    const db = await open({ name: "whole", entities: { note: entity({ body: text() }) } });
    return [await db.note.count(), db.sync.status.pending];
  });
  expect(left).toEqual([2, 2]);
});

test("constraints hold on the device", async ({ context }) => {
  const page = await openPage(context);
  const seen = await page.evaluate(async () => {
    const { open, entity, ref, text, WhimbrelError } = window.whimbrelPackage;
    const db = await open({
      name: "constraints",
      entities: {
        site: entity({ code: text().unique() }),
        job: entity({ siteId: ref("site", { onDelete: "cascade" }), state: text().oneOf("open", "done") }),
        visit: entity({
          jobId: ref("job", { onDelete: "restrict" }).optional(),
          nextId: ref("visit", { onDelete: "setNull" }).optional(),
        }),
      },
    });
    const code = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => "",
        (error) => (error instanceof WhimbrelError ? error.code : String(error)),
      );
    await db.site.create({ id: "s", code: "A" });
    const codes = [
      await code(db.site.create({ code: "A" })),
      await code(db.job.create({ siteId: "nowhere", state: "open" })),
      await code(db.job.create({ siteId: "s", state: "half" as "open" })),
      await code(db.job.create({ id: "j", siteId: "s", state: "open" })),
      await code(db.visit.create({ id: "v", jobId: "j" })),
      await code(db.visit.create({ id: "w", nextId: "v" })),
      await code(db.site.delete("s")),
      await code(db.visit.update("v", { jobId: null })),
      await code(db.site.delete("s")),
      await code(db.visit.delete("v")),
      await code(db.site.create({ code: "A" })),
    ];
    return [codes, await db.job.count(), (await db.visit.get("w"))?.nextId];
  });
  const refused = ["constraint/unique", "constraint/ref-missing", "value/not-one-of", "", "", "", "constraint/ref-restricted"];
  expect(seen).toEqual([[...refused, "", "", "", ""], 0, null]);
});
