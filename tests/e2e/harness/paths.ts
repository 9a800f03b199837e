/** Where things are: the repository's folders, the server's binary, the browser. */
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../../..");
export const PAGE = join(ROOT, "www/dist");
export const PACKAGE = join(ROOT, "pkg/dist");
export const CONFIG = join(ROOT, "www/server.toml");
export const SCRATCH = join(ROOT, "target/e2e");
export const SCREENSHOTS = join(SCRATCH, "screenshots");

/** The server: `WHIMBREL_SERVER`, or what cargo has built last in this repository. */
export function serverBinary(): string {
  const built = [join(ROOT, "target/release/whimbrel-server"), join(ROOT, "target/debug/whimbrel-server")];
  const places = [process.env["WHIMBREL_SERVER"], ...built];
  return first(places, "whimbrel-server", "build it with `cargo build --package whimbrel-server`, or set WHIMBREL_SERVER");
}

/** The browser: `WHIMBREL_CHROMIUM`, `CHROMIUM`, or one on the search path. */
export function chromium(): string {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
  const places = [process.env["WHIMBREL_CHROMIUM"], process.env["CHROMIUM"], ...found, mac];
  return first(places, "Chromium", "install it, or set WHIMBREL_CHROMIUM");
}

function first(places: readonly (string | undefined)[], what: string, remedy: string): string {
  const found = places.find((place) => place !== undefined && existsSync(place));
  if (found === undefined) throw new Error(`${what} is not here: ${remedy}`);
  return found;
}
