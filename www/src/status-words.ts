/**
 * What the sync bar says: the engine's status as one sentence for people.
 *
 * **Invariant:** a pure function of the status and the time; `status-bar.ts` shows it, the tests read it.
 */
import type { SyncStatus } from "whimbrel";

import { timeOfDay } from "./dates";

export type Tone = "calm" | "busy" | "offline" | "trouble";

export interface StatusWords {
  readonly tone: Tone;
  readonly text: string;
  /** Whether a button to try again makes sense. */
  readonly retry: boolean;
  /** How far it is, when that is known. */
  readonly progress?: { readonly done: number; readonly total: number };
}

/** The codes a user may meet, in words that say what is the matter and not what the program did. */
const REASONS: Readonly<Record<string, string>> = {
  "network/unreachable": "the server cannot be reached",
  "network/timeout": "the server takes too long to answer",
  "network/not-our-server": "something else answered in the server's place; this network may want you to sign in first",
  "protocol/malformed": "the server's answer could not be read",
  "protocol/truncated": "the connection broke off",
  "protocol/upgrade-required": "this version of the app is too old for the server; reload it",
  "push/refused": "the server does not know this device's history",
  "auth/unauthenticated": "please sign in again",
  "auth/forbidden": "you are not allowed to do this",
  "auth/other-user": "this data belongs to another user",
  "server/busy": "the server is busy",
  "server/failed": "the server has a problem",
  "store/quota": "this device has no space left",
};

const numbers = new Intl.NumberFormat("en-GB");

export function reason(error: { readonly code: string; readonly message: string }): string {
  return REASONS[error.code] ?? error.message;
}

export function changes(count: number): string {
  return count === 1 ? "1 change" : `${numbers.format(count)} changes`;
}

export function statusWords(status: SyncStatus, now: Date): StatusWords {
  const { phase, progress, pending } = status;
  switch (phase) {
    case "pushing":
      return busy("sending", progress.pushed, progress.toPush);
    case "pulling":
      return busy("", progress.pulled, progress.toPull);
    case "waiting":
      return { tone: "busy", text: "Syncing in another window…", retry: false };
    case "paused":
      return { tone: "calm", text: sentence("Sync is paused", pending), retry: false };
    case "signedOut":
      return { tone: "trouble", text: sentence("Please sign in again", pending), retry: true };
    case "offline":
      return offline(pending);
    case "held":
      return { tone: "offline", text: sentence("Waiting for a better network", pending), retry: false };
    case "backoff":
    case "idle":
      return resting(status, now);
  }
}

function busy(doing: string, done: number, total: number): StatusWords {
  if (total === 0) return { tone: "busy", text: "Syncing…", retry: false };
  // The total is an estimate: never "7,180 of 7,178".
  const most = Math.max(done, total);
  const words = `Syncing… ${doing} ${numbers.format(done)} of ${numbers.format(most)}`;
  return { tone: "busy", text: words.replace("  ", " "), retry: false, progress: { done, total: most } };
}

function offline(pending: number): StatusWords {
  return { tone: "offline", text: sentence("You're offline", pending), retry: false };
}

function resting(status: SyncStatus, now: Date): StatusWords {
  if (status.network === "offline") return offline(status.pending);
  if (status.lastError !== null) {
    return { tone: "trouble", text: sentence(`Sync failed: ${reason(status.lastError)}`, status.pending, ". "), retry: true };
  }
  if (status.network === "captive") {
    return { tone: "trouble", text: sentence("This network wants you to sign in first", status.pending), retry: true };
  }
  if (status.lastSuccess === null) return { tone: "calm", text: sentence("Not synced yet", status.pending), retry: true };
  const last = `last sync ${timeOfDay(status.lastSuccess, now)}`;
  const text = status.pending > 0 ? `${changes(status.pending)} to send, ${last}` : `Up to date, ${last}`;
  return { tone: "calm", text, retry: false };
}

function sentence(words: string, pending: number, joint = ", "): string {
  return pending > 0 ? `${words}${joint}${changes(pending)} waiting` : words;
}
