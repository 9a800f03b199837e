/** Puts a peer into a page: the commands of the runner, timed here, or a cold start when the page's address asks for one. */
import { type Answers, answers } from "../orders/plan";
import { digest } from "../orders/digest";
import { median } from "../orders/median";
import type { Row } from "../orders/row";
import type { FoundRow, Peer } from "../peers/peer";
import { type ColdQuestion, type Commands, fromHash, type Loaded, textPath, type TimedDigest } from "./commands";
import { StallMeter } from "./stall-meter";

declare global {
  var bench: Commands;
}

/** Queries are short: many are timed one by one, after some that are not. */
const QUERIES = 50;
const QUERIES_BEFORE = 10;
const SUMS = 3;
/** Lets what came before (the fetch, the garbage) come to rest. */
const QUIET_MS = 300;

export function mount(peer: Peer): void {
  const question = fromHash(location.hash);
  const cold = question === undefined ? undefined : coldStart(peer, question);
  const opened = cold === undefined ? peer.open() : cold.then(() => undefined);
  globalThis.bench = {
    async load() {
      await opened;
      return load(peer);
    },
    async gets(ids) {
      await opened;
      await getEach(peer, ids);
      const [ms, rows] = await timed(() => getEach(peer, ids));
      return { ms, digest: digest(rows.map(toRow)) };
    },
    async sortedQuery(limit) {
      await opened;
      const [ms, rows] = await medianOf(QUERIES, QUERIES_BEFORE, () => peer.firstByDueAt(limit));
      return { ms, digest: digest(rows.map(toRow)) };
    },
    async countOpen() {
      await opened;
      const [ms, count] = await medianOf(QUERIES, QUERIES_BEFORE, () => peer.countOpen());
      return { ms, count };
    },
    async sum() {
      await opened;
      const [ms, sum] = await medianOf(SUMS, 1, () => peer.sumOfNumbers());
      return { ms, sum };
    },
    async serialWrites(changes) {
      await opened;
      const [ms] = await timed(async () => {
        for (const change of changes) await peer.setStatus(change);
      });
      return { ms };
    },
    async batchUpdate(changes) {
      await opened;
      const [ms] = await timed(() => peer.reschedule(changes));
      return { ms };
    },
    async answers(sortedRows): Promise<Answers> {
      await opened;
      const sorted = (await peer.firstByDueAt(sortedRows)).map(toRow);
      const [openCount, sum] = [await peer.countOpen(), await peer.sumOfNumbers()];
      return { ...answers((await peer.all()).map(toRow)), sortedDigest: digest(sorted), openCount, sum };
    },
    async storageBytes() {
      return (await navigator.storage.estimate()).usage ?? 0;
    },
    async cold() {
      if (cold === undefined) throw new Error("this page was not opened for a cold start");
      return cold;
    },
  };
}

/** To the first row: from the navigation, as the user waits. To the first sorted rows: from the open database. */
async function coldStart(peer: Peer, question: ColdQuestion): Promise<TimedDigest> {
  await peer.open();
  if ("get" in question) {
    const row = await peer.get(question.get);
    return { ms: performance.now(), digest: digest(row === undefined ? [] : [toRow(row)]) };
  }
  const [ms, rows] = await timed(() => peer.firstByDueAt(question.sorted));
  return { ms, digest: digest(rows.map(toRow)) };
}

async function load(peer: Peer): Promise<Loaded> {
  const response = await fetch(textPath(peer.form));
  const text = peer.takesBytes ? new Uint8Array(await response.arrayBuffer()) : await response.text();
  const meter = await StallMeter.start();
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  const start = performance.now();
  await peer.load(text);
  const end = performance.now();
  return { ms: end - start, longestTaskMs: await meter.stop(start, end) };
}

async function getEach(peer: Peer, ids: readonly string[]): Promise<FoundRow[]> {
  const rows: FoundRow[] = [];
  for (const id of ids) {
    const row = await peer.get(id);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const start = performance.now();
  const made = await work();
  return [performance.now() - start, made];
}

async function medianOf<T>(times: number, before: number, work: () => Promise<T>): Promise<[number, T]> {
  let made: T = await work();
  for (let done = 1; done < before; done += 1) made = await work();
  const all: number[] = [];
  for (let done = 0; done < times; done += 1) {
    const [ms, again] = await timed(work);
    all.push(ms);
    made = again;
  }
  return [median(all), made];
}

/** The row's own fields, in numbers and texts: what can be compared. */
function toRow({ id, title, status, placeId, dueAt, number, note }: FoundRow): Row {
  return { id, title, status, placeId, dueAt: Number(dueAt), number, note };
}
