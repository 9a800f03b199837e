/** What the server has, asked for as any client would, and decoded without the engine: the oracle must not be what it judges. */
import type { SyncServer } from "./sync-server";
import { USERS, type UserId } from "./users";

export interface ServerRow {
  readonly id: string;
  readonly version: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface Line {
  readonly rows?: { readonly columns: readonly string[]; readonly data: readonly (readonly unknown[])[] };
  readonly end?: object;
  readonly error?: { readonly code: string };
}

/** All rows of an entity that the user may see, by id. */
export async function serverRows(server: SyncServer, user: UserId, entity: string): Promise<ServerRow[]> {
  const response = await fetch(`${server.origin}/v1/pull`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${USERS[user].token}` },
    body: JSON.stringify({ protocol: 1, client: crypto.randomUUID(), schema: 1, entities: [entity], cursors: [] }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the server answers ${response.status}: ${text}`);
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
  if (lines.at(-1)?.end === undefined) throw new Error(`the answer has no end: ${text.slice(-200)}`);
  const rows = lines.flatMap(({ rows }) => (rows === undefined ? [] : rows.data.map((values) => toRow(rows.columns, values))));
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function toRow(columns: readonly string[], values: readonly unknown[]): ServerRow {
  const { id, _version, ...fields } = Object.fromEntries(columns.map((column, index) => [column, values[index]]));
  return { id: String(id), version: Number(_version), fields };
}
