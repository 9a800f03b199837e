/** What goes wrong with attachments, as errors of the package. Beside `index.ts`, for its class has to be the one that the app has: `instanceof`. */
import { type Blame, type ErrorCode, WhimbrelError } from "./index.js";

export function failure(code: ErrorCode, message: string, blame: Blame, more: { retryable?: boolean; cause?: unknown } = {}): WhimbrelError {
  const { retryable = false, cause } = more;
  return new WhimbrelError({ code, message, retryable, blame }, cause === undefined ? undefined : { cause });
}

/** What the database of the attachments throws. */
export function storeFailure(thrown: unknown): WhimbrelError {
  if (thrown instanceof WhimbrelError) return thrown;
  const { code, message } = Object(thrown) as { readonly code?: unknown; readonly message?: unknown };
  const known = code === "store/quota" || code === "store/failed" ? code : "store/failed";
  return failure(known, typeof message === "string" ? message : String(thrown), "device", { cause: thrown });
}
