/** What Whimbrel wants to reach with 100,000 rows, and how far a run is from it. */
import type { PeerName } from "./options";
import type { Extra, Workload } from "./round";
import type { Medians, RunSummary } from "./summary";
import { number } from "./table";

const MIB = 1024 * 1024;
const SUBJECT: PeerName = "whimbrel";

interface Goal {
  readonly what: string;
  readonly figure: Workload | Extra;
  readonly atMost: number;
  /** A peer whose figure is the measure; without one the limit is in the figure's own unit. */
  readonly of?: PeerName;
  /** What one of the limit's unit is in the figure's; 1 when absent. */
  readonly unit?: { readonly name: string; readonly size: number };
}

const MS = { name: "ms", size: 1 };
const MEBIBYTES = { name: "MiB", size: MIB };

const GOALS: readonly Goal[] = [
  { what: "initial load", figure: "initial_load", atMost: 2, of: "packed" },
  { what: "initial load", figure: "initial_load", atMost: 1 / 40, of: "raw" },
  { what: "longest task during it", figure: "longest_task", atMost: 50, unit: MS },
  { what: "200 serial durable updates", figure: "serial_writes", atMost: 1, of: "raw" },
  { what: "cold start to the first row", figure: "cold_start", atMost: 1.25, of: "raw" },
  { what: "first 50 sorted rows, after open", figure: "first_sorted", atMost: 3, of: "raw" },
  { what: "sorted query, 50 rows", figure: "sorted_query", atMost: 0.3, unit: MS },
  { what: "count by an index", figure: "count", atMost: 0.1, unit: MS },
  { what: "sum over all rows", figure: "sum", atMost: 5, unit: MS },
  { what: "batch update of 1,000 rows", figure: "batch_update", atMost: 50, unit: MS },
  { what: "1,000 serial gets", figure: "gets", atMost: 10, unit: MS },
  { what: "renderer after the load", figure: "renderer", atMost: 175, unit: MEBIBYTES },
  { what: "renderer at its peak", figure: "renderer_peak", atMost: 200, unit: MEBIBYTES },
  { what: "storage used", figure: "storage", atMost: 1.5, of: "packed" },
];

/** The goals as a Markdown list, or nothing when Whimbrel was not measured. */
export function goals({ rows, medians }: RunSummary): string | undefined {
  if (!medians.has(SUBJECT)) return undefined;
  const lines = GOALS.map((goal) => `- ${verdict(goal, medians)}`);
  return [`Goals, with ${rows.toLocaleString("en")} rows:`, "", ...lines].join("\n");
}

function verdict(goal: Goal, medians: Medians): string {
  const unit = goal.of === undefined ? ` ${goal.unit?.name ?? ""}` : ` × ${goal.of}`;
  const measure = goal.of === undefined ? (goal.unit?.size ?? 1) : (medians.get(goal.of)?.[goal.figure] ?? NaN);
  const found = (medians.get(SUBJECT)?.[goal.figure] ?? NaN) / measure;
  const wanted = `${goal.what}, at most ${number(goal.atMost)}${unit}`;
  if (!Number.isFinite(found)) return `${wanted}: not measured`;
  return `${wanted}: ${number(found)}, ${found <= goal.atMost ? "reached" : "**not reached**"}`;
}
