/** Brings the engine to life: text to bytes, to a WebAssembly module, to an instance. Once per page, at the first `open`. */
import { engineGzipBase64 } from "./generated/engine_wasm.js";
import init, { Engine } from "./generated/whimbrel.js";

import type { EngineModule, Host } from "./engine.js";
import { WhimbrelError } from "./errors.js";
import { Health } from "./health.js";
import { watchUncaught } from "./uncaught.js";
import { unpack } from "./unpack.js";

let loading: Promise<EngineModule> | undefined;

/**
 * The engine's module, shared by all callers. A failed attempt is forgotten, so a later call tries again.
 *
 * @throws `engine/unavailable`
 */
export function loadEngine(): Promise<EngineModule> {
  if (loading === undefined) wakeStorage();
  loading ??= instantiate().catch((cause: unknown) => {
    loading = undefined;
    throw unavailable(cause);
  });
  return loading;
}

/** Has the browser open the origin's storage, which takes it some milliseconds, while the engine is unpacked. The answer is not needed. */
function wakeStorage(): void {
  try {
    globalThis.indexedDB?.databases?.().catch(() => {});
  } catch {
    // Where IndexedDB is forbidden, opening says so.
  }
}

async function instantiate(): Promise<EngineModule> {
  await init({ module_or_path: await unpack(engineGzipBase64) });
  const health = new Health();
  const learnPlace = watchUncaught(health, globalThis);
  const learning = (host: Host): Host => ({
    token: () => host.token(),
    beforeRun: (unit) => host.beforeRun(unit),
    convert: (by, values) => host.convert(by, values),
    waits: (change) => host.waits(change),
    event: (event) => {
      learnPlace();
      host.event(event);
    },
  });
  return {
    health,
    open: (options, host, key) => Engine.open(options, learning(host), key),
    destroy: (name, user) => Engine.destroy(name, user),
  };
}

function unavailable(cause: unknown): WhimbrelError {
  const message =
    "the engine could not be started: it needs WebAssembly and DecompressionStream, and 'wasm-unsafe-eval' in a Content-Security-Policy";
  return new WhimbrelError({ code: "engine/unavailable", message, retryable: false, blame: "device" }, { cause });
}
