import { expect, test } from "vitest";

import { digest } from "../orders/digest";
import { generate } from "../orders/generate";
import { answers, BATCH_ROWS, makePlan, SERIAL_WRITES } from "../orders/plan";
import { COLUMNS, LINE_ROWS, type Row, toValues } from "../orders/row";
import { FORMS, toText } from "../orders/texts";

const SEED = 7;
const rows = generate(4_500, SEED);

test("the same seed makes the same rows, another one others", () => {
  expect(generate(4_500, SEED)).toEqual(rows);
  expect(digest(generate(4_500, SEED + 1))).not.toBe(digest(rows));
});

test("rows are about 240 bytes, their ids are different UUIDs in ascending order", () => {
  const bytes = rows.reduce((sum, row) => sum + JSON.stringify(row).length, 0) / rows.length;
  expect(bytes).toBeGreaterThan(230);
  expect(bytes).toBeLessThan(250);
  for (const [index, { id }] of rows.entries()) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    if (index > 0) expect(id > (rows[index - 1] as Row).id).toBe(true);
  }
});

test("a digest sees every field and the order", () => {
  const [first, second] = [rows[0] as Row, rows[1] as Row];
  const changed = COLUMNS.map((name) => digest([{ ...first, [name]: second[name] === first[name] ? "other" : second[name] }, second]));
  const all = [...changed, digest([first, second]), digest([second, first])];
  expect(new Set(all).size).toBe(all.length);
});

test("every form holds all rows in their order, at most so many a line", () => {
  for (const form of FORMS) {
    const lines = toText(rows, form).trimEnd().split("\n").map((line) => JSON.parse(line));
    const batches: unknown[][] = form === "pull" ? lines.flatMap(({ rows }) => (rows === undefined ? [] : [rows.data])) : lines;
    expect(batches.map(({ length }) => length)).toEqual([LINE_ROWS, LINE_ROWS, 500]);
    const expected = rows.map((row, index) => {
      const [id, ...fields] = toValues(row);
      return { objects: row, columns: [id, ...fields], pull: [id, index + 1, ...fields] }[form];
    });
    expect(batches.flat()).toEqual(expected);
  }
});

test("a pull begins with start, has a cursor after every batch, and ends with end", () => {
  const lines = toText(rows, "pull").trimEnd().split("\n").map((line) => JSON.parse(line));
  expect(lines.map((line) => Object.keys(line)[0])).toEqual(["start", "rows", "cursor", "rows", "cursor", "rows", "cursor", "end"]);
  expect(lines.flatMap(({ cursor }) => cursor?.more ?? [])).toEqual([true, true, false]);
});

test("a plan changes what it says, and what it expects afterwards is another answer", () => {
  const plan = makePlan(rows, SEED);
  const status = new Map(rows.map((row) => [row.id, row.status]));
  expect(new Set(plan.serialWrites.map(({ id }) => id)).size).toBe(SERIAL_WRITES);
  expect(new Set(plan.batch.map(({ id }) => id)).size).toBe(BATCH_ROWS);
  for (const change of plan.serialWrites) expect(change.status).not.toBe(status.get(change.id));
  expect(plan.before).toEqual(answers(rows));
  expect(plan.after.sum).toBe(plan.before.sum);
  expect(plan.after.digest).not.toBe(plan.before.digest);
  expect(plan.after.sortedDigest).not.toBe(plan.before.sortedDigest);
});
