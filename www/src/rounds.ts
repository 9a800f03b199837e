/** The database of Rounds: what stands in `schema.ts`, for one user, synced with the server the page came from. */
import { open } from "whimbrel";
import { attachments } from "whimbrel/attachments";

import { entities, units } from "./schema";
import type { User } from "./users";

/** What photos may take on a device; those that are not sent yet always stay. */
const PHOTO_BYTES = 200_000_000;
/** How often another device's changes are asked for while nothing else happens. */
const SYNC_INTERVAL_SECONDS = 20;

export function openRounds(user: User) {
  return open({
    name: "rounds",
    user: user.id,
    server: { url: "/v1", token: () => user.token },
    entities,
    units,
    attachments: attachments({ budgetBytes: PHOTO_BYTES }),
    auto: {
      start: "everything",
      online: "everything",
      resume: "everything",
      change: "send",
      every: { unit: "everything", seconds: SYNC_INTERVAL_SECONDS },
    },
  });
}

export type Rounds = Awaited<ReturnType<typeof openRounds>>;
export type WorkOrder = Awaited<ReturnType<Rounds["workOrder"]["query"]>>[number];
