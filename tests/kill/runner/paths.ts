/** Where things are: this folder, the profiles, the browser. */
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

/** The programs run from `dist`, one level below. */
export const KILL = resolve(import.meta.dirname, "..");
/** On the disk that the repository is on, because a temporary folder may be memory. Each run has its own. */
export const PROFILES = resolve(KILL, `../../target/kill/profiles-${process.pid}`);

/** The browser: `WHIMBREL_CHROMIUM`, which xtask sets, or one on the search path. */
export function chromium(): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const place = [process.env["WHIMBREL_CHROMIUM"], ...found].find((path) => path !== undefined && existsSync(path));
  if (place === undefined) throw new Error("Chromium is not here: install it, or set WHIMBREL_CHROMIUM");
  return place;
}
