// What the tests do to the browser from outside the engine: look into databases, hold them, and make the platform fail.
// Every function that changes the platform returns a function that puts it back.

/** Replaces a property, own or inherited, until the returned function is called. */
function replace(object, name, value) {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true, writable: true });
  return () => {
    if (before) Object.defineProperty(object, name, before);
    else delete object[name];
  };
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Opens a database and keeps hold of it whatever others want. */
export function rawOpen(name, version) {
  const request = version === undefined ? indexedDB.open(name) : indexedDB.open(name, version);
  return settled(request);
}

/** The same, in the bucket of the mirrors. */
export async function rawOpenInBucket(name) {
  const bucket = await navigator.storageBuckets.open("whimbrel");
  return settled(bucket.indexedDB.open(name));
}

export function rawDelete(name) {
  return settled(indexedDB.deleteDatabase(name));
}

export function rawClose(database) {
  database.close();
}

export function rawPut(database, store, key, value) {
  return settled(database.transaction(store, "readwrite").objectStore(store).put(value, key));
}

export function rawGet(database, store, key) {
  return settled(database.transaction(store).objectStore(store).get(key));
}

/** The values of an object store, as text. */
export async function rawDump(database, store) {
  const values = await settled(database.transaction(store).objectStore(store).getAll());
  return JSON.stringify(values);
}

export async function exists(name) {
  const databases = await indexedDB.databases();
  // WebKit still names a database whose creation was taken back, at version 0: the next to open it makes it anew.
  return databases.some((database) => database.name === name && database.version > 0);
}

/** Keeps a transaction busy until the returned function is called, as a frozen tab does. */
export function holdTransaction(database, store) {
  let held = true;
  const objects = database.transaction(store, "readwrite").objectStore(store);
  const spin = () => {
    if (held) objects.get(0).onsuccess = spin;
  };
  spin();
  return () => {
    held = false;
  };
}

/** Lets every interval run fifty times as fast: deadlines are counted in intervals. */
export function fastDeadlines() {
  const setInterval = globalThis.setInterval;
  return replace(globalThis, "setInterval", (handler, ms) => setInterval(handler, ms / 50));
}

export function withoutGlobal(name) {
  return replace(globalThis, name, undefined);
}

export function hasBuckets() {
  return "storageBuckets" in navigator;
}

export function withoutBuckets() {
  return replace(navigator, "storageBuckets", undefined);
}

export function withoutLocks() {
  return replace(navigator, "locks", undefined);
}

/** How many requests for the lock wait. */
export async function waitingForLock(name) {
  const { pending } = await navigator.locks.query();
  return pending.filter((request) => request.name === name).length;
}

/** Opening a database never answers. */
export function hangOpen() {
  return replace(IDBFactory.prototype, "open", () => new EventTarget());
}

/** Opening a database goes to one of another name. */
export function openElsewhere(name) {
  const { open } = IDBFactory.prototype;
  return replace(IDBFactory.prototype, "open", function (_name, version) {
    return open.call(this, name, version);
  });
}

/** Beginning a transaction fails once, as it does on a connection that the browser has closed. */
export function loseConnectionOnce() {
  const { transaction } = IDBDatabase.prototype;
  const restore = replace(IDBDatabase.prototype, "transaction", function () {
    restore();
    this.close();
    return transaction.apply(this, arguments);
  });
  return restore;
}

/** The next read-write transaction is aborted by the browser with a cause of that name. */
export function abortNextWrite(cause) {
  const { transaction } = IDBDatabase.prototype;
  const restore = replace(IDBDatabase.prototype, "transaction", function (stores, mode, options) {
    const begun = transaction.call(this, stores, mode, options);
    if (mode === "readwrite") {
      restore();
      Object.defineProperty(begun, "error", { value: new DOMException("made up", cause) });
      const { put } = IDBObjectStore.prototype;
      const last = replace(IDBObjectStore.prototype, "put", function (value, key) {
        const request = put.call(this, value, key);
        if (key === "head") {
          last();
          begun.abort();
        }
        return request;
      });
    }
    return begun;
  });
  return restore;
}

/** Every `put` into the object store throws. */
export function throwOnPut(store, name) {
  const { put } = IDBObjectStore.prototype;
  return replace(IDBObjectStore.prototype, "put", function (value, key) {
    if (this.name === store) throw new DOMException("made up", name);
    return put.call(this, value, key);
  });
}

/** A read-write transaction over that object store alone never comes to an end. */
export function hangWrite(store) {
  const { transaction } = IDBDatabase.prototype;
  return replace(IDBDatabase.prototype, "transaction", function (stores, mode, options) {
    const begun = transaction.call(this, stores, mode, options);
    if (mode === "readwrite" && String(stores) === store) {
      begun.commit = () => {};
      const objects = begun.objectStore(store);
      const spin = () => {
        objects.get(0).onsuccess = spin;
      };
      spin();
    }
    return begun;
  });
}

