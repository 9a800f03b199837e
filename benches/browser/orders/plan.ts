/** What a run does to the rows, and what must be there afterwards: the bench's own account, kept without any of the peers. */
import { byDueAt, byId, digest } from "./digest";
import { Random } from "./random";
import { type DueChange, type Row, type Status, type StatusChange, STATUSES } from "./row";

export const COLD_STARTS = 5;
export const GETS = 1_000;
export const SERIAL_WRITES = 200;
export const BATCH_ROWS = 1_000;
export const SORTED_ROWS = 50;

/** So far that the first rows by due date are other ones afterwards: an index that was not updated is found out. */
const EARLIER_MS = 365 * 24 * 3600 * 1000;

/** The answers to the bench's questions. */
export interface Answers {
  /** Of all rows, in the order of their ids. */
  readonly digest: number;
  /** Of the first {@link SORTED_ROWS} by due date. */
  readonly sortedDigest: number;
  readonly openCount: number;
  readonly sum: number;
}

export interface Plan {
  readonly rows: number;
  readonly coldIds: readonly string[];
  readonly coldDigests: readonly number[];
  readonly getIds: readonly string[];
  readonly getDigest: number;
  readonly serialWrites: readonly StatusChange[];
  readonly batch: readonly DueChange[];
  readonly before: Answers;
  readonly after: Answers;
}

export function makePlan(rows: readonly Row[], seed: number): Plan {
  const random = new Random(seed ^ 0x5eed);
  const cold = random.sample(rows, COLD_STARTS);
  const gets = random.sample(rows, GETS);
  const serialWrites = random.sample(rows, SERIAL_WRITES).map(({ id, status }) => ({ id, status: otherThan(random, status) }));
  const batch = random.sample(rows, BATCH_ROWS).map(({ id, dueAt }) => ({ id, dueAt: dueAt - EARLIER_MS }));
  return {
    rows: rows.length,
    coldIds: cold.map(({ id }) => id),
    coldDigests: cold.map((row) => digest([row])),
    getIds: gets.map(({ id }) => id),
    getDigest: digest(gets),
    serialWrites,
    batch,
    before: answers(rows),
    after: answers(apply(rows, serialWrites, batch)),
  };
}

function otherThan(random: Random, status: Status): Status {
  const next = (STATUSES.indexOf(status) + 1 + random.below(STATUSES.length - 1)) % STATUSES.length;
  return STATUSES[next] ?? status;
}

function apply(rows: readonly Row[], statuses: readonly StatusChange[], dues: readonly DueChange[]): Row[] {
  const status = new Map(statuses.map((change) => [change.id, change.status]));
  const due = new Map(dues.map((change) => [change.id, change.dueAt]));
  return rows.map((row) => ({ ...row, status: status.get(row.id) ?? row.status, dueAt: due.get(row.id) ?? row.dueAt }));
}

export function answers(rows: readonly Row[]): Answers {
  return {
    digest: digest([...rows].sort(byId)),
    sortedDigest: digest([...rows].sort(byDueAt).slice(0, SORTED_ROWS)),
    openCount: rows.filter(({ status }) => status === "open").length,
    sum: rows.reduce((sum, { number }) => sum + number, 0),
  };
}
