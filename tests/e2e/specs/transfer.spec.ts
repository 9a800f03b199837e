/** Records along refs, exports and imports: the package as it is built, on a real IndexedDB. */
import { expect, test } from "@playwright/test";

import { openPage } from "../harness/package-page";

test("what a query includes comes with it, and a watch hears of it and of nothing else", async ({ context }) => {
  const page = await openPage(context);
  const seen = await page.evaluate(async () => {
    const { open, entity, ref, text, timestamp } = window.whimbrelPackage;
    const db = await open({
      name: "include",
      entities: {
        place: entity({ name: text() }),
        order: entity({ title: text(), placeId: ref("place").optional() }),
        note: entity({ orderId: ref("order").index(), at: timestamp() }),
        tag: entity({ name: text() }),
        orderTag: entity({ orderId: ref("order").index(), tagId: ref("tag") }),
      },
    });
    await db.batch((batch) => {
      batch.place.create({ id: "p", name: "Lisbon" });
      for (const id of ["a", "b"]) batch.order.create({ id, title: id, ...(id === "a" && { placeId: "p" }) });
      for (const day of [1, 2, 3]) batch.note.create({ id: `n${day}`, orderId: "a", at: new Date(day) });
      for (const id of ["x", "y"]) batch.tag.create({ id, name: `tag ${id}` });
      for (const tagId of ["y", "x", "y"]) batch.orderTag.create({ orderId: "a", tagId });
    });
    const query = {
      orderBy: { title: "asc" },
      include: {
        place: { via: "placeId", include: { orders: { from: "order", via: "placeId" } } },
        notes: { from: "note", via: "orderId", orderBy: { at: "desc" }, limit: 2 },
        tags: { through: "orderTag", via: "orderId", to: "tagId", orderBy: { name: "asc" } },
      },
    } as const;
    const [first, second] = await db.order.query(query);
    const found = [
      first?.place?.orders.map(({ id }) => id),
      first?.notes.map(({ at }) => at instanceof Date && at.getTime()),
      first?.tags.map(({ name }) => name),
      second?.place,
      second?.notes.length,
    ];
    const told: (string | undefined)[] = [];
    const next = (count: number): Promise<void> =>
      new Promise((resolve) => {
        const poll = (): void => void (told.length >= count ? resolve() : setTimeout(poll, 5));
        poll();
      });
    db.order
      .watch({ where: { id: "a" }, include: { place: { via: "placeId" } } })
      .subscribe(([order]) => told.push(order?.place?.name));
    await next(1);
    await db.note.create({ orderId: "b", at: new Date(9) });
    await db.place.create({ id: "q", name: "Porto" });
    await db.place.update("p", { name: "Lisboa" });
    await next(2);
    await db.order.update("a", { placeId: "q" });
    await next(3);
    return [found, told];
  });
  expect(seen).toEqual([[["a"], [3, 2], ["tag x", "tag y"], null, 0], ["Lisbon", "Lisboa", "Porto"]]);
});

test("a database goes out as a stream and comes in again, in another browser", async ({ browser, context }) => {
  const page = await openPage(context);
  const out = await page.evaluate(async () => {
    const { open, entity, text, timestamp } = window.whimbrelPackage;
    const db = await open({ name: "out", entities: { note: entity({ body: text(), at: timestamp().index() }) } });
    const fill = (from: number): Promise<unknown> =>
      db.batch((batch) => {
        for (let n = from; n < from + 2_000; n++) batch.note.create({ id: `n${n}`, body: `body ${n} é`, at: new Date(n) });
      });
    await fill(0);
    const reader = db.export().getReader();
    const pieces: Uint8Array[] = [];
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      pieces.push(step.value);
      // Written while the export is under way: it is in it, whole.
      if (pieces.length === 2) await fill(2_000);
      if (pieces.length === 3) await db.note.delete("n0");
    }
    const largest = Math.max(...pieces.map((piece) => piece.length));
    return { file: await new Blob(pieces as BlobPart[]).text(), pieces: pieces.length, largest };
  });
  expect(out.pieces).toBeGreaterThan(5);
  expect(out.largest).toBeLessThan(200_000);

  const other = await openPage(await browser.newContext());
  const came = await other.evaluate(async (file) => {
    const { open, entity, text, timestamp, WhimbrelError } = window.whimbrelPackage;
    const db = await open({ name: "in", entities: { note: entity({ body: text(), at: timestamp().index() }) } });
    const code = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => "",
        (error) => (error instanceof WhimbrelError ? error.code : String(error)),
      );
    const cut = await code(db.import(file.slice(0, -40)));
    const empty = await db.note.count();
    const imported = await db.import(new Blob([file]).stream());
    const again = await code(db.import(file));
    const [last] = await db.note.query({ orderBy: { at: "desc" }, limit: 1 });
    return { cut, empty, imported, again, count: await db.note.count(), last, pending: db.sync.status.pending };
  }, out.file);
  expect(came).toMatchObject({ cut: "import/truncated", empty: 0, again: "import/not-empty", count: 3_999, pending: 3_999 });
  expect(came.last).toMatchObject({ id: "n3999", body: "body 3999 é" });
  expect(came.imported).toMatchObject({ whole: true, changes: 3_999, refused: 0 });
});

test("a tab that is closed in the middle of an import leaves an empty database", async ({ context }) => {
  const tabs = [await openPage(context), await openPage(context)] as const;
  const [dying, other] = tabs;
  await Promise.all(
    tabs.map((tab) =>
      tab.evaluate(async () => {
        const { open, entity, text } = window.whimbrelPackage;
        const entities = { note: entity({ body: text() }) };
        Reflect.set(window, "db", await open({ name: "dying", entities }));
        Reflect.set(window, "full", await open({ name: "full", entities }));
      }),
    ),
  );
  await dying.evaluate(async () => {
    const { db, full } = window as unknown as Record<string, Awaited<ReturnType<typeof window.whimbrelPackage.open>>>;
    await full?.batch((batch) => {
      const { note } = batch as unknown as { note: { create(fields: object): void } };
      for (let n = 0; n < 3_000; n++) note.create({ body: `body ${n}` });
    });
    const file = await new Response(full?.export()).text();
    // All but the end; then it waits for ever.
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(file.slice(0, -40))),
    });
    void db?.import(stream);
    while ((await db?.entity("note").count()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
  const write = (): Promise<string> =>
    other.evaluate(async () => {
      const { db } = window as unknown as Record<string, Awaited<ReturnType<typeof window.whimbrelPackage.open>>>;
      try {
        await db?.entity("note").create({ id: "mine", body: "x" });
        return "written";
      } catch (error) {
        return (error as { code: string }).code;
      }
    });
  expect(await write()).toBe("import/running");
  await dying.close();
  await expect.poll(write).toBe("written");
  const ids = await other.evaluate(async () => {
    const { db } = window as unknown as Record<string, Awaited<ReturnType<typeof window.whimbrelPackage.open>>>;
    return (await db?.entity("note").query())?.map(({ id }) => id);
  });
  expect(ids).toEqual(["mine"]);
});
