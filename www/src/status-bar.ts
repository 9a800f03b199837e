/**
 * The bar under the header: the network and the sync in one sentence, how far it is, and a button to sync or to try again.
 *
 * The sentence changes many times a second during a load, so it is not a live region itself: screen readers are told when the
 * kind of news changes, once.
 */
import type { SyncStatus } from "whimbrel";

import { byId, h, setText } from "./element";
import { statusWords, type StatusWords } from "./status-words";
import type { Rounds } from "./rounds";

export function mountStatusBar(db: Rounds, signal: AbortSignal): void {
  const bar = byId("sync");
  const text = h("p", { className: "sync-text" });
  const progress = h("progress", { hidden: true, "aria-label": "Sync progress" });
  const button = h("button", { type: "button", className: "quiet" });
  bar.replaceChildren(h("span", { className: "sync-dot", "aria-hidden": "true" }), text, button, progress);

  let announced = "";
  const show = (status: SyncStatus): void => {
    const words = statusWords(status, new Date());
    bar.dataset["tone"] = words.tone;
    setText(text, words.text);
    showProgress(progress, words);
    setText(button, words.retry ? "Retry" : "Sync now");
    button.hidden = words.tone === "busy" || words.tone === "offline";
    const news = words.tone === "busy" ? "Syncing…" : words.text;
    if (news !== announced) {
      announced = news;
      setText(byId("announcement"), news);
    }
  };
  button.addEventListener("click", () => syncNow(db), { signal });
  signal.addEventListener("abort", db.sync.subscribe(show));
}

/** After a failure the engine already wants to run again: only its wait is cut short. */
function syncNow(db: Rounds): void {
  if (db.sync.status.phase === "backoff") db.sync.retryNow();
  else db.sync.trigger("everything");
}

function showProgress(bar: HTMLProgressElement, words: StatusWords): void {
  bar.hidden = words.progress === undefined;
  if (words.progress !== undefined) {
    bar.max = words.progress.total;
    bar.value = words.progress.done;
  }
}