/** The options that transactions were begun with, as text, until restored. */
export function recordDurability(seen) {
  const { transaction } = IDBDatabase.prototype;
  return replace(IDBDatabase.prototype, "transaction", function (stores, mode, options) {
    const begun = transaction.call(this, stores, mode, options);
    if (mode === "readwrite") seen.push(begun.durability);
    return begun;
  });
}

/**
 * Replaces `fetch`. `script` is a list of what the body does: text is a chunk, "!" breaks off, "…" stands still; a missing body list
 * means that there is never an answer. Every request is pushed to `seen`.
 */
export function fakeFetch(answer, seen) {
  return replace(globalThis, "fetch", async (request) => {
    const { url, method, redirect, credentials, cache } = request;
    const headers = Object.fromEntries(request.headers);
    const bytes = await request.clone().blob();
    const entry = { url, method, redirect, credentials, cache, headers, body: await request.text(), aborted: false };
    Object.defineProperty(entry, "bytes", { value: bytes });
    seen.push(entry);
    request.signal.addEventListener("abort", () => {
      entry.aborted = true;
    });
    if (!answer.script) return new Promise(() => {});
    const script = [...answer.script];
    const body = new ReadableStream({
      pull(controller) {
        const next = script.shift();
        if (next === undefined) controller.close();
        else if (next === "!") controller.error(new TypeError("network error"));
        else if (next === "…") return new Promise(() => {});
        else controller.enqueue(new TextEncoder().encode(next));
      },
    });
    const response = new Response(answer.status === 204 ? null : body, { status: answer.status, headers: answer.headers });
    for (const [name, value] of Object.entries(answer.properties ?? {})) Object.defineProperty(response, name, { value });
    return response;
  });
}

/** The body of a request that `fakeFetch` has seen. */
export function gunzip({ bytes }) {
  return new Response(bytes.stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

export function dispatchOn(target, type) {
  globalThis[target].dispatchEvent(new Event(type));
}

export function setVisibility(state) {
  return replace(document, "visibilityState", state);
}

export function setOnLine(isOnline) {
  return replace(navigator, "onLine", isOnline);
}

export function post(channel, message) {
  const sender = new BroadcastChannel(channel);
  sender.postMessage(message);
  sender.close();
}

/** A key that wraps others and cannot be read. */
export function wrappingKey() {
  return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["wrapKey", "unwrapKey"]);
}

/** A passphrase as the package gives it to the engine. */
export function passphraseKey(passphrase) {
  return crypto.subtle.importKey("raw", new TextEncoder().encode(passphrase), "PBKDF2", false, ["deriveKey"]);
}

/** An envelope of the engine's layout, made without the engine, around a new data key. */
export async function makeEnvelope(passphrase, iterations) {
  const header = new Uint8Array(22);
  header[0] = 1;
  header[1] = 1;
  new DataView(header.buffer).setUint32(2, iterations);
  crypto.getRandomValues(header.subarray(6));
  const aes = { name: "AES-GCM", length: 256 };
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt: header.subarray(6), iterations };
  const base = await passphraseKey(passphrase);
  const wrapping = await crypto.subtle.deriveKey(derivation, base, aes, false, ["wrapKey"]);
  const data = await crypto.subtle.generateKey(aes, true, ["encrypt", "decrypt"]);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const algorithm = { name: "AES-GCM", iv, additionalData: header };
  const wrapped = await crypto.subtle.wrapKey("raw", data, wrapping, algorithm);
  return new Uint8Array([...header, ...iv, ...new Uint8Array(wrapped)]);
}

/** The bytes of a value: of a buffer as they are, of anything else as JSON. One character a byte. */
function toBinary(value) {
  const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(JSON.stringify(value));
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** Those of the texts that stand somewhere in the database, in a key or a value, as UTF-8 or UTF-16. */
export async function rawSearch(database, texts) {
  let haystack = "";
  for (const name of database.objectStoreNames) {
    const store = database.transaction(name).objectStore(name);
    const found = await Promise.all([settled(store.getAllKeys()), settled(store.getAll())]);
    haystack += found.flat().map(toBinary).join("\0");
  }
  const wide = (text) => Array.from(text, (char) => `${char}\0`).join("");
  const narrow = (text) => toBinary(new TextEncoder().encode(text));
  return texts.filter((text) => haystack.includes(narrow(text)) || haystack.includes(wide(text))).join(" ");
}

export function withoutSubtle() {
  return replace(crypto, "subtle", undefined);
}

/** Gives the bytes once, and then no more: a file of one piece. */
export function onePiece(view) {
  let bytes = view.slice();
  return () => {
    const piece = bytes;
    bytes = undefined;
    return piece;
  };
}
