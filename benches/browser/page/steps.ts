/**
 * Notes what a page asks the browser for at its start, and when it was answered. It goes into the page as text, before its scripts, so it
 * refers to nothing outside of itself.
 */
export interface Stepping {
  readonly steps: string[];
}

export function noteSteps(): void {
  const steps: string[] = [];
  Object.assign(globalThis, { steps });
  const note = (what: string): void => {
    steps.push(`${performance.now().toFixed(1).padStart(7)}  ${what}`);
  };
  const describe = (value: unknown): string =>
    typeof value === "string" ? value : Array.isArray(value) ? value.join("+") : typeof value === "number" ? String(value) : "";
  const follow = (answer: unknown, what: string): void => {
    if (answer instanceof Promise) answer.then(() => note(`… ${what}`), () => note(`failed: ${what}`));
    if (answer instanceof IDBRequest) answer.addEventListener("success", () => note(`… ${what}`));
    if (answer instanceof IDBTransaction) answer.addEventListener("complete", () => note(`… ${what}`));
  };
  const wrap = (owner: object | undefined, name: string, says = name): void => {
    const own = owner as Record<string, (...args: unknown[]) => unknown> | undefined;
    const call = own?.[name];
    if (own === undefined || call === undefined) return;
    own[name] = function (this: unknown, ...args: unknown[]) {
      const what = [says, ...args.map(describe)].join(" ").trim();
      note(what);
      const answer = call.apply(this, args);
      follow(answer, what);
      return answer;
    };
  };
  for (const name of ["open", "databases"]) wrap(IDBFactory.prototype, name, `indexedDB.${name}`);
  wrap(IDBDatabase.prototype, "transaction");
  for (const name of ["get", "getAll", "getAllKeys", "put", "count"]) wrap(IDBObjectStore.prototype, name);
  for (const name of ["instantiate", "compile", "instantiateStreaming", "compileStreaming"]) wrap(WebAssembly, name);
  wrap(Response.prototype, "arrayBuffer");
  wrap(globalThis, "fetch");
  const { StorageBucketManager, LockManager } = globalThis as { StorageBucketManager?: { prototype: object }; LockManager?: { prototype: object } };
  wrap(StorageBucketManager?.prototype, "open", "bucket");
  for (const name of ["request", "query"]) wrap(LockManager?.prototype, name, `locks.${name}`);
  for (const name of ["persist", "persisted", "estimate"]) wrap(StorageManager.prototype, name, `storage.${name}`);
  wrap(BroadcastChannel.prototype, "postMessage");
  new PerformanceObserver((list) => {
    for (const { name, startTime, duration } of list.getEntries()) {
      steps.push(`${startTime.toFixed(1).padStart(7)}  ${name.split("/").at(-1)?.split("#")[0]} for ${duration.toFixed(1)}`);
    }
  }).observe({ entryTypes: ["resource", "navigation"] });
  note("the page's first script could run");
}
