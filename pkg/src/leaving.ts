/**
 * Leaving a database: another user signs in, or the data is to go. What was not sent is never lost without a word:
 *
 * | `unsent` | |
 * |---|---|
 * | none given | refused while there is something unsent |
 * | `keep` | it stays on the device until this user comes back |
 * | `send` | it is sent first; refused when that fails |
 * | `discard` | it goes with the data, and only with `force` |
 */
import { UnsentChangesError } from "./errors.js";
import type { Sync } from "./sync.js";

/** What becomes of changes that were not sent. */
export interface LeaveOptions {
  readonly unsent?: "keep" | "send" | "discard" | undefined;
  /** Needed with `discard` when there is something to lose. */
  readonly force?: boolean | undefined;
}

/** What leaving needs of a database. */
export interface Leaving {
  readonly sync: Pick<Sync<string>, "trigger">;
  /** The units that send. */
  readonly senders: readonly string[];
  unsent(): number;
  /** Uploads the attachments that can be uploaded now. */
  upload(): Promise<void>;
  close(): Promise<void>;
  wipe(options: { readonly force?: boolean | undefined }): Promise<number>;
}

/**
 * Ends the use of a database by its user; resolves with the number of changes that were lost.
 *
 * @throws `user/unsent-changes`; the database then stays open
 */
export async function leave(database: Leaving, { unsent, force }: LeaveOptions): Promise<number> {
  if (unsent === "discard") return database.wipe({ force });
  if (unsent === "send" && database.unsent() > 0) await sendAll(database);
  const count = database.unsent();
  if (count > 0 && unsent !== "keep") {
    throw new UnsentChangesError(count, "say what becomes of them: keep, send, or discard with force");
  }
  await database.close();
  return 0;
}

async function sendAll(database: Leaving): Promise<void> {
  const runs = database.sync.trigger([...database.senders], { anyNetwork: true });
  const outcomes = await Promise.all(runs.map((run) => run.settled));
  await database.upload();
  const count = database.unsent();
  if (count === 0) return;
  const failed = outcomes.find((outcome) => outcome.outcome === "error");
  throw new UnsentChangesError(count, "they could not be sent", failed && { cause: failed.error });
}
