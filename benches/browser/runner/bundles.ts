/** The scripts of the pages: each peer alone with the bench's own few lines, so that a page loads what an app would. */
import { build } from "esbuild";
import { basename, join } from "node:path";

import type { PeerName } from "./options";
import { BENCH } from "./paths";

/** The scripts by their names, `raw.js` for example. */
export async function bundle(peers: readonly PeerName[]): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: [...peers.map((peer) => join(BENCH, "peers", `${peer}.ts`)), join(BENCH, "page/stall-worker.ts")],
    outdir: join(BENCH, "dist/pages"),
    entryNames: "[name]",
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
  });
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
}
