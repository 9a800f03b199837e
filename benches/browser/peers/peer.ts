/** What every peer does, each in the way that is best for it. The pages time these calls and nothing else. */
import type { Form } from "../orders/texts";
import type { DueChange, Row, StatusChange } from "../orders/row";

/** A row as a peer returns it: some have dates for timestamps, and some have more fields. */
export type FoundRow = Omit<Row, "dueAt"> & { readonly dueAt: number | Date };

/** One way to keep the rows of the bench. All of them write with relaxed durability, the default of Chromium. */
export interface Peer {
  /** The form of the text that it loads fastest. */
  readonly form: Form;
  /** Whether it takes the text as bytes, as they came from the network. */
  readonly takesBytes: boolean;
  open(): Promise<void>;
  /** Stores the rows of a text; resolves when they are durable. */
  load(text: string | Uint8Array): Promise<void>;
  get(id: string): Promise<FoundRow | undefined>;
  /** The first rows by due date; of rows due at the same time, by id. */
  firstByDueAt(limit: number): Promise<FoundRow[]>;
  countOpen(): Promise<number>;
  /** The sum of `number` over all rows. */
  sumOfNumbers(): Promise<number>;
  all(): Promise<FoundRow[]>;
  /** Changes one field of one row; resolves when it is durable. */
  setStatus(change: StatusChange): Promise<void>;
  /** Changes one field of many rows, all or none; resolves when it is durable. */
  reschedule(changes: readonly DueChange[]): Promise<void>;
}
