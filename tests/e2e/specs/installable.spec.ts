/** The page is an app that can be installed: it starts without a network, and its service worker leaves the data alone. */
import { expect, test } from "../harness/fixtures";
import { RoundsPage } from "../harness/rounds-page";

interface Manifest {
  readonly name: string;
  readonly short_name: string;
  readonly start_url: string;
  readonly display: string;
  readonly icons: readonly { readonly src: string; readonly sizes: string; readonly purpose?: string }[];
}

test("the manifest has what a browser asks for, and its icons are of the size they say", async ({ newDevice }) => {
  const device = await newDevice();
  await device.open("cleo");
  const href = await device.page.locator("link[rel=manifest]").getAttribute("href");
  const response = await device.page.request.get(href!);
  expect(response.headers()["content-type"]).toContain("manifest+json");
  const manifest = (await response.json()) as Manifest;
  expect(manifest).toMatchObject({ short_name: "Rounds", start_url: "/", display: "standalone" });
  expect(manifest.icons.map(({ sizes }) => sizes)).toEqual(expect.arrayContaining(["192x192", "512x512"]));
  expect(manifest.icons.some(({ purpose }) => purpose === "maskable")).toBe(true);
  for (const { src, sizes } of manifest.icons) {
    const size = await device.page.evaluate(async (src) => {
      const image = new Image();
      image.src = src;
      await image.decode();
      return `${image.naturalWidth}x${image.naturalHeight}`;
    }, src);
    expect(size, src).toBe(sizes);
  }
  const session = await device.context.newCDPSession(device.page);
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  // A window that was opened by a test is always a private one; nothing else may stand in the way.
  expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito")).toEqual([]);
});

test("the service worker starts the page without a network, at any address of it", async ({ newDevice }) => {
  const device = await newDevice();
  await device.open("cleo");
  await new RoundsPage(device.page).isUpToDate();
  await device.pageIsKept();
  await device.goOffline();
  await device.reload();
  await expect(new RoundsPage(device.page).syncBar).toContainText("You're offline");
  const tab = await device.context.newPage();
  await tab.goto("/");
  await expect(tab.getByRole("heading", { name: "Work orders" })).toBeVisible();
});

test("nothing under /v1/ is ever in a cache", async ({ newDevice }) => {
  const device = await newDevice();
  await device.open("cleo");
  await new RoundsPage(device.page).isUpToDate();
  await device.pageIsKept();
  await device.reload();
  await device.sync();
  const cached = await device.page.evaluate(async () => {
    const names = await caches.keys();
    const keys = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return keys.flat().map(({ url }) => new URL(url).pathname);
  });
  expect(cached).toContain("/index.html");
  expect(cached.filter((path) => path.startsWith("/v1"))).toEqual([]);
  // A navigation to the server's own addresses is the server's to answer, not the page's.
  const response = await device.page.goto("/v1/ping?nonce=tab");
  expect(await response!.json()).toMatchObject({ nonce: "tab" });
});
