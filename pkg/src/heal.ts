/**
 * What Chromium's IndexedDB needs after it was killed: its log may end in the middle of a record, and at the second start after that
 * everything in it is deleted. New records push the torn one out of the log.
 */
import { change, withDatabase } from "./small-database.js";

/** Throw-away data that is written. */
const HEAL_BYTES = 8 * 1024 * 1024;
/** Bytes of a value: larger ones go to files and not to the log. */
const VALUE_BYTES = 16 * 1024;
/** Values of a transaction. */
const VALUES = 4;

const NAME = "whimbrel-heal";

/** Whether this browser has such a log. Only Chromium tells pages about itself like this. */
export function mayNeedHealing(): boolean {
  return typeof indexedDB !== "undefined" && typeof navigator !== "undefined" && "userAgentData" in navigator;
}

/** Renews the log. Failing is no harm beyond what is there already. */
export async function heal(): Promise<void> {
  try {
    // Random, because values are compressed.
    const value = crypto.getRandomValues(new Uint8Array(VALUE_BYTES));
    await withDatabase(NAME, async (database) => {
      for (let written = 0; written < HEAL_BYTES; written += VALUES * VALUE_BYTES) {
        await change(database, (waste) => {
          for (let key = 1; key < VALUES; key++) waste.put(value, key);
          return waste.put(value, 0);
        });
      }
    });
  } finally {
    indexedDB.deleteDatabase(NAME);
  }
}
