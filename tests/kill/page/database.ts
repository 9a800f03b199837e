/** The database that the tests write to. It has no server: everything waits in the outbox for ever. */
import { type Database, entity, integer, open, text } from "whimbrel";

export const entities = {
  item: entity({ n: integer().index(), body: text() }),
  mark: entity({ a: integer(), b: integer() }),
};

export type Db = Database<typeof entities>;

/** What guards the data, switched off to see what it guards against. */
export interface Safety {
  readonly mirror: boolean;
  readonly heal: boolean;
}

export function openDatabase(name: string, safety: Safety): Promise<Db> {
  // The option is for these tests and not part of the interface.
  const options = { name, entities, safety };
  return open(options);
}
