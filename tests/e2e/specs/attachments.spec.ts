/**
 * Attachments: kept offline, uploaded in parts after their rows, from where a cut left them, downloaded where they are wanted.
 *
 * The package alone on an empty page, through the proxy, against the real server with a configuration that has a field for them.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import type * as Package from "../../../pkg/src/index";
import { expect, fileOf, Tab, test } from "../harness/attachments-tab";
import { answer, failing, type Fault, send } from "../harness/faults";

const PART = 1024 * 1024;

test("R18: a photo that was added offline is uploaded in parts, after its row, also after a reload", async ({ server, newTab }) => {
  const tab = await newTab();
  await tab.db();
  await tab.offline(true);
  const address = await tab.add(2.5 * PART, 1);
  expect(address).toMatch(/^sha256-[0-9a-f]{64}$/);
  expect(await tab.state(address)).toMatchObject({ here: true, uploaded: false, size: 2.5 * PART, type: "image/jpeg" });
  await tab.offline(false);
  await tab.load();
  await tab.db();
  await tab.sync();
  await tab.isUploaded(address);
  expect(tab.parts()).toEqual([
    [0, PART],
    [PART, PART],
    [2 * PART, PART / 2],
  ]);
  const paths = tab.proxy.seen.map(({ method, path }) => `${method} ${path}`);
  const pushed = paths.indexOf("POST /v1/push");
  const first = paths.findIndex((path) => path.startsWith("PATCH"));
  expect(pushed).toBeGreaterThanOrEqual(0);
  expect(pushed).toBeLessThan(first);
  expect(createHash("sha256").update(readFileSync(fileOf(server.folder, address))).digest("hex")).toBe(address.slice(7));

  const other = await newTab();
  await other.db("ben");
  await other.sync();
  expect(await other.state(address)).toMatchObject({ here: false });
  expect(other.proxy.seen.filter(({ path }) => path.startsWith("/v1/attachments/"))).toEqual([]);
  expect(await other.get(address)).toBe(`${address} image/jpeg`);
  expect(await other.state(address)).toMatchObject({ here: true, uploaded: true });
  await other.offline(true);
  expect(await other.get(address)).toBe(`${address} image/jpeg`);

  const stranger = await newTab();
  await stranger.db("cleo");
  expect(await stranger.get(address)).toBe("attachment/unreferenced");
});

test("R6: an upload that is cut in the middle of a part goes on at the byte where it stopped", async ({ newTab }) => {
  const tab = await newTab();
  await tab.db();
  await tab.offline(true);
  const address = await tab.add(2 * PART, 2);
  await tab.offline(false);
  tab.proxy.tear(`/v1/attachments/${address}`, 700_000);
  await tab.sync();
  await tab.isUploaded(address);
  const parts = tab.parts();
  // What the server had stored of the torn part is not sent again.
  const resumed = parts[1]![0];
  expect(resumed).toBeGreaterThan(600_000);
  expect(resumed).toBeLessThanOrEqual(700_000);
  const sent = parts.slice(1).reduce((total, [, bytes]) => total + bytes, 0);
  expect(resumed + sent).toBe(2 * PART);
});

test("R22: a content that fails delays no row and no other content, and the status says so", async ({ newTab }) => {
  const tab = await newTab();
  await tab.db();
  await tab.offline(true);
  const bad = await tab.add(1000, 3);
  const good = await tab.add(1000, 4);
  const lonely = await tab.add(1000, 5, null);
  await tab.offline(false);
  const path = `/v1/attachments/${bad}`;
  const refusal = JSON.stringify({ code: "attachment/too-large", title: "too large", status: 413, retryable: false });
  tab.proxy.inject(`${path}/state`, failing);
  tab.proxy.inject(path, answer(413, { "content-type": "application/problem+json" }, refusal));
  expect(await tab.sync()).toBe("complete");
  await tab.isUploaded(good);
  await expect.poll(async () => (await tab.status()).refused).toBe(1);
  expect((await tab.state(bad)).error).toMatchObject({});
  expect(await tab.status()).toMatchObject({ phase: "idle", pending: 1, unreferenced: 1, storedBytes: 3000 });
  expect((await tab.state(lonely)).uploaded).toBe(false);
  await tab.page.evaluate(() => window.db.attachments.retryNow());
  await tab.isUploaded(bad);
  expect(await tab.status()).toMatchObject({ pending: 0, unreferenced: 1, refused: 0, lastError: null });
});

test("R17: the budget never takes what is not uploaded, and takes what was wanted longest ago", async ({ newTab }) => {
  const tab = await newTab();
  await tab.db("ana", 250_000);
  await tab.offline(true);
  const own = [await tab.add(100_000, 6), await tab.add(100_000, 7), await tab.add(100_000, 8)];
  for (const address of own) expect(await tab.state(address)).toMatchObject({ here: true, uploaded: false });
  const refused = await tab.page.evaluate(
    (address) => window.db.attachments.evict(address).catch((error: { code: string }) => error.code),
    own[0]!,
  );
  expect(refused).toBe("attachment/not-uploaded");
  await tab.offline(false);
  await tab.sync();
  for (const address of own) await tab.isUploaded(address);
  expect(await tab.get(own[0]!)).toContain(own[0]!);
  const fourth = await tab.add(100_000, 9, null);
  await expect.poll(async () => (await tab.status()).storedBytes).toBe(200_000);
  // The one that was wanted last and the one that nobody else has.
  expect(await Promise.all([...own, fourth].map(async (address) => (await tab.state(address)).here))).toEqual([true, false, false, true]);
  expect(await tab.get(own[1]!)).toContain(own[1]!);
});

test("what is damaged on its way is noticed, and begun anew", async ({ server, newTab }) => {
  const tab = await newTab();
  await tab.db();
  await tab.offline(true);
  const address = await tab.add(1.5 * PART, 10);
  await tab.offline(false);
  // The first part is changed under way: the server has other bytes than were sent.
  tab.proxy.inject(`/v1/attachments/${address}`, async ({ response, forward }) => {
    const { status, headers, body } = await forward();
    const upload = fileOf(server.folder, address);
    const part = join(dirname(upload), readdirSync(dirname(upload)).find((name) => name.endsWith(".part"))!);
    const bytes = readFileSync(part);
    bytes[17] = bytes[17]! ^ 1;
    writeFileSync(part, bytes);
    response.writeHead(status, headers).end(body);
  });
  await tab.sync();
  await tab.isUploaded(address);
  expect(tab.parts().filter(([offset]) => offset === 0)).toHaveLength(2);
  expect(statSync(fileOf(server.folder, address)).size).toBe(1.5 * PART);

  const other = await newTab();
  await other.db("ben");
  await other.sync();
  other.proxy.inject(`/v1/attachments/${address}`, async ({ response, forward }) => {
    const { status, headers, body } = await forward();
    body[17] = body[17]! ^ 1;
    response.writeHead(status, headers).end(body);
  });
  expect(await other.get(address)).toBe(`${address} image/jpeg`);
});

test("R6: a download that breaks off goes on where it stopped; offline it says so", async ({ newTab }) => {
  const [tab, other] = [await newTab(), await newTab()];
  await tab.db();
  const address = await tab.add(2.5 * PART, 11);
  await tab.sync();
  await tab.isUploaded(address);
  await other.db("ben");
  await other.sync();
  const path = `/v1/attachments/${address}`;
  await other.offline(true);
  expect(await other.get(address)).toBe("attachment/not-here");
  await other.offline(false);
  // The second part fails.
  let asked = 0;
  const afterTheFirst: Fault = async (exchange) => {
    if (asked++ > 0) return failing(exchange);
    send(exchange.response, await exchange.forward());
  };
  other.proxy.inject(path, afterTheFirst, Infinity);
  expect(await other.get(address)).toBe("attachment/not-here");
  other.proxy.heal();
  await other.load();
  await other.db("ben");
  const before = other.proxy.seen.filter((seen) => seen.path === path).length;
  expect(await other.get(address)).toBe(`${address} image/jpeg`);
  expect(other.proxy.seen.filter((seen) => seen.path === path).length - before).toBe(2);
});

test("R17: the server is killed during an upload, and nothing is lost", async ({ server, newTab }) => {
  const tab = await newTab();
  await tab.db();
  await tab.offline(true);
  const address = await tab.add(3 * PART, 12);
  await tab.offline(false);
  tab.proxy.inject(`/v1/attachments/${address}`, async ({ response, forward }) => {
    await forward();
    await server.kill();
    response.destroy();
  });
  await tab.sync();
  await expect.poll(async () => (await tab.status()).lastError).not.toBeNull();
  await server.start();
  await tab.page.evaluate(() => window.db.attachments.retryNow());
  await tab.isUploaded(address);
  expect(existsSync(fileOf(server.folder, address))).toBe(true);
  // The part that was answered for was durable, and is not sent again.
  expect(tab.parts().filter(([offset]) => offset === 0)).toHaveLength(1);
});

test("a token that has run out is asked for once more, and without one everything waits", async ({ newTab }) => {
  const tab = await newTab();
  await tab.db();
  await tab.offline(true);
  const address = await tab.add(1000, 13);
  await tab.offline(false);
  const state = `/v1/attachments/${address}/state`;
  const refusal = JSON.stringify({ code: "auth/unauthenticated", title: "a token is needed", status: 401, retryable: false });
  const refused = answer(401, { "content-type": "application/problem+json" }, refusal);
  tab.proxy.inject(state, refused, Infinity);
  await tab.sync();
  await expect.poll(async () => (await tab.status()).phase).toBe("signedOut");
  // Twice for each sync that has completed: with the token, and with the one that was asked for again.
  expect(tab.proxy.seen.filter(({ path }) => path === state).length % 2).toBe(0);
  expect(await tab.state(address)).toMatchObject({ here: true, uploaded: false });
  tab.proxy.heal();
  tab.proxy.inject(state, refused);
  // A sync that completes shows that there is a session again.
  await tab.sync();
  await tab.isUploaded(address);
});

test("R6: two tabs share one device: what one adds the other sees, and it is uploaded once", async ({ newTab }) => {
  const tab = await newTab();
  const second = new Tab(await tab.page.context().newPage(), tab.proxy);
  await second.load();
  await Promise.all([tab.db(), second.db()]);
  await tab.offline(true);
  const [address, same] = [await tab.add(1.5 * PART, 14), await second.add(1.5 * PART, 14, null)];
  expect(same).toBe(address);
  await expect.poll(async () => (await second.status()).pending).toBe(1);
  await tab.offline(false);
  await Promise.all([tab.sync(), second.sync()]);
  await tab.isUploaded(address);
  await expect.poll(async () => (await second.status()).pending).toBe(0);
  expect(tab.parts().reduce((total, [, bytes]) => total + bytes, 0)).toBe(1.5 * PART);
});

test("R17: a device without room says so, and keeps what it has", async ({ newTab }) => {
  const tab = await newTab();
  await tab.db();
  const kept = await tab.add(1000, 15, null);
  // As browsers do it: every write succeeds, and the transaction then aborts at its commit.
  const [code, isNew] = await tab.page.evaluate(async () => {
    const commit = IDBTransaction.prototype.commit;
    IDBTransaction.prototype.commit = function (this: IDBTransaction) {
      this.abort();
    };
    const content = new Blob([new Uint8Array(2_000_000)]);
    const code = await window.db.attachments.add(content).catch((error: Package.WhimbrelError) => error.code);
    IDBTransaction.prototype.commit = commit;
    const { here, uploaded } = await window.db.attachments.state(await window.db.attachments.add(content));
    return [code, here && !uploaded] as const;
  });
  expect([code, isNew]).toEqual(["store/quota", true]);
  expect(await tab.state(kept)).toMatchObject({ here: true, uploaded: false });
});

test("destroying a database takes its attachments along", async ({ newTab }) => {
  const tab = await newTab();
  await tab.db();
  await tab.add(1000, 17, null);
  const left = await tab.page.evaluate(async () => {
    const path = "/package/index.js";
    const { Whimbrel } = (await import(path)) as typeof Package;
    await window.db.close();
    await Whimbrel.destroy("notes", { user: "ana" });
    return (await indexedDB.databases()).map(({ name }) => name).filter((name) => name?.includes("notes"));
  });
  expect(left).toEqual([]);
});

test("R17: a server that was restored from a backup gets again what it has lost", async ({ server, newTab }) => {
  const tab = await newTab();
  await tab.db();
  const address = await tab.add(1000, 18);
  await tab.sync();
  await tab.isUploaded(address);
  const backup = `${server.database}.backup`;
  await server.stop();
  copyFileSync(server.database, backup);
  await server.start();
  await tab.page.evaluate(() => window.db.note.create({ body: "after the backup" }));
  expect(await tab.sync()).toBe("complete");
  await server.stop();
  copyFileSync(backup, server.database);
  rmSync(server.folder, { recursive: true });
  await server.start();
  await tab.sync();
  await expect.poll(() => existsSync(fileOf(server.folder, address))).toBe(true);
  await tab.isUploaded(address);
});

test("R17: a database is not left behind with attachments that were not sent", async ({ newTab }) => {
  const tab = await newTab();
  await tab.db();
  await tab.offline(true);
  const address = await tab.add(1000, 19);
  const lonely = await tab.add(1000, 20, null);
  await expect.poll(async () => await tab.status()).toMatchObject({ pending: 1, unreferenced: 1 });
  const refused = await tab.page.evaluate(async () => {
    const count = (call: Promise<unknown>): Promise<unknown> => call.catch(({ code, count }) => [code, count]);
    return [await count(window.db.leave()), await count(window.db.wipe())];
  });
  // A change and its photo; and what no note refers to, which would only be lost with the database.
  expect(refused).toEqual([
    ["user/unsent-changes", 2],
    ["user/unsent-changes", 3],
  ]);
  await tab.offline(false);
  expect(await tab.page.evaluate(() => window.db.leave({ unsent: "send" }))).toBe(0);
  expect(tab.parts()).toEqual([[0, 1000]]);
  await tab.db();
  expect(await tab.state(address)).toMatchObject({ here: true, uploaded: true });
  expect(await tab.state(lonely)).toMatchObject({ here: true, uploaded: false });
});
