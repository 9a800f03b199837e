/**
 * Background Sync: has the browser wake the service worker for what waits, also when the page is gone. Chromium has it; elsewhere nothing
 * happens, and what waits is sent when the app is next open.
 */
import type { Connection } from "./connection.js";
import type { SyncFacade } from "./sync.js";

/** As far as it is used here; TypeScript's own declarations do not have it. */
interface SyncManager {
  register(tag: string): Promise<void>;
}

/** The tag of a database's sync events. */
export function syncTag(name: string): string {
  return `whimbrel:${name}`;
}

/**
 * Asks for a sync event when changes wait and the page cannot send them, or may not be there to do so: it is hidden. Not before, for the
 * browser would wake the worker at once, only to wait for what the page is doing.
 */
export function askWhenWaiting(name: string, sync: SyncFacade, connection: Connection): void {
  let isAsked = false;
  const look = (): void => {
    const { pending, phase } = sync.status;
    if (pending === 0) isAsked = false;
    const isStuck = phase === "offline" || phase === "backoff" || globalThis.document?.hidden === true;
    if (pending === 0 || !isStuck || isAsked) return;
    isAsked = true;
    ask(syncTag(name)).catch(() => (isAsked = false));
  };
  const lookAgain = (): void => {
    isAsked = false;
    look();
  };
  const off = sync.subscribe(look);
  globalThis.document?.addEventListener("visibilitychange", lookAgain);
  connection.onEnd(() => {
    off();
    globalThis.document?.removeEventListener("visibilitychange", lookAgain);
  });
}

async function ask(tag: string): Promise<void> {
  const registration = await globalThis.navigator?.serviceWorker?.getRegistration();
  await (registration as { readonly sync?: SyncManager } | undefined)?.sync?.register(tag);
}
