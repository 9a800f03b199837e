/** The files of the pages: each peer alone with the bench's own few lines, so that a page loads what an app would. */
import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import type { PeerName } from "./options";
import { BENCH } from "./paths";

/** What a peer's page loads beside its script: a worker's script, and files that are taken as they come with their package. */
const BESIDE: Partial<Record<PeerName, { readonly worker: string; readonly file: string }>> = {
  sqlite: { worker: "peers/sqlite-worker.ts", file: "@sqlite.org/sqlite-wasm/sqlite3.wasm" },
};

/** The files by their names, `raw.js` for example. */
export async function bundle(peers: readonly PeerName[], keepsNames: boolean): Promise<Map<string, Uint8Array>> {
  const beside = peers.flatMap((peer) => BESIDE[peer] ?? []);
  const scripts = [...peers.map((peer) => `peers/${peer}.ts`), ...beside.map(({ worker }) => worker), "page/stall-worker.ts"];
  const { outputFiles } = await build({
    entryPoints: scripts.map((script) => join(BENCH, script)),
    outdir: join(BENCH, "dist/pages"),
    entryNames: "[name]",
    bundle: true,
    write: false,
    minify: !keepsNames,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
  });
  const files = new Map<string, Uint8Array>(outputFiles.map(({ path, contents }) => [basename(path), contents]));
  for (const { file } of beside) files.set(basename(file), await readFile(fileURLToPath(import.meta.resolve(file))));
  return files;
}
