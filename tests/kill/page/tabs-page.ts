/**
 * A tab that works on records which another tab works on as well, and says of each transaction what it has seen and what it has made.
 *
 * Contested places are read and written in transactions. Place 5 is a record `item-5`, or, when that was deleted, a record `grave-5`, or
 * neither before the first write; its `body` is the transaction that wrote it last. So a history of who saw whom can be put together.
 *
 * Marks are written blindly: three of them always together in one batch, each tab in a field of its own.
 */
import { type RecordOf, Whimbrel } from "whimbrel";

import type { Report } from "../runner/history";
import { Random } from "../runner/random";
import { type Db, type entities, openDatabase } from "./database";

const PLACES = 24;
const TOGETHER = ["mark-0", "mark-1", "mark-2"];
const ALONE = ["mark-3", "mark-4"];
const SAFETY = { mirror: true, heal: true };
/** Two tabs that want the same meet again and again. */
const RETRIES = 1_000;

/** All there is, for comparison. */
export interface Contents {
  /** Who wrote each contested place last; `item` or `grave`, then the transaction. */
  readonly places: Readonly<Record<string, string>>;
  readonly marks: Readonly<Record<string, { readonly a: number; readonly b: number }>>;
}

export interface TabsPage {
  open(name: string, create: boolean): Promise<void>;
  /** Works until so many transactions are acknowledged, in several lanes at a time. */
  work(tab: "a" | "b", seed: number, transactions: number, lanes: number): Promise<void>;
  read(): Promise<Contents>;
  /** What the watch over everything contested has said last. */
  watched(): Contents["places"];
  destroy(name: string): Promise<void>;
  /** How this tab learns that the database is gone: the code of `closed`, and of a call. */
  ended(): Promise<string>;
}

declare global {
  interface Window {
    tabsPage: TabsPage;
    report(report: Report): void;
  }
}

type Tx = Parameters<Parameters<Db["transaction"]>[0]>[0];
type Item = RecordOf<typeof entities.item>;

let db: Db;
let watched: readonly Item[] = [];

window.tabsPage = {
  async open(name, create) {
    db = await openDatabase(name, SAFETY);
    if (create) {
      await db.batch(({ mark }) => [...TOGETHER, ...ALONE].forEach((id) => mark.create({ id, a: 0, b: 0 })));
    }
    db.item.watch().subscribe((items) => {
      watched = items;
    });
  },
  async work(tab, seed, transactions, lanes) {
    const left = { count: transactions };
    await Promise.all(Array.from({ length: lanes }, (_, lane) => new Lane(tab, lane, seed + lane, left).work()));
  },
  async read() {
    const marks = await db.mark.query();
    return {
      places: placesOf(await db.item.query()),
      marks: Object.fromEntries(marks.map(({ id, a, b }) => [id, { a, b }])),
    };
  },
  watched: () => placesOf(watched),
  async destroy(name) {
    await Whimbrel.destroy(name, { force: true });
  },
  async ended() {
    const { code } = await db.closed;
    const call = await db.item.count().then(String, (error: { code?: string }) => error.code);
    return `${code} ${call}`;
  },
};

/** The newest finished transaction of each of this tab's lanes. */
const finished = new Map<number, string>();

class Lane {
  readonly #tab: "a" | "b";
  readonly #lane: number;
  readonly #random: Random;
  readonly #left: { count: number };
  #number = 0;

  constructor(tab: "a" | "b", lane: number, seed: number, left: { count: number }) {
    this.#tab = tab;
    this.#lane = lane;
    this.#random = new Random(seed);
    this.#left = left;
  }

  async work(): Promise<void> {
    while (this.#left.count > 0) {
      this.#left.count -= 1;
      this.#number += 1;
      const id = `${this.#tab}${this.#lane}-${this.#number}`;
      const after = [...finished.values()];
      window.report({ id, after, ...(await this.#one(id)) });
      finished.set(this.#lane, id);
    }
  }

  async #one(id: string): Promise<Omit<Report, "id" | "after">> {
    const kind = this.#random.below(10);
    // Blind writes of one lane only, so that the last one is known.
    if (kind < 2 && this.#lane === 0) return { seen: {}, written: [], marks: await this.#mark(kind === 0) };
    if (kind === 2) return db.transaction((tx) => lookAtAll(tx), { retries: RETRIES });
    const places = Array.from({ length: 1 + this.#random.below(4) }, () => this.#random.below(PLACES));
    const actions = new Map(places.map((place) => [place, this.#random.below(4)]));
    return db.transaction((tx) => change(tx, id, actions), { retries: RETRIES });
  }

  async #mark(isTogether: boolean): Promise<Record<string, number>> {
    const ids = isTogether ? TOGETHER : [ALONE[this.#random.below(ALONE.length)] ?? "mark-3"];
    const value = { [this.#tab]: this.#number };
    const [only] = ids;
    if (only !== undefined && ids.length === 1) await db.mark.update(only, value);
    else await db.batch(({ mark }) => ids.forEach((id) => mark.update(id, value)));
    return Object.fromEntries(ids.map((id) => [id, this.#number]));
  }
}

/** Reads some places and writes some of them: 0 looks only, 1 and 2 change what is there, 3 deletes it or brings it back. */
async function change(tx: Tx, by: string, actions: ReadonlyMap<number, number>): Promise<Omit<Report, "id" | "after">> {
  const seen: Record<string, string> = {};
  const written: string[] = [];
  for (const [place, action] of actions) {
    const [item, grave] = [await tx.item.get(`item-${place}`), await tx.item.get(`grave-${place}`)];
    if (item !== undefined && grave !== undefined) throw new Error(`place ${place} is torn: ${item.body} and ${grave.body}`);
    seen[place] = (item ?? grave)?.body ?? "";
    if (action === 0) continue;
    written.push(String(place));
    const row = { n: (item ?? grave)?.n ?? 0, body: by };
    if (item === undefined) {
      if (grave !== undefined) await tx.item.delete(grave.id);
      await tx.item.create({ id: `item-${place}`, ...row });
    } else if (action < 3) {
      await tx.item.update(item.id, row);
    } else {
      await tx.item.delete(item.id);
      await tx.item.create({ id: `grave-${place}`, ...row });
    }
    const now = await tx.item.get(action === 3 && item !== undefined ? `grave-${place}` : `item-${place}`);
    if (now?.body !== by) throw new Error(`${by} does not see its own write of place ${place}, but ${now?.body}`);
  }
  return { seen, written };
}

/** One look at everything: each place is there once, and what was written together is together. */
async function lookAtAll(tx: Tx): Promise<Omit<Report, "id" | "after">> {
  const places = placesOf(await tx.item.query());
  const seen = Object.fromEntries(Array.from({ length: PLACES }, (_, place) => [place, (places[place] ?? "").replace(/^\w+ /, "")]));
  const marks = await tx.mark.query();
  const together = new Set(marks.filter(({ id }) => TOGETHER.includes(id)).map(({ a, b }) => `${a} ${b}`));
  if (together.size !== 1) throw new Error(`a batch is torn: ${[...together].join(", ")}`);
  return { seen, written: [] };
}

function placesOf(items: readonly Item[]): Record<string, string> {
  const places: Record<string, string> = {};
  for (const { id, body } of items) {
    const [kind, place] = id.split("-") as [string, string];
    if (places[place] !== undefined) throw new Error(`place ${place} is torn: ${places[place]} and ${kind} ${body}`);
    places[place] = `${kind} ${body}`;
  }
  return places;
}
