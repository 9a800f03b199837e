/** What a database lends to its attachments: who asks, and which records refer to what. */
import type { AttachmentHost } from "./attachments/types.js";
import type { Connection } from "./connection.js";
import type { DatabaseFacade } from "./database.js";
import type { AnyRecord } from "./records.js";
import type { OpenOptions } from "./options.js";
import type { Entities } from "./schema.js";

/** Addresses that are looked for in one query. */
const ADDRESSES_MAX = 100;

/** As far as a collection is needed here. */
interface Queried {
  query(query: object): Promise<readonly AnyRecord[]>;
}

export function attachmentHost(
  { name, user = null, server, encryption, entities }: OpenOptions<Entities, string>,
  database: DatabaseFacade,
  connection: Connection,
  token: AttachmentHost["token"],
): AttachmentHost {
  const fields = Object.entries(entities).flatMap(([entity, { fields }]) =>
    Object.entries(fields).flatMap(([field, { spec }]) => (spec.type === "attachment" ? [{ entity, field }] : [])),
  );
  return {
    name,
    user,
    url: server === undefined ? null : String(server.url),
    encrypted: encryption !== undefined,
    network: database.network,
    token,
    referred: async (addresses) => {
      const found = new Set<string>();
      for (const { entity, field } of fields) {
        const collection: Queried = database.entity(entity);
        for (let first = 0; first < addresses.length; first += ADDRESSES_MAX) {
          const some = addresses.slice(first, first + ADDRESSES_MAX);
          for (const record of await collection.query({ where: { [field]: { in: some } } })) found.add(String(record[field]));
        }
      }
      return found;
    },
    onSynced: (listener) => database.sync.on("complete", listener),
    onRestored: (listener) => database.restored.add(listener),
    onEnd: (listener) => connection.onEnd(listener),
  };
}
