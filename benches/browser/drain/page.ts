/** The page of the drain: the package as an app uses it, with commands for the runner. */
import { type Database, entity, integer, open, ref, text, timestamp } from "whimbrel";

import { byId, digest } from "../orders/digest";
import { fromValues, type Row, type RowValues } from "../orders/row";

const entities = {
  place: entity({ name: text() }, { sync: "readOnly" }),
  workOrder: entity({
    title: text().max(200),
    status: text().index(),
    placeId: ref("place"),
    dueAt: timestamp().index(),
    number: integer(),
    note: text(),
  }),
};
const units = { send: { push: ["workOrder"] }, fetch: { pull: ["workOrder"] } } as const;

type Unit = keyof typeof units;

/** What a run came to. */
export interface Ran {
  readonly ms: number;
  readonly pushed: number;
  readonly pulled: number;
  /** When how many changes had been decided, in ms from the run's beginning. */
  readonly steps: readonly (readonly [ms: number, pushed: number])[];
}

/** What a page says that ran by itself. */
export interface Report extends Ran {
  /** How many changes still wait. */
  readonly pending: number;
}

/** What the runner asks for. */
export interface Drain {
  open(): Promise<void>;
  /** Creates the rows, as many at once as it says; resolves when they are saved. */
  queue(rows: readonly RowValues[], atOnce: number): Promise<void>;
  /** How many changes wait. */
  pending(): number;
  /** A run of a unit, to its end. */
  run(unit: Unit): Promise<Ran>;
  /** Of all rows on the device, in the order of their ids. */
  digest(): Promise<number>;
  /** Bytes of the engine's memory. WebAssembly never gives any back, so it is the most that there was in this page. */
  memoryBytes(): number;
}

declare global {
  var drain: Drain;
}

/** Before the package is loaded: whichever way it makes its instance, the memory is seen. */
const memories: WebAssembly.Memory[] = [];
for (const name of ["instantiate", "instantiateStreaming"] as const) {
  const own = WebAssembly[name] as (...args: unknown[]) => Promise<WebAssembly.WebAssemblyInstantiatedSource | WebAssembly.Instance>;
  Object.assign(WebAssembly, {
    [name]: async (...args: unknown[]) => {
      const made = await own.apply(WebAssembly, args);
      const { exports } = "instance" in made ? made.instance : made;
      memories.push(...Object.values(exports).filter((each): each is WebAssembly.Memory => each instanceof WebAssembly.Memory));
      return made;
    },
  });
}

let db: Database<typeof entities, Unit>;

globalThis.drain = {
  async open() {
    db = await open({ name: "drain", entities, units, server: { url: "/v1", token: "bench" } });
  },
  async queue(rows, atOnce) {
    for (let from = 0; from < rows.length; from += atOnce) {
      const records = rows.slice(from, from + atOnce).map((values) => {
        const row = fromValues(values);
        return { ...row, dueAt: new Date(row.dueAt) };
      });
      if (atOnce === 1) for (const record of records) await db.workOrder.create(record);
      else await db.batch(({ workOrder }) => records.forEach((record) => workOrder.create(record)));
    }
  },
  pending: () => db.sync.status.pending,
  async run(unit) {
    const steps: [number, number][] = [];
    const start = performance.now();
    const stop = db.sync.on("progress", ({ progress }) => void steps.push([performance.now() - start, progress.pushed]));
    // It is told behind `settled`.
    const complete = new Promise<{ readonly pushed: number; readonly pulled: number }>((told) => void db.sync.on("complete", told));
    const settled = await db.sync.trigger(unit).settled;
    const ms = performance.now() - start;
    stop();
    if (settled.outcome === "error") throw settled.error;
    if (settled.outcome !== "complete") throw new Error(`the run ended with ${settled.outcome}`);
    const { pushed, pulled } = await complete;
    return { ms, pushed, pulled, steps };
  },
  async digest() {
    const rows = await db.workOrder.query();
    return digest(rows.map((row) => ({ ...row, dueAt: Number(row.dueAt) }) as Row).sort(byId));
  },
  memoryBytes: () => memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0),
};

/** How long the browser has to start before the work begins, in ms. */
const CALM_MS = 1_000;

/** With the port of a listener as the hash, the page does its work by itself. */
async function runAlone(port: string): Promise<void> {
  const report = async (): Promise<Report> => {
    await globalThis.drain.open();
    const ran = await globalThis.drain.run("send");
    return { ...ran, pending: globalThis.drain.pending() };
  };
  await new Promise((calm) => setTimeout(calm, CALM_MS));
  const said = await report().catch((error: unknown) => ({ error: String(error) }));
  await fetch(`http://127.0.0.1:${port}/`, { method: "POST", mode: "no-cors", body: JSON.stringify(said) });
}

if (location.hash !== "") void runAlone(location.hash.slice(1));
