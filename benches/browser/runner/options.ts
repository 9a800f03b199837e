/** The bench's command line, its defaults and its limits. */
import { parseArgs } from "node:util";

import { BATCH_ROWS } from "../orders/plan";

export const PEERS = [
  "whimbrel",
  "raw",
  "packed",
  "dexie",
  "rxdb",
  "pouchdb",
  "watermelondb",
  "tinybase",
  "sqlite",
] as const;

export type PeerName = (typeof PEERS)[number];

/** The peer that the ratios are to. */
export const REFERENCE: PeerName = "raw";

/** What is measured when nothing was said: the others take minutes with 100,000 rows. */
const PEERS_DEFAULT: readonly PeerName[] = ["whimbrel", "raw", "packed", "dexie"];
/** In a list of peers: all of them. */
const ALL = "all";

export interface Options {
  readonly rows: readonly number[];
  readonly peers: readonly PeerName[];
  readonly runs: number;
  readonly seed: number;
  /** Shows where the time goes instead of how much it is. */
  readonly profile: boolean;
}

const ROWS_DEFAULT = [10_000, 100_000];
/** The batch changes so many different rows. */
const ROWS_MIN = BATCH_ROWS;
const ROWS_MAX = 1_000_000;
const RUNS_DEFAULT = 3;
const RUNS_MAX = 100;
const SEED_DEFAULT = 20_260_501;

export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: "string", multiple: true },
      peers: { type: "string" },
      runs: { type: "string" },
      seed: { type: "string" },
      profile: { type: "boolean" },
    },
  });
  const rows = values.rows?.map((text) => whole("--rows", text, ROWS_MIN, ROWS_MAX)) ?? ROWS_DEFAULT;
  return {
    rows: [...new Set(rows)],
    peers: values.peers === undefined ? PEERS_DEFAULT : peers(values.peers),
    runs: values.runs === undefined ? RUNS_DEFAULT : whole("--runs", values.runs, 1, RUNS_MAX),
    seed: values.seed === undefined ? SEED_DEFAULT : whole("--seed", values.seed, 0, 2 ** 32 - 1),
    profile: values.profile ?? false,
  };
}

function whole(option: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new Error(`${option} ${text}: a whole number from ${min} to ${max} is needed`);
}

function peers(list: string): PeerName[] {
  const names = list.split(",").map((name) => name.trim());
  if (names.includes(ALL)) return [...PEERS];
  const unknown = names.find((name) => !PEERS.some((peer) => peer === name));
  if (unknown !== undefined) throw new Error(`--peers: "${unknown}" is none of ${PEERS.join(", ")}, ${ALL}`);
  return PEERS.filter((peer) => names.includes(peer));
}
