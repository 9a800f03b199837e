/** The sentence of the sync bar, for every kind of status. */
import { expect, test } from "@playwright/test";

import { statusWords } from "../../../www/src/status-words";

type Status = Parameters<typeof statusWords>[0];

const NOW = new Date("2026-03-09T14:10:00");
const RESTING: Status = {
  phase: "idle",
  unit: null,
  run: null,
  progress: { pushed: 0, toPush: 0, pulled: 0, toPull: 0, bytes: 0 },
  pending: 0,
  rejected: 0,
  conflicts: 0,
  lastSuccess: new Date("2026-03-09T14:03:00"),
  nextRetry: null,
  lastError: null,
  waitingFor: null,
  network: "online",
};

function failed(code: string, message = ""): Partial<Status> {
  return { phase: "backoff", lastError: { code, message } as Status["lastError"] };
}

const CASES: readonly [status: Partial<Status>, text: string, tone: string][] = [
  [{}, "Up to date, last sync 14:03", "calm"],
  [{ lastSuccess: new Date("2026-03-08T09:05:00") }, "Up to date, last sync Sun 8 Mar, 09:05", "calm"],
  [{ lastSuccess: null }, "Not synced yet", "calm"],
  [{ pending: 1 }, "1 change to send, last sync 14:03", "calm"],
  [{ phase: "offline" }, "You're offline", "offline"],
  [{ phase: "offline", pending: 3 }, "You're offline, 3 changes waiting", "offline"],
  [{ network: "offline", pending: 1 }, "You're offline, 1 change waiting", "offline"],
  [{ network: "offline", ...failed("network/unreachable"), pending: 2 }, "You're offline, 2 changes waiting", "offline"],
  [{ phase: "held", pending: 2 }, "Waiting for a better network, 2 changes waiting", "offline"],
  [{ phase: "pulling" }, "Syncing…", "busy"],
  [{ phase: "pulling", progress: { ...RESTING.progress, pulled: 3200, toPull: 7178 } }, "Syncing… 3,200 of 7,178", "busy"],
  [{ phase: "pulling", progress: { ...RESTING.progress, pulled: 12, toPull: 10 } }, "Syncing… 12 of 12", "busy"],
  [{ phase: "pushing", progress: { ...RESTING.progress, pushed: 3, toPush: 20 } }, "Syncing… sending 3 of 20", "busy"],
  [{ phase: "waiting" }, "Syncing in another window…", "busy"],
  [{ phase: "paused", pending: 2 }, "Sync is paused, 2 changes waiting", "calm"],
  [failed("network/unreachable"), "Sync failed: the server cannot be reached", "trouble"],
  [{ ...failed("server/failed"), pending: 2 }, "Sync failed: the server has a problem. 2 changes waiting", "trouble"],
  [failed("some/new-code", "what the engine says"), "Sync failed: what the engine says", "trouble"],
  [{ network: "captive" }, "This network wants you to sign in first", "trouble"],
  [{ phase: "signedOut", pending: 4 }, "Please sign in again, 4 changes waiting", "trouble"],
];

for (const [status, text, tone] of CASES) {
  test(`the sync bar says: ${text}`, () => {
    const words = statusWords({ ...RESTING, ...status }, NOW);
    expect(words.text).toBe(text);
    expect(words.tone).toBe(tone);
  });
}

test("the sync bar offers to try again after a failure, and only then", () => {
  expect(statusWords({ ...RESTING, ...failed("network/unreachable") }, NOW).retry).toBe(true);
  expect(statusWords({ ...RESTING, phase: "signedOut" }, NOW).retry).toBe(true);
  expect(statusWords(RESTING, NOW).retry).toBe(false);
  expect(statusWords({ ...RESTING, phase: "offline" }, NOW).retry).toBe(false);
});
