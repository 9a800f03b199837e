/** The rows of the bench: work orders, and what a run asks about them. Shared by the runner and the pages. */

export const STATUSES = ["open", "planned", "inProgress", "blocked", "done"] as const;

export type Status = (typeof STATUSES)[number];

/** A work order; as JSON about 240 bytes. `dueAt` is in milliseconds since 1970. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly status: Status;
  readonly placeId: string;
  readonly dueAt: number;
  readonly number: number;
  readonly note: string;
}

/** The fields in the order of every columnar form. */
export const COLUMNS = ["id", "title", "status", "placeId", "dueAt", "number", "note"] as const satisfies readonly (keyof Row)[];

/** The values of a row in the order of {@link COLUMNS}. */
export type RowValues = [string, string, Status, string, number, number, string];

export function toValues(row: Row): RowValues {
  return [row.id, row.title, row.status, row.placeId, row.dueAt, row.number, row.note];
}

export function fromValues([id, title, status, placeId, dueAt, number, note]: RowValues): Row {
  return { id, title, status, placeId, dueAt, number, note };
}

/** How many rows a line of a text holds: as many as a pull's batch. */
export const LINE_ROWS = 2_000;

export interface StatusChange {
  readonly id: string;
  readonly status: Status;
}

export interface DueChange {
  readonly id: string;
  readonly dueAt: number;
}
