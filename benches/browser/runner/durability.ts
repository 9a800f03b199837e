/** What a durable write is to each peer: they do not all promise the same. */
import type { PeerName } from "./options";
import type { RunSummary } from "./summary";

/** IndexedDB's relaxed durability, the default of Chromium: a write outlives the browser, not the machine's sudden end. */
const TRANSACTION = "the row, in a completed IndexedDB transaction (relaxed)";

const DURABLE: Record<PeerName, string> = {
  whimbrel: "the row, its outbox entry and its index entries, in a completed IndexedDB transaction (relaxed)",
  raw: TRANSACTION,
  packed: "the row's page, in a completed IndexedDB transaction (relaxed); no index",
  dexie: TRANSACTION,
  rxdb: TRANSACTION,
  pouchdb: `${TRANSACTION}; its views follow when they are asked next, and the load waits for them`,
  watermelondb: "LokiJS's own save is awaited after every write; an app gets it half a second later, and is not told",
  tinybase: "the persister's save is awaited after every write; it writes the whole table",
  sqlite: "a commit in the write-ahead log on OPFS, written and not flushed (`synchronous = normal`)",
};

/** A Markdown list of what was measured. */
export function durability({ medians }: RunSummary): string {
  const lines = [...medians.keys()].map((peer) => `- ${peer}: ${DURABLE[peer]}`);
  return ["What a durable write is:", "", ...lines].join("\n");
}
