/** A small database of the package's own, beside the app's: keys and values in one object store. It is open only as long as it is used. */

const ENTRIES = "entries";

/** Does something with a database, which is made when it is not there. */
export async function withDatabase<T>(name: string, work: (database: IDBDatabase) => Promise<T>): Promise<T> {
  const database = await opened(name);
  // Whoever deletes it does not wait.
  database.onversionchange = () => database.close();
  try {
    return await work(database);
  } finally {
    database.close();
  }
}

/** One transaction; what its request gives, once all is written. */
export function change<T>(database: IDBDatabase, work: (entries: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(ENTRIES, "readwrite");
    const request = work(transaction.objectStore(ENTRIES));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
}

function opened(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(ENTRIES);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error(`no database ${name}`));
  });
}
