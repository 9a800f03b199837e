/** Whether what a page finds is what was acknowledged: nothing lost, nothing torn, and all of it still in the outbox. */
import type { Found } from "../page/kill-page";
import { type Lane, laneOf, LANES, type Row, stateAfter, stepsIn } from "../page/lanes";

/** How many steps each lane has taken. */
export type Steps = Record<Lane, number>;

export const NO_STEPS: Steps = { single: 0, update: 0, batch: 0, transaction: 0 };

export interface Verdict {
  /** What has really happened: what was acknowledged, and perhaps what was on its way. */
  readonly steps: Steps;
  /** Acknowledged steps that are not there. */
  readonly lost: number;
  /** What else is wrong, as sentences. */
  readonly wrong: readonly string[];
}

export function judge({ rows, pending }: Found, acknowledged: Steps): Verdict {
  const steps = { ...NO_STEPS };
  let lost = 0;
  const wrong: string[] = [];
  for (const lane of LANES) {
    const own = rows.filter((row) => laneOf(row) === lane);
    steps[lane] = stepsIn(lane, own);
    lost += Math.max(0, acknowledged[lane] - steps[lane]);
    const difference = compare(own, stateAfter(lane, steps[lane]));
    if (difference !== undefined) wrong.push(`the ${lane} lane is torn after ${steps[lane]} steps: ${difference}`);
  }
  const strangers = rows.filter((row) => laneOf(row) === undefined).length;
  if (strangers > 0) wrong.push(`${strangers} records that nobody has written`);
  // Nothing was ever sent, so each record's changes wait as one: its creation.
  if (pending !== rows.length) wrong.push(`${pending} changes wait for ${rows.length} records`);
  return { steps, lost, wrong };
}

function compare(found: readonly Row[], expected: ReadonlyMap<string, Row>): string | undefined {
  const left = new Map(expected);
  for (const row of found) {
    const wanted = left.get(row.id);
    if (wanted === undefined) return `${row.id} should not be there`;
    if (row.n !== wanted.n || row.body !== wanted.body) return `${row.id} has n = ${row.n}, not ${wanted.n}, or another body`;
    left.delete(row.id);
  }
  const [missing] = left.keys();
  return missing === undefined ? undefined : `${missing} and ${left.size - 1} others are missing`;
}
