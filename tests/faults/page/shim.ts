/**
 * A shim over IndexedDB that makes one call of a run fail, in one way.
 *
 * A call is known by its label, `stage/place/method store`, and by how many of that label came before it, so a story that is told again fails
 * at the same point although timers fall a little differently. What was injected happens once; every other call is the browser's own.
 *
 * **Invariant:** a fault lies about success never: what it reports as aborted was aborted, what it reports as failed has not happened.
 */

import { type Fault, type Plan, REQUESTS } from "./plan";

type Call = (...args: never[]) => unknown;

export class Shim {
  /** What is going on, for labels. Calls in a stage without a name are neither counted nor harmed. */
  stage = "";
  /** When the last call came. */
  lastCallAt = 0;
  readonly #counts = new Map<string, number>();
  readonly #muted = new WeakSet<IDBTransaction>();
  /** Those that are not to be committed, whoever asks. */
  readonly #doomed = new WeakSet<IDBTransaction>();
  readonly #open = new Set<IDBDatabase>();
  #plan: Plan | undefined;
  #wasHit = false;
  #isOver = false;

  constructor() {
    for (const name of ["open", "deleteDatabase"] as const) {
      this.#patch(IDBFactory.prototype, name, () => name, (call, at) => this.#opening(call, at));
    }
    this.#patch(IDBDatabase.prototype, "createObjectStore", () => "createObjectStore", (call, at) => this.#creating(call, at));
    this.#patch(
      IDBDatabase.prototype,
      "transaction",
      (_, stores, mode) => `transaction ${mode ?? "readonly"} ${[stores].flat().join("+")}`,
      (call, at) => this.#transaction(call as () => IDBTransaction, at),
    );
    this.#patch(IDBTransaction.prototype, "objectStore", (_, name) => `objectStore ${name}`, (call, at, self) => this.#request(call, at, self));
    this.#patch(IDBTransaction.prototype, "commit", () => "commit", (call, at, self) => this.#commit(call, at, self));
    const { commit } = IDBTransaction.prototype;
    const doomed = this.#doomed;
    IDBTransaction.prototype.commit = function () {
      if (!doomed.has(this)) commit.call(this);
    };
    for (const name of REQUESTS) {
      const label = (store: IDBObjectStore): string => `${name} ${store.name}`;
      this.#patch(IDBObjectStore.prototype, name, label, (call, at, self: IDBObjectStore) => this.#request(call, at, self.transaction));
    }
  }

  /** Begins a run, in which the planned call fails. */
  begin(plan?: Plan): void {
    this.#plan = plan;
    this.#wasHit = false;
    this.#isOver = false;
    this.#counts.clear();
    this.stage = "";
  }

  /** Ends a run: what hangs is let go, what is open is closed. Gives the calls that were made, and whether the planned one was. */
  end(): { readonly calls: ReadonlyMap<string, number>; readonly wasHit: boolean } {
    this.stage = "";
    this.#isOver = true;
    for (const database of this.#open) database.close();
    this.#open.clear();
    return { calls: new Map(this.#counts), wasHit: this.#wasHit };
  }

  #patch<T extends object>(
    prototype: T,
    name: keyof T & string,
    label: (self: never, ...args: string[]) => string,
    inject: (call: () => never, fault: Fault, self: never) => unknown,
  ): void {
    const original = prototype[name] as Call;
    const shim = this;
    Object.defineProperty(prototype, name, {
      configurable: true,
      writable: true,
      value: function (this: T, ...args: never[]): unknown {
        const call = (): never => shim.#seen(original.apply(this, args), this);
        const fault = shim.#due(`${place(this)}/${label(this as never, ...(args as string[]))}`);
        return fault === undefined ? call() : inject(call, fault, this as never);
      },
    });
  }

  /** The fault for this call, if it is the planned one. */
  #due(call: string): Fault | undefined {
    if (this.stage === "") return undefined;
    this.lastCallAt = performance.now();
    const label = `${this.stage}/${call}`;
    const nth = this.#counts.get(label) ?? 0;
    this.#counts.set(label, nth + 1);
    if (this.#plan?.label !== label || this.#plan.nth !== nth) return undefined;
    this.#wasHit = true;
    return this.#plan.fault;
  }

  /** Remembers connections, and keeps the answers of muted transactions back. */
  #seen(result: unknown, self: unknown): never {
    if (result instanceof IDBOpenDBRequest) {
      result.addEventListener("success", () => {
        if (result.result instanceof IDBDatabase) this.#open.add(result.result);
      });
    } else if (result instanceof IDBRequest && self instanceof IDBObjectStore && this.#muted.has(self.transaction)) {
      silence(result, "success", "error");
    }
    return result as never;
  }

  #opening(call: () => IDBOpenDBRequest, fault: Fault): unknown {
    if (fault === "answer lost") {
      const request = call();
      request.addEventListener("success", (event) => {
        event.stopImmediatePropagation();
        setTimeout(() => request.onsuccess?.(event), LATE_MS);
      });
      return request;
    }
    throwIf(fault);
    const request = Object.assign(new EventTarget(), { error: domException("UnknownError"), transaction: null });
    // What wants a handler called is a property here, as on a real request.
    const tell = (name: string): void => void setTimeout(() => Reflect.get(request, `on${name}`)?.(new Event(name, { cancelable: true })));
    if (fault === "blocked") tell("blocked");
    if (fault === "fails with UnknownError") tell("error");
    return request;
  }

  #creating(call: () => IDBObjectStore, fault: Fault): IDBObjectStore {
    throwIf(fault);
    const store = call();
    if (fault === "quota at commit") blame(store.transaction, "QuotaExceededError");
    store.transaction.abort();
    return store;
  }

  #transaction(call: () => IDBTransaction, fault: Fault): IDBTransaction {
    throwIf(fault);
    const transaction = call();
    this.#harm(transaction, fault);
    return transaction;
  }

  #request(call: () => unknown, fault: Fault, transaction: IDBTransaction): unknown {
    throwIf(fault);
    if (fault === "never answers") {
      this.#harm(transaction, fault);
      return call();
    }
    const result = call();
    if (fault === "fails with UnknownError") blame(transaction, "UnknownError");
    transaction.abort();
    return result;
  }

  #commit(call: () => void, fault: Fault, transaction: IDBTransaction): void {
    throwIf(fault);
    if (fault === "aborts without a cause") return transaction.abort();
    this.#harm(transaction, fault);
    if (fault === "answer lost") call();
  }

  /** Makes a transaction one that waits for ever, says nothing, or finds no room at its end. */
  #harm(transaction: IDBTransaction, fault: Fault): void {
    if (fault !== "answer lost") this.#doomed.add(transaction);
    if (fault === "quota at commit") {
      blame(transaction, "QuotaExceededError");
      // Behind all that is asked for in this turn: when it is answered, everything has succeeded.
      queueMicrotask(() => {
        first(transaction).get("nothing").onsuccess = () => transaction.abort();
      });
      return;
    }
    this.#muted.add(transaction);
    silence(transaction, "complete", "abort");
    if (fault !== "never answers") return;
    const spin = (): void => {
      if (!this.#isOver) first(transaction).get("nothing").onsuccess = spin;
    };
    spin();
  }
}

