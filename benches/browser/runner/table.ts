/** The figures as Markdown, for people. */
import { type PeerName, REFERENCE } from "./options";
import { EXTRAS, type Extra, type Workload, WORKLOADS } from "./round";
import { ratio, type RunSummary } from "./summary";

const MIB = 1024 * 1024;

const LABELS: Record<Workload | Extra, string> = {
  initial_load: "`initial_load`: text to durable, ms",
  longest_task: "`longest_task`: main thread, during the load, ms",
  cold_start: "`cold_start`: navigation to the first row, ms",
  serial_writes: "`serial_writes`: 200 durable updates, ms",
  sorted_query: "`sorted_query`: 50 rows by an index, ms",
  batch_update: "`batch_update`: 1,000 rows at once, ms",
  gets: "`gets`: 1,000 one after the other, ms",
  first_sorted: "first 50 sorted rows in a fresh page, after open, ms",
  count: "count by an index, ms",
  sum: "sum over all rows, ms",
  storage: "storage used, MiB",
  renderer: "renderer after the load, MiB",
  renderer_peak: "renderer at its peak, MiB",
};

const IN_BYTES: ReadonlySet<string> = new Set<Extra>(["storage", "renderer", "renderer_peak"]);

export function table({ rows, medians }: RunSummary): string {
  const peers = [...medians.keys()];
  const head = [`### ${rows.toLocaleString("en")} rows`, "", line(["", ...peers]), line(["---", ...peers.map(() => "---:")])];
  const body = [...WORKLOADS, ...EXTRAS].map((name) => line([LABELS[name], ...peers.map((peer) => cell(peer, name))]));
  return [...head, ...body].join("\n");

  function cell(peer: PeerName, name: Workload | Extra): string {
    const figure = medians.get(peer)?.[name] ?? NaN;
    if (Number.isNaN(figure)) return "–";
    const times = peer === REFERENCE ? null : ratio(medians, peer, name);
    return number(IN_BYTES.has(name) ? figure / MIB : figure) + (times === null ? "" : ` (${number(times)}×)`);
  }
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** Three digits that count. */
export function number(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toPrecision(value < 0.095 ? 2 : 3).replace(/^(\d{2}\.\d)\d*$/, "$1");
}
