/** What rows are told apart by: one number for their contents and their order. */
import { type Row, toValues } from "./row";

const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1a, 32 bits, over the UTF-16 units of the rows' values. */
export function digest(rows: readonly Row[]): number {
  let hash = OFFSET_BASIS;
  for (const row of rows) {
    const text = JSON.stringify(toValues(row));
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME);
  }
  return hash >>> 0;
}

export function byId(a: Row, b: Row): number {
  return a.id < b.id ? -1 : 1;
}

/** By due date; rows due at the same time by id. */
export function byDueAt(a: Row, b: Row): number {
  return a.dueAt - b.dueAt || byId(a, b);
}
