/**
 * What is done to the database while a call fails, and the oracle beside it: the states that the database may be in. A step that is acknowledged
 * is in all of them; one that failed in doubt is in some; one that failed with the word that nothing was written is in none.
 */
import { type Database, entity, integer, open, text, Whimbrel, WhimbrelError } from "whimbrel";

const entities = {
  item: entity({ n: integer().index(), body: text() }),
  place: entity({ name: text().index() }, { sync: "readOnly" }),
};

export type Db = Database<typeof entities>;

export interface State {
  /** The numbers of the items, by id. */
  readonly items: Readonly<Record<string, number>>;
  readonly places: number;
}

export const EMPTY: State = { items: {}, places: 0 };

const PLACES = 2_000;
/** Twelve of them are more than the log's tail may hold: what follows is a compaction. */
const LARGE = Array.from({ length: 12 }, (_, index) => `large-${index}`);

export interface Step {
  readonly stage: string;
  run(db: Db): Promise<unknown>;
  /** The state after it. */
  after(state: State): State;
}

/** A database whose every page that is not in use is forgotten, so that reads need pages. */
export function openStory(name: string): Promise<Db> {
  return open({ name, entities, cacheBytes: 1 });
}

/** What waits goes with it. */
export async function destroyStory(name: string): Promise<void> {
  await Whimbrel.destroy(name, { force: true });
}

/** Codes with which nothing was written, as the README says. */
const NOTHING_WRITTEN: readonly string[] = ["store/failed", "store/quota", "store/unavailable", "store/closed", "row/not-found"];

/** Whether a failed step may have happened all the same. */
export const isInDoubt = (code: string): boolean => !NOTHING_WRITTEN.includes(code);

export const STEPS: readonly Step[] = [
  { stage: "create", run: (db) => db.item.create({ id: "a", n: 0, body: "one" }), after: puts({ a: 0 }) },
  {
    stage: "batch",
    run: (db) =>
      db.batch(({ item }) => {
        for (const id of ["b1", "b2", "b3"]) item.create({ id, n: 1, body: "several" });
        item.update("a", { n: 1 });
      }),
    after: puts({ b1: 1, b2: 1, b3: 1, a: 1 }),
  },
  { stage: "load", run: (db) => db.load(lines()), after: (state) => ({ ...state, places: PLACES }) },
  {
    stage: "transaction",
    run: (db) =>
      db.transaction(async (tx) => {
        const known = await tx.item.get("a");
        if (known === undefined) return;
        await tx.item.update("a", { n: known.n + 10 });
        await tx.item.create({ id: "t", n: known.n, body: "of a transaction" });
      }),
    after: (state) => ("a" in state.items ? puts({ a: (state.items["a"] ?? 0) + 10, t: state.items["a"] ?? 0 })(state) : state),
  },
  {
    stage: "large",
    run: (db) =>
      db.batch(({ item }) => {
        for (const id of LARGE) item.create({ id, n: 7, body: id.padEnd(24_000, ".") });
      }),
    after: puts(Object.fromEntries(LARGE.map((id) => [id, 7]))),
  },
  { stage: "update", run: (db) => db.item.update("a", { n: 2 }), after: puts({ a: 2 }) },
  {
    stage: "delete",
    run: (db) => db.item.delete("a"),
    after: ({ items: { a: _, ...items }, places }) => ({ items, places }),
  },
];

/** Everything, read in several ways that must agree. */
export async function look(db: Db): Promise<State> {
  const rows = await db.item.query({ orderBy: { n: "asc" } });
  const [items, places, counted] = [await db.item.query(), await db.place.count(), await db.item.count()];
  const byId = Object.fromEntries(items.map(({ id, n }) => [id, n]));
  if (rows.length !== items.length || rows.some(({ id, n }) => byId[id] !== n) || counted !== items.length) {
    throw new Error(`the ways of reading disagree: ${JSON.stringify([rows.length, items.length, counted])}`);
  }
  return { items: byId, places };
}

/** A state as text, the same for equal ones. */
export function canonical({ items, places }: State): string {
  return JSON.stringify([Object.entries(items).sort(([a], [b]) => (a < b ? -1 : 1)), places]);
}

/** The code of what a call failed with. Anything but a typed error is a finding. */
export function codeOf(thrown: unknown): string {
  if (!(thrown instanceof WhimbrelError)) return `untyped: ${String(thrown)}`;
  return thrown.code;
}

function puts(changed: Readonly<Record<string, number>>): (state: State) => State {
  return ({ items, places }) => ({ items: { ...items, ...changed }, places });
}

function lines(): string {
  const data = Array.from({ length: PLACES }, (_, row) => [`place-${row}`, row + 1, `the place of number ${row}`]);
  const [bucket, columns] = ["place/all", ["id", "_version", "name"]];
  return [
    { start: { protocol: 1, history: "h", buckets: [{ bucket, pending: PLACES }] } },
    { rows: { bucket, columns, data } },
    { cursor: { bucket, cursor: "c", more: false } },
    { end: {} },
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");
}
