/**
 * Crashes that no call sees: the engine also works between calls, in tasks of its own and in the browser's events. What is thrown there
 * reaches nobody but the page's `error` and `unhandledrejection` events, and whoever waits for that task would wait for ever.
 *
 * A page may run other WebAssembly than ours, so a crash counts only when its stack names the same code that our calls come from. Chromium
 * and Firefox name it; where a browser does not, the crash is noticed with the next call.
 */
import type { Health } from "./health.js";

/** `(wasm://wasm/0a1b2c3d:wasm-function[12]:0x34` in Chromium, `@page.js line 1 > WebAssembly.instantiate:wasm-function[12]` in Firefox. */
const WASM_FRAME = /(?:at |\(|@)([^(@\n]*):wasm-function\[/;

/** Watches for crashes. The function that is returned wants to be called from inside the engine, and learns its place from that. */
export function watchUncaught(health: Health, page: Partial<Pick<EventTarget, "addEventListener">>): () => void {
  let within: Error | undefined;
  const notice = (thrown: unknown): void => {
    if (within === undefined || !(thrown instanceof Error)) return;
    const place = placeOf(within);
    if (place !== undefined && placeOf(thrown) === place) health.notice(thrown);
  };
  // On a server there may be no events.
  page.addEventListener?.("error", (event) => notice((event as ErrorEvent).error));
  page.addEventListener?.("unhandledrejection", (event) => notice((event as PromiseRejectionEvent).reason));
  return () => {
    // Its stack is put into words when somebody asks for them, and that takes a start long enough to leave it for then.
    within ??= new Error("where am I?");
  };
}

function placeOf({ stack = "" }: Error): string | undefined {
  return WASM_FRAME.exec(stack)?.[1];
}
