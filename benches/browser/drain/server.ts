/** The real server, as a process of its own on a database of its own; and what the same rows cost it without a client. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { type Row, toValues } from "../orders/row";
import { BENCH } from "../runner/paths";

const CONFIG = join(BENCH, "drain/server.toml");
/** Changes of a push, at most: the measure is inserted in batches of as many. */
export const PUSH_CHANGES = 500;

export interface Programs {
  readonly server: string;
  readonly insert: string;
}

/** The programs that `cargo xtask bench drain` has built. */
export function programs(): Programs {
  const [server, insert] = [process.env["WHIMBREL_SERVER"], process.env["WHIMBREL_BATCH_INSERT"]];
  if (server === undefined || insert === undefined) {
    throw new Error("WHIMBREL_SERVER and WHIMBREL_BATCH_INSERT say where the programs are: use cargo xtask bench drain");
  }
  return { server, insert };
}

export interface RunningServer {
  readonly origin: string;
  /** What the server has, asked for as any client would. */
  rows(): Promise<unknown[][]>;
  stop(): Promise<void>;
}

export async function startServer({ server }: Programs, folder: string, pages: string): Promise<RunningServer> {
  const args = ["--config", CONFIG, "--static", pages, "--listen", "127.0.0.1:0", "--data", join(folder, "drain.sqlite")];
  const child = spawn(server, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, RUST_LOG: "warn" } });
  const exited = once(child, "exit");
  const said = await Promise.race([once(createInterface(child.stdout), "line"), exited]);
  const origin = /^listening on (http:\S+)$/.exec(String(said[0]))?.[1];
  if (origin === undefined) throw new Error(`the server did not start: ${String(said[0])}`);
  return {
    origin,
    rows: () => pull(origin),
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

async function pull(origin: string): Promise<unknown[][]> {
  const headers = { "content-type": "application/json", authorization: "Bearer bench" };
  const request = { protocol: 1, client: crypto.randomUUID(), schema: 1, entities: ["workOrder"], cursors: [] };
  const response = await fetch(`${origin}/v1/pull`, { method: "POST", headers, body: JSON.stringify(request) });
  type Line = { readonly rows?: { readonly data: unknown[][] } };
  const lines = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
  return lines.flatMap(({ rows }) => rows?.data ?? []);
}

/** Milliseconds in which the rows are inserted without a device, by the server itself or by plain SQL, into a database of its own. */
export function insertRows({ insert }: Programs, how: "own" | "plain", folder: string, rows: readonly Row[]): number {
  const file = join(folder, "rows.json");
  writeFileSync(file, JSON.stringify(rows.map(toValues)));
  const args = [how, CONFIG, join(folder, `${how}.sqlite`), file, String(PUSH_CHANGES)];
  return Number(execFileSync(insert, args, { encoding: "utf8" }));
}
