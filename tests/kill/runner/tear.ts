/**
 * A torn log, as a kill in the middle of a write leaves it: LevelDB's log ends in a record that says how long it is and is shorter.
 *
 * The record is added; what is there is not cut. A cut would take acknowledged writes with it, which no kill does: what a process has
 * handed to the operating system stays. LevelDB takes such an end for the end when it opens, goes on writing behind it, and the *next* time
 * finds a record that runs into another: Chromium then deletes all of the origin's IndexedDB. (Log format: leveldb's doc/log_format.md.)
 */
import { appendFileSync, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import type { Random } from "./random";

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
/** The record is all there, in one piece: the kind of small writes. */
const FULL = 1;

/** Tears the newest log of the origin's IndexedDB in a profile that no browser has open; answers its path. */
export function tear(profile: string, origin: string, random: Random): string {
  const log = newestLog(databaseFolder(profile, origin));
  const left = BLOCK_BYTES - (statSync(log).size % BLOCK_BYTES);
  // Too little for a header is filled up with zeros, and the record begins the next block.
  const padding = Buffer.alloc(left < HEADER_BYTES + 2 ? left : 0);
  const room = (padding.length > 0 ? BLOCK_BYTES : left) - HEADER_BYTES;
  const claimed = Math.min(room, 200 + random.below(2_000));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(random.below(2 ** 32), 0);
  header.writeUInt16LE(claimed, 4);
  header.writeUInt8(FULL, 6);
  const written = Buffer.alloc(Math.floor(claimed * random.next()), "torn");
  appendFileSync(log, Buffer.concat([padding, header, written]));
  return log;
}

function databaseFolder(profile: string, origin: string): string {
  const { hostname, port } = new URL(origin);
  const folder = join(profile, "Default/IndexedDB", `http_${hostname}_${port}.indexeddb.leveldb`);
  if (!existsSync(folder)) throw new Error(`this Chromium keeps IndexedDB in no LevelDB: ${folder} is not there`);
  return folder;
}

function newestLog(folder: string): string {
  const logs = readdirSync(folder).filter((name) => name.endsWith(".log"));
  const newest = logs.sort().at(-1);
  if (newest === undefined) throw new Error(`no log in ${folder}`);
  return join(folder, newest);
}
