/** From the rounds of a run to medians and ratios, and the file that holds them. */
import { median } from "../orders/median";
import { type PeerName, REFERENCE } from "./options";
import { EXTRAS, type Extra, type Figures, type Workload, WORKLOADS } from "./round";

/** The rounds of every peer. */
export type Rounds = ReadonlyMap<PeerName, readonly Figures[]>;

/** The medians of every peer. */
export type Medians = ReadonlyMap<PeerName, Figures>;

export interface RunSummary {
  readonly rows: number;
  readonly medians: Medians;
}

/** The shape of `target/bench/latest.json`. `ratio` is to raw IndexedDB; null when that was not measured. */
export interface Results {
  readonly runs: {
    readonly rows: number;
    readonly results: Partial<Record<PeerName, Record<Workload, { readonly median_ms: number; readonly ratio: number | null }>>>;
  }[];
}

export function summarise(rows: number, rounds: Rounds): RunSummary {
  const names = [...WORKLOADS, ...EXTRAS];
  const medians = [...rounds].map(([peer, figures]) => {
    const each = names.map((name) => [name, median(figures.map((round) => round[name]))]);
    return [peer, Object.fromEntries(each) as Figures] as const;
  });
  return { rows, medians: new Map(medians) };
}

/** How often a peer's figure is the reference's; null when there is none to divide by. */
export function ratio(medians: Medians, peer: PeerName, name: Workload | Extra): number | null {
  const own = medians.get(peer)?.[name] ?? NaN;
  const quotient = own / (medians.get(REFERENCE)?.[name] ?? NaN);
  return Number.isFinite(quotient) ? quotient : null;
}

export function toResults(summaries: readonly RunSummary[]): Results {
  const runs = summaries.map(({ rows, medians }) => {
    const results = [...medians].map(([peer, figures]) => {
      const workloads = WORKLOADS.map((name) => [name, entry(figures[name], ratio(medians, peer, name))]);
      return [peer, Object.fromEntries(workloads)];
    });
    return { rows, results: Object.fromEntries(results) };
  });
  return { runs };
}

function entry(ms: number, ratio: number | null): { median_ms: number; ratio: number | null } {
  return { median_ms: round(ms), ratio: ratio === null ? null : round(ratio) };
}

/** To a thousandth: finer is noise. */
function round(number: number): number {
  return Math.round(number * 1000) / 1000;
}
