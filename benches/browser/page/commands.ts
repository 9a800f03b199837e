/** What the runner asks of a page, and what it gets. Digests go back, not rows: the runner compares them with its own. */
import type { DueChange, StatusChange } from "../orders/row";
import type { Answers } from "../orders/plan";
import type { Form } from "../orders/texts";

export interface Timed {
  readonly ms: number;
}

export interface TimedDigest extends Timed {
  readonly digest: number;
}

export interface Loaded extends Timed {
  readonly longestTaskMs: number;
}

export interface Commands {
  /** Fetches the peer's text, then loads it. Only the loading is timed. */
  load(): Promise<Loaded>;
  /** Gets by id, one after the other; once to warm up, once timed. */
  gets(ids: readonly string[]): Promise<TimedDigest>;
  /** The median of a query's times. */
  sortedQuery(limit: number): Promise<TimedDigest>;
  countOpen(): Promise<Timed & { readonly count: number }>;
  sum(): Promise<Timed & { readonly sum: number }>;
  /** Updates, each awaited before the next. */
  serialWrites(changes: readonly StatusChange[]): Promise<Timed>;
  batchUpdate(changes: readonly DueChange[]): Promise<Timed>;
  /** Everything the peer says about its rows. Not timed. */
  answers(sortedRows: number): Promise<Answers>;
  storageBytes(): Promise<number>;
  /** What a page that was opened for a cold start has found. */
  cold(): Promise<TimedDigest>;
}

/** Where the server has the rows in a form. */
export function textPath(form: Form): string {
  return `/${form}.txt`;
}

/** What a cold start asks for. It stands in the page's address, so that the page needs nobody to tell it. */
export type ColdQuestion = { readonly get: string } | { readonly sorted: number };

export function toHash(question: ColdQuestion): string {
  return `#${encodeURIComponent(JSON.stringify(question))}`;
}

export function fromHash(hash: string): ColdQuestion | undefined {
  return hash === "" ? undefined : (JSON.parse(decodeURIComponent(hash.slice(1))) as ColdQuestion);
}
