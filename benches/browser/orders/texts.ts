/**
 * The rows as text, in the forms that the peers take them in. All hold {@link LINE_ROWS} rows a line, so that nobody has to parse
 * everything at once.
 */
import { COLUMNS, LINE_ROWS, type Row, toValues } from "./row";

/** `objects`: arrays of objects. `columns`: arrays of arrays. `pull`: a pull's answer, as docs/PROTOCOL.md describes it. */
export type Form = "objects" | "columns" | "pull";

export const FORMS: readonly Form[] = ["objects", "columns", "pull"];

const BUCKET = "workOrder/all";

export function toText(rows: readonly Row[], form: Form): string {
  const lines = form === "pull" ? pull(rows) : batches(rows).map((batch) => (form === "objects" ? batch : batch.map(toValues)));
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

function pull(rows: readonly Row[]): object[] {
  const bodies = batches(rows).flatMap((batch, index, all) => {
    const data = batch.map((row, offset) => {
      const [id, ...fields] = toValues(row);
      return [id, 1 + index * LINE_ROWS + offset, ...fields];
    });
    const [id, ...names] = COLUMNS;
    const more = index + 1 < all.length;
    return [
      { rows: { bucket: BUCKET, columns: [id, "_version", ...names], data } },
      { cursor: { bucket: BUCKET, cursor: `bench.${index}`, more } },
    ];
  });
  const start = { protocol: 1, history: "browser-bench", buckets: [{ bucket: BUCKET, pending: rows.length }] };
  return [{ start }, ...bodies, { end: {} }];
}

function batches(rows: readonly Row[]): Row[][] {
  const count = Math.ceil(rows.length / LINE_ROWS);
  return Array.from({ length: count }, (_, index) => rows.slice(index * LINE_ROWS, (index + 1) * LINE_ROWS));
}