/** So late that whoever waits has given up. */
const LATE_MS = 2_000;

/** The store's own database or another one: that of its mirror has a `#` in its name. */
function place(self: unknown): string {
  const database =
    self instanceof IDBObjectStore ? self.transaction.db : self instanceof IDBTransaction ? self.db : self instanceof IDBDatabase ? self : undefined;
  return database === undefined ? "" : database.name.includes("#") ? "mirror" : database.name.startsWith("whimbrel/") ? "main" : "other";
}

const { get: originalGet } = IDBObjectStore.prototype;
const { objectStore: originalObjectStore } = IDBTransaction.prototype;

/** An object store of a transaction, past the shim. */
function first(transaction: IDBTransaction): { get(key: string): IDBRequest } {
  const store = originalObjectStore.call(transaction, transaction.objectStoreNames[0] ?? "");
  return { get: (key) => originalGet.call(store, key) };
}

function silence(target: EventTarget, ...types: string[]): void {
  for (const type of types) target.addEventListener(type, (event) => event.stopImmediatePropagation());
}

function blame(transaction: IDBTransaction, name: string): void {
  Object.defineProperty(transaction, "error", { value: domException(name) });
}

function throwIf(fault: Fault): void {
  if (fault.startsWith("throws ")) throw domException(fault.slice("throws ".length));
}

function domException(name: string): DOMException {
  return new DOMException("made up", name);
}
