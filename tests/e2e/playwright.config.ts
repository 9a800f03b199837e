/**
 * The demo in Chromium, against the real server, through a proxy that breaks things.
 *
 * `cargo xtask test --only e2e` builds what is needed and runs this; `npm test --workspace tests/e2e` runs it on what is built already.
 * `WHIMBREL_SERVER` and `WHIMBREL_CHROMIUM` name the programs when they are not where `harness/paths.ts` looks.
 */
import { defineConfig } from "@playwright/test";
import { join } from "node:path";

import { SCRATCH, chromium } from "./harness/paths";

export default defineConfig({
  testDir: "specs",
  // Pictures are for people to look at; they prove nothing.
  testIgnore: process.env["SCREENSHOTS"] === undefined ? "screenshots.spec.ts" : [],
  outputDir: join(SCRATCH, "results"),
  globalSetup: "./harness/global-setup.ts",
  reporter: [["list"]],
  fullyParallel: true,
  workers: 2,
  retries: 0,
  forbidOnly: true,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  use: {
    headless: true,
    locale: "en-GB",
    timezoneId: "Europe/Madrid",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: chromium(),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
