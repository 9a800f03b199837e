/** What the samples of a processor profile come to. */
/** How often the profiler looks. */
export const INTERVAL_US = 100;
const HEAVIEST = 10;

/** What of V8's profile is read here. */
export interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string; readonly url: string } }[];
  readonly samples?: readonly number[];
  readonly timeDeltas?: readonly number[];
}

/** The number that tells crates of one name apart: noise to a reader. */
const CRATE_NUMBER = /\[[0-9a-f]{16}\]/g;

/** The heaviest functions by the time in themselves, in parts of a hundred, as lines. */
export function heaviest({ nodes, samples = [], timeDeltas = [] }: CpuProfile): string[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  samples.forEach((id, place) => {
    const name = names.get(id) ?? "?";
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[place + 1] ?? 0));
  });
  const all = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, HEAVIEST)
    .map(([name, time]) => `${((100 * time) / all).toFixed(1).padStart(5)} %  ${(time / 1000).toFixed(1).padStart(7)} ms  ${name}`);
}

function nameOf({ functionName, url }: { readonly functionName: string; readonly url: string }): string {
  const place = url.startsWith("wasm:") ? "wasm" : url.split("/").at(-1)?.split("#")[0];
  return `${functionName.replace(CRATE_NUMBER, "") || "(anonymous)"}${place ? ` [${place}]` : ""}`;
}
