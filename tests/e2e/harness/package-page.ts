/** A page with nothing but the package, for tests whose schema the demo does not have. */
import type { BrowserContext, Page } from "@playwright/test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import type * as Package from "../../../pkg/src/index";
import { PACKAGE } from "./paths";

declare global {
  interface Window {
    whimbrelPackage: typeof Package;
  }
}

const ORIGIN = "https://package.test";

/** A page on which the package is `window.whimbrelPackage`. */
export async function openPage(context: BrowserContext): Promise<Page> {
  await context.route(`${ORIGIN}/**`, (route) =>
    route.request().url().endsWith("/index.js")
      ? route.fulfill({ contentType: "text/javascript", body: readFileSync(join(PACKAGE, "index.js"), "utf8") })
      : route.fulfill({ contentType: "text/html", body: "<!doctype html><title>package</title>" }),
  );
  const page = await context.newPage();
  await page.goto(ORIGIN);
  const content = 'import * as whimbrel from "/index.js"; window.whimbrelPackage = whimbrel;';
  await page.addScriptTag({ type: "module", content });
  await page.waitForFunction(() => window.whimbrelPackage !== undefined);
  return page;
}
