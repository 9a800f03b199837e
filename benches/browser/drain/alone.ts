/** A page that does its work by itself and says what came of it, in a browser without a debugger: one that listens costs the page a tenth of its time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

import { chromium } from "../runner/paths";
import type { Report } from "./page";

const WAIT_MS_MAX = 60_000;

/** Opens the page of the origin on that profile, which no other browser uses, and waits for its report. */
export async function runAlone(origin: string, profile: string, args: readonly string[]): Promise<Report> {
  const ear = createServer().listen(0, "127.0.0.1");
  await once(ear, "listening");
  const heard = new Promise<string>((resolve, reject) => {
    ear.on("request", (request, response) => {
      text(request).then(resolve, reject);
      response.end();
    });
    setTimeout(() => reject(new Error(`the page said nothing for ${WAIT_MS_MAX} ms`)), WAIT_MS_MAX).unref();
  });
  const { port } = ear.address() as AddressInfo;
  const browser = spawn(chromium(), ["--headless", ...args, `--user-data-dir=${profile}`, `${origin}/#${port}`], { stdio: "ignore" });
  const ended = once(browser, "exit");
  try {
    const report = JSON.parse(await heard) as Report | { readonly error: string };
    if ("error" in report) throw new Error(report.error);
    return report;
  } finally {
    browser.kill();
    await ended;
    ear.close();
  }
}
