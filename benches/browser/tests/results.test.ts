import { expect, test } from "vitest";

import { median } from "../orders/median";
import { durability } from "../runner/durability";
import { goals } from "../runner/goals";
import { heaviest } from "../runner/heaviest";
import { parseOptions, type PeerName, PEERS } from "../runner/options";
import { EXTRAS, type Figures, WORKLOADS } from "../runner/round";
import { type RunSummary, summarise, toResults } from "../runner/summary";
import { number, table } from "../runner/table";

function figures(value: number): Figures {
  return Object.fromEntries([...WORKLOADS, ...EXTRAS].map((name) => [name, value])) as Figures;
}

function summary(peers: Partial<Record<PeerName, number[]>>): RunSummary {
  const rounds = Object.entries(peers).map(([peer, values]) => [peer as PeerName, values.map(figures)] as const);
  return summarise(100_000, new Map(rounds));
}

test("a median is the middle, whatever the order", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("the results hold medians and ratios to raw, of the workloads and nothing else", () => {
  const { runs } = toResults([summary({ whimbrel: [3, 1, 2], raw: [10, 8, 9] })]);
  expect(runs.map(({ rows }) => rows)).toEqual([100_000]);
  expect(Object.keys(runs[0]?.results ?? {})).toEqual(["whimbrel", "raw"]);
  expect(Object.keys(runs[0]?.results.whimbrel ?? {})).toEqual([...WORKLOADS]);
  expect(runs[0]?.results.whimbrel?.gets).toEqual({ median_ms: 2, ratio: 0.222 });
  expect(runs[0]?.results.raw?.gets).toEqual({ median_ms: 9, ratio: 1 });
});

test("without raw, or with nothing to divide by, there is no ratio", () => {
  expect(toResults([summary({ packed: [4] })]).runs[0]?.results.packed?.gets.ratio).toBeNull();
  expect(toResults([summary({ packed: [4], raw: [0] })]).runs[0]?.results.packed?.gets.ratio).toBeNull();
});

test("the table has a column per peer and a ratio beside every figure but raw's", () => {
  const text = table(summary({ whimbrel: [2], raw: [8] }));
  expect(text).toContain("|  | whimbrel | raw |");
  expect(text).toMatch(/`gets`[^|]*\| 2\.00 \(0\.250×\) \| 8\.00 \|/);
});

test("numbers have the digits that count", () => {
  const texts = [12_721.4, 155.2, 99.96, 12.34, 1.234, 0.123, 0.0456].map(number);
  expect(texts).toEqual(["12,721", "155", "100", "12.3", "1.23", "0.123", "0.046"]);
});

test("a goal is reached at its limit, not above, and unknown without what it is measured by", () => {
  const verdict = (whimbrel: number, raw: number): string =>
    goals(summary({ whimbrel: [whimbrel], raw: [raw] }))?.split("\n").find((line) => line.includes("cold start")) ?? "";
  expect(verdict(125, 100)).toBe("- cold start to the first row, at most 1.25 × raw: 1.25, reached");
  expect(verdict(126, 100)).toBe("- cold start to the first row, at most 1.25 × raw: 1.26, **not reached**");
  expect(goals(summary({ whimbrel: [1] }))).toContain("at most 2.00 × packed: not measured");
  expect(goals(summary({ raw: [1] }))).toBeUndefined();
});

test("it is said of every peer measured, and of no other, what a durable write is", () => {
  const lines = durability(summary({ raw: [1], sqlite: [2] })).split("\n");
  expect(lines.flatMap((line) => /^- (\w+): ./.exec(line)?.[1] ?? [])).toEqual(["raw", "sqlite"]);
});

test("options have defaults and limits", () => {
  expect(parseOptions([])).toMatchObject({ rows: [10_000, 100_000], runs: 3, peers: ["whimbrel", "raw", "packed", "dexie"] });
  expect(parseOptions(["--peers=all"]).peers).toEqual([...PEERS]);
  expect(parseOptions(["--rows=5000", "--rows", "5000", "--peers=dexie,raw"])).toMatchObject({ rows: [5_000], peers: ["raw", "dexie"] });
  expect(parseOptions(["--profile"]).profile).toBe(true);
  expect(() => parseOptions(["--rows=999"])).toThrow("a whole number from 1000");
  expect(() => parseOptions(["--runs=1.5"])).toThrow("--runs 1.5");
  expect(() => parseOptions(["--peers=raw,mysql"])).toThrow('"mysql" is none of whimbrel, raw, packed, dexie');
  expect(() => parseOptions(["--row=1000"])).toThrow();
});

test("the heaviest functions are those that the time was in, whatever called them", () => {
  const node = (id: number, functionName: string, url = "") => ({ id, callFrame: { functionName, url } });
  const nodes = [node(1, "load", "http://a/raw.js"), node(2, ""), node(3, "load", "http://a/raw.js"), node(4, "open", "wasm://wasm/1f")];
  const lines = heaviest({ nodes, samples: [1, 3, 2, 4], timeDeltas: [9_000, 2_000, 1_000, 500, 500] });
  expect(lines).toEqual(["75.0 %      3.0 ms  load [raw.js]", "12.5 %      0.5 ms  (anonymous)", "12.5 %      0.5 ms  open [wasm]"].map((line) => ` ${line}`));
});
