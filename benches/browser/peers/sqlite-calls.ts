/** What the page asks of the worker that has SQLite, and the messages between them. */
import type { DueChange, RowValues, StatusChange } from "../orders/row";

export interface Calls {
  open(): void;
  load(text: Uint8Array): void;
  get(id: string): RowValues | undefined;
  firstByDueAt(limit: number): RowValues[];
  countOpen(): number;
  sumOfNumbers(): number;
  all(): RowValues[];
  setStatus(change: StatusChange): void;
  reschedule(changes: readonly DueChange[]): void;
}

export interface Question {
  readonly number: number;
  readonly call: keyof Calls;
  readonly args: readonly unknown[];
}

export type Answer = { readonly number: number } & ({ readonly made: unknown } | { readonly failure: string });
