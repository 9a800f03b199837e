/** The page that is killed: it writes as fast as it can and reports each write when it is acknowledged, never before. */
import { type Db, openDatabase, type Safety } from "./database";
import { type Lane, LANES, type Row, step, type Write } from "./lanes";

/** What a page finds when it has opened the database. */
export interface Found {
  readonly rows: readonly Row[];
  /** Changes that wait for the server. */
  readonly pending: number;
  /** Whether IndexedDB was empty: a database beside ours, which nobody deletes, is not there. */
  readonly isEmpty: boolean;
  /** What the database says about a wipe, as JSON, or `null`. */
  readonly wiped: string | null;
}

export interface KillPage {
  open(name: string, safety: Safety): Promise<Found>;
  /** The same, later. */
  look(): Promise<Found>;
  /** Waits until the browser's log has been renewed, at most so long; whether it was. */
  healed(withinMs: number): Promise<boolean>;
  /** Writes on from those steps, so many in each lane; resolves when all are acknowledged. */
  write(from: Record<Lane, number>, count: number): Promise<void>;
}

declare global {
  interface Window {
    killPage: KillPage;
    /** Tells the runner that a step was acknowledged. */
    acknowledged(lane: Lane, number: number): void;
    /** Tells the runner that a write failed, which none may. */
    failed(message: string): void;
  }
}

let db: Db;
let isEmpty = false;
let healing: Promise<void>;

window.killPage = {
  async open(name, safety) {
    isEmpty = await makeSentinel();
    healing = watchHealing();
    db = await openDatabase(name, safety);
    return find();
  },
  look: find,
  async healed(withinMs) {
    const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), withinMs));
    return Promise.race([healing.then(() => true as const), late]);
  },
  async write(from, count) {
    await Promise.all(LANES.map((lane) => run(lane, from[lane], count)));
  },
};

// Opens by itself when the address says which: then nobody is connected who could ask.
if (location.hash !== "") void openDatabase(location.hash.slice(1), { mirror: true, heal: true });

async function find(): Promise<Found> {
  const rows = await db.item.query();
  return {
    rows: rows.map(({ id, n, body }) => ({ id, n, body })),
    pending: db.sync.status.pending,
    isEmpty,
    wiped: wiped(),
  };
}

/**
 * Resolves when the browser's log has been renewed, and the records of killed sessions are gone: a page that leaves before that makes the next
 * start renew the log once more. The throw-away data is a database while it is written.
 */
async function watchHealing(): Promise<void> {
  const isAtWork = async (): Promise<boolean> => (await indexedDB.databases()).some(({ name }) => name === "whimbrel-heal");
  while (!(await isAtWork())) await nextLook();
  while (await isAtWork()) await nextLook();
  await navigator.locks.request("whimbrel-sweep", () => undefined);
}

function nextLook(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}

/** Makes a database of the page's own; whether it was not there. */
function makeSentinel(): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("sentinel", 1);
    let isNew = false;
    request.onupgradeneeded = () => {
      isNew = true;
      request.result.createObjectStore("nothing");
    };
    request.onsuccess = () => resolve(isNew);
    request.onerror = () => reject(request.error ?? new Error("no sentinel"));
  });
}

function wiped(): string | null {
  const { wiped } = db.health.status;
  return wiped === null ? null : JSON.stringify(wiped);
}

async function run(lane: Lane, from: number, count: number): Promise<void> {
  try {
    for (let number = from; number < from + count; number += 1) {
      await perform(lane, step(lane, number));
      window.acknowledged(lane, number);
    }
  } catch (error) {
    window.failed(`${lane}: ${String(error)}`);
  }
}

async function perform(lane: Lane, writes: readonly Write[]): Promise<void> {
  const [first] = writes;
  if (lane === "transaction") {
    await db.transaction(async ({ item }) => {
      // What is read makes the transaction one that could conflict, as an app's are.
      await item.get("transaction-head");
      for (const write of writes) {
        if (write.op === "create") await item.create(write.row);
        else if (write.op === "update") await item.update(write.id, { n: write.n });
        else await item.delete(write.id);
      }
    });
  } else if (lane === "batch" || first === undefined) {
    await db.batch(({ item }) => {
      for (const write of writes) {
        if (write.op === "create") item.create(write.row);
        else if (write.op === "update") item.update(write.id, { n: write.n });
        else item.delete(write.id);
      }
    });
  } else if (first.op === "create") await db.item.create(first.row);
  else if (first.op === "update") await db.item.update(first.id, { n: first.n });
}
