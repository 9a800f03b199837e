/**
 * What is written while the browser is killed: four lanes, each with records of its own, each an endless list of steps that follow from a
 * number alone. A step is one call of the engine, so it happens whole or not at all, and a lane's steps happen in their order.
 *
 * **Invariant:** what is in a lane says how many steps have happened; `stateAfter` says what must then be there, to the last field.
 */

/** A record as it is compared. */
export interface Row {
  readonly id: string;
  readonly n: number;
  readonly body: string;
}

/** One write of a step. */
export type Write =
  | { readonly op: "create"; readonly row: Row }
  | { readonly op: "update"; readonly id: string; readonly n: number }
  | { readonly op: "delete"; readonly id: string };

export const LANES = ["single", "update", "batch", "transaction"] as const;

export type Lane = (typeof LANES)[number];

/** Records whose values change all the time. */
const UPDATED = 8;
/** A batch and a transaction delete what was made so many steps before. */
const BATCHES_KEPT = 3;

/** The step of a lane with that number, from 0. */
export function step(lane: Lane, number: number): Write[] {
  switch (lane) {
    case "single":
      return [{ op: "create", row: { id: `single-${number}`, n: number, body: body(number) } }];
    case "update":
      return number < UPDATED
        ? [{ op: "create", row: { id: `update-${number}`, n: number, body: "" } }]
        : [{ op: "update", id: `update-${number % UPDATED}`, n: number }];
    case "batch":
    case "transaction":
      return group(lane, number);
  }
}

/** All of a lane's records after so many steps, by their ids. */
export function stateAfter(lane: Lane, steps: number): Map<string, Row> {
  const state = new Map<string, Row>();
  // Nothing older than this is left of the lanes that delete, and nothing of it shows in the lane that updates.
  const first = lane === "single" ? 0 : Math.max(0, steps - Math.max(UPDATED, BATCHES_KEPT) - 1);
  if (first > 0) {
    if (lane === "update") for (let n = 0; n < UPDATED; n += 1) state.set(`update-${n}`, { id: `update-${n}`, n, body: "" });
    else state.set(`${lane}-head`, { id: `${lane}-head`, n: first - 1, body: "" });
  }
  for (let number = first; number < steps; number += 1) for (const write of step(lane, number)) apply(state, write);
  return state;
}

/** How many steps a lane has taken, by what is in it. */
export function stepsIn(lane: Lane, rows: readonly Row[]): number {
  if (lane === "single") return rows.length;
  const counted = lane === "update" ? rows : rows.filter((row) => row.id === `${lane}-head`);
  return Math.max(-1, ...counted.map((row) => row.n)) + 1;
}

export function laneOf(row: Row): Lane | undefined {
  return LANES.find((lane) => row.id.startsWith(`${lane}-`));
}

/** A head that counts, new records that carry its number, and the end of older ones. */
function group(lane: Lane, number: number): Write[] {
  const head: Write =
    number === 0
      ? { op: "create", row: { id: `${lane}-head`, n: 0, body: "" } }
      : { op: "update", id: `${lane}-head`, n: number };
  const made = Array.from({ length: size(number) }, (_, index): Write => {
    return { op: "create", row: { id: `${lane}-${number}-${index}`, n: number, body: body(number + index) } };
  });
  const old = number - BATCHES_KEPT;
  const gone = Array.from({ length: old < 0 ? 0 : size(old) }, (_, index): Write => {
    return { op: "delete", id: `${lane}-${old}-${index}` };
  });
  return [head, ...made, ...gone];
}

function size(number: number): number {
  return 2 + (mix(number) % 11);
}

/** Mostly short, sometimes of several kilobytes. */
function body(number: number): string {
  const mixed = mix(number);
  return `${mixed}`.padEnd(mixed % 29 === 0 ? 6_000 : mixed % 300, ".");
}

function apply(state: Map<string, Row>, write: Write): void {
  if (write.op === "create") state.set(write.row.id, write.row);
  else if (write.op === "delete") state.delete(write.id);
  else {
    const known = state.get(write.id);
    if (known !== undefined) state.set(write.id, { ...known, n: write.n });
  }
}

/** The same for the same number, and different for the next (xorshift-multiply). */
function mix(number: number): number {
  let mixed = Math.imul(number ^ 0x9e3779b9, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
