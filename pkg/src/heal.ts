/**
 * What Chromium's IndexedDB needs after it was killed: its log may end in the middle of a record, and at the second start after that
 * everything in it is deleted. New records push the torn one out of the log.
 */

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
  const database = await openWaste();
  try {
    // Random, because values are compressed.
    const value = crypto.getRandomValues(new Uint8Array(VALUE_BYTES));
    for (let written = 0; written < HEAL_BYTES; written += VALUES * VALUE_BYTES) await write(database, value);
  } finally {
    database.close();
    indexedDB.deleteDatabase(NAME);
  }
}

function openWaste(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("waste");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("no waste database"));
  });
}

function write(database: IDBDatabase, value: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction("waste", "readwrite");
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
    const waste = transaction.objectStore("waste");
    for (let key = 0; key < VALUES; key++) waste.put(value, key);
  });
}
