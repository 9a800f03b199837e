/**
 * SQLite in a worker, the only place where it can have OPFS. Its pool of access handles is what its documentation calls the fastest of its
 * file systems; a pool belongs to one tab, so the write-ahead log needs no shared memory.
 */
import sqlite3InitModule, { type OpfsSAHPoolDatabase, type PreparedStatement } from "@sqlite.org/sqlite-wasm";

import { COLUMNS, type DueChange, type RowValues, type StatusChange } from "../orders/row";
import { lines } from "./lines";
import type { Answer, Calls, Question } from "./sqlite-calls";

/** In the write-ahead log a commit is written and not flushed: as IndexedDB's relaxed ones. */
const SCHEMA = `
  PRAGMA locking_mode = exclusive;
  PRAGMA journal_mode = wal;
  PRAGMA synchronous = normal;
  CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, status TEXT NOT NULL, placeId TEXT NOT NULL,
    dueAt INTEGER NOT NULL, number INTEGER NOT NULL, note TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS byStatus ON orders (status);
  CREATE INDEX IF NOT EXISTS byDueAt ON orders (dueAt);
`;
const SELECT = `SELECT ${COLUMNS.join(", ")} FROM orders`;
/** A whole line of the text at once: half of what a statement per row takes. */
const INSERT = `INSERT INTO orders (${COLUMNS.join(", ")}) SELECT ${COLUMNS.map((_, at) => `value ->> ${at}`).join(", ")} FROM json_each(?)`;

// The file systems that are not used need not be looked for.
Object.assign(globalThis, { sqlite3ApiConfig: { disable: { vfs: { kvvfs: true, opfs: true, "opfs-wl": true } } } });

class Sqlite implements Calls {
  readonly #database: OpfsSAHPoolDatabase;
  /** Statements are prepared once. */
  readonly #statements = new Map<string, PreparedStatement>();

  constructor(database: OpfsSAHPoolDatabase) {
    this.#database = database;
    database.exec(SCHEMA);
  }

  static async start(): Promise<Sqlite> {
    const sqlite3 = await sqlite3InitModule();
    const { OpfsSAHPoolDb } = await sqlite3.installOpfsSAHPoolVfs({});
    return new Sqlite(new OpfsSAHPoolDb("/orders.db"));
  }

  open(): void {}

  load(text: Uint8Array): void {
    const insert = this.#prepare(INSERT);
    for (const line of lines(new TextDecoder().decode(text))) insert.bind([line]).stepReset();
  }

  get(id: string): RowValues | undefined {
    return this.#rows(`${SELECT} WHERE id = ?`, [id])[0];
  }

  firstByDueAt(limit: number): RowValues[] {
    return this.#rows(`${SELECT} ORDER BY dueAt, id LIMIT ?`, [limit]);
  }

  countOpen(): number {
    return this.#number("SELECT count(*) FROM orders WHERE status = 'open'");
  }

  sumOfNumbers(): number {
    return this.#number("SELECT sum(number) FROM orders");
  }

  all(): RowValues[] {
    return this.#rows(SELECT, []);
  }

  setStatus({ id, status }: StatusChange): void {
    this.#prepare("UPDATE orders SET status = ? WHERE id = ?").bind([status, id]).stepReset();
  }

  reschedule(changes: readonly DueChange[]): void {
    const update = this.#prepare("UPDATE orders SET dueAt = ? WHERE id = ?");
    this.#database.transaction(() => {
      for (const { id, dueAt } of changes) update.bind([dueAt, id]).stepReset();
    });
  }

  #rows(sql: string, values: (string | number)[]): RowValues[] {
    const select = this.#prepare(sql);
    const rows: RowValues[] = [];
    if (values.length > 0) select.bind(values);
    while (select.step()) rows.push(select.get([]) as RowValues);
    select.reset();
    return rows;
  }

  #number(sql: string): number {
    const select = this.#prepare(sql);
    select.step();
    const number = select.getInt(0) ?? 0;
    select.reset();
    return number;
  }

  #prepare(sql: string): PreparedStatement {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

const started = Sqlite.start();

onmessage = ({ data: { number, call, args } }: MessageEvent<Question>) => {
  const answer = (answer: Answer): void => postMessage(answer);
  started
    .then((sqlite) => (sqlite[call] as (...args: readonly unknown[]) => unknown)(...args))
    .then((made) => answer({ number, made }))
    .catch((failure: unknown) => answer({ number, failure: String(failure) }));
};
