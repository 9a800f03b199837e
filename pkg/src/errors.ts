/**
 * Errors. Everything that this package throws or rejects with is a {@link WhimbrelError}; its `code` is stable, its text is for
 * people and may change.
 */

/** Who has to act for the error to go away. */
export type Blame = "app" | "device" | "network" | "server" | "session" | "engine";

/** The stable codes. Newer engines and your server may add some, so a `switch` over them needs a default. */
export type ErrorCode = (typeof ENGINE_CODES)[number] | (typeof PACKAGE_CODES)[number] | (string & {});

/** Codes of the engine, in the order of its own table (`src/error.rs`). */
export const ENGINE_CODES = [
  "schema/invalid",
  "schema/step-failed",
  "schema/unknown-entity",
  "schema/unknown-field",
  "value/type",
  "value/too-long",
  "value/required",
  "value/not-json",
  "value/cycle",
  "value/too-deep",
  "value/not-one-of",
  "value/too-large",
  "value/large-row",
  "value/forbidden-key",
  "value/id",
  "row/exists",
  "row/not-found",
  "constraint/unique",
  "constraint/ref-missing",
  "constraint/ref-restricted",
  "constraint/cascade-limit",
  "constraint/pair",
  "policy/read-only",
  "policy/append-only",
  "policy/locked-offline",
  "conflict/not-found",
  "conflict/undecided",
  "conflict/deleted",
  "conflict/too-late",
  "query/invalid",
  "sync/unknown-unit",
  "sync/no-server",
  "sync/loop",
  "sync/reloaded",
  "sync/server-restored",
  "sync/superseded",
  "sync/timeout",
  "sync/stale-changes",
  "hook/failed",
  "hook/timeout",
  "open/invalid",
  "outbox/full",
  "network/unreachable",
  "network/timeout",
  "network/not-our-server",
  "network/disagreement",
  "protocol/malformed",
  "protocol/upgrade-required",
  "protocol/truncated",
  "push/refused",
  "auth/unauthenticated",
  "auth/forbidden",
  "auth/other-user",
  "server/busy",
  "server/failed",
  "store/unavailable",
  "store/quota",
  "store/timeout",
  "store/failed",
  "store/corrupt",
  "store/newer",
  "store/locked",
  "store/not-encrypted",
  "store/closed",
  "store/deleted",
  "store/contended",
  "store/mirror",
  "transaction/conflict",
  "export/overtaken",
  "import/malformed",
  "import/truncated",
  "import/damaged",
  "import/not-empty",
  "import/schema",
  "import/running",
  "engine/internal",
] as const;

/** Codes that only this package gives. */
export const PACKAGE_CODES = [
  "sync/unknown-event",
  "open/aborted",
  "batch/invalid",
  "transaction/invalid",
  "transaction/ended",
  "transaction/aborted",
  "load/failed",
  "store/wiped",
  "store/not-persistent",
  "import/failed",
  "network/adapter",
  "schema/many-fields",
  "schema/no-unit",
  "user/unsent-changes",
  "engine/unavailable",
  "attachment/address",
  "attachment/not-here",
  "attachment/not-found",
  "attachment/not-uploaded",
  "attachment/too-large",
  "attachment/damaged",
  "attachment/unreferenced",
] as const;

/** What an error says. */
export interface ErrorInfo {
  /** `area/name`, never reworded. */
  readonly code: ErrorCode;
  /** The text beside it, for people. */
  readonly message: string;
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean;
  /** Who has to act. */
  readonly blame: Blame;
}

/** Every error of this package. `cause` is the error behind it, where there is one. */
export class WhimbrelError extends Error implements ErrorInfo {
  override readonly name = "WhimbrelError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly blame: Blame;

  constructor(info: ErrorInfo, options?: ErrorOptions) {
    super(info.message, options);
    this.code = info.code;
    this.retryable = info.retryable;
    this.blame = info.blame;
  }
}

/** Changes that were not sent stand in the way; `count` says how many. */
export class UnsentChangesError extends WhimbrelError {
  readonly count: number;

  constructor(count: number, advice: string, options?: ErrorOptions) {
    const message = `${count} changes of this user were not sent: ${advice}`;
    super({ code: "user/unsent-changes", message, retryable: true, blame: "app" }, options);
    this.count = count;
  }
}

/** A mistake in the app's call, schema or data. */
export function appError(code: ErrorCode, message: string, options?: ErrorOptions): WhimbrelError {
  return new WhimbrelError({ code, message, retryable: false, blame: "app" }, options);
}

/** A fault of the engine itself. */
export function engineError(message: string, cause: unknown): WhimbrelError {
  return new WhimbrelError({ code: "engine/internal", message, retryable: false, blame: "engine" }, { cause });
}

/** What every call says after `close()`. */
export function closedError(): WhimbrelError {
  return appError("store/closed", "the database was closed");
}

/** Whatever was thrown below this package, as an error of this package. */
export function toWhimbrelError(thrown: unknown): WhimbrelError {
  if (thrown instanceof WhimbrelError) return thrown;
  if (isErrorInfo(thrown)) return new WhimbrelError(thrown);
  return engineError(`the engine failed: ${describeThrown(thrown)}`, thrown);
}

function isErrorInfo(thrown: unknown): thrown is ErrorInfo {
  // DOMExceptions have a `code` too, a number.
  return (
    typeof thrown === "object" &&
    thrown !== null &&
    "blame" in thrown &&
    "code" in thrown &&
    typeof thrown.code === "string"
  );
}

function describeThrown(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}
