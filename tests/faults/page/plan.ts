/** Which calls of IndexedDB can fail in which ways. */

/** In which ways a call fails. */
export type Fault =
  /** It throws, as on a connection that was closed. */
  | "throws InvalidStateError"
  /** It throws, as on a broken disk. */
  | "throws UnknownError"
  /** Its transaction is aborted by the browser, with a cause; a request to open fails. */
  | "fails with UnknownError"
  /** Its transaction is aborted, and nobody says why. */
  | "aborts without a cause"
  /** It and all that follows in its transaction wait for ever. */
  | "never answers"
  /** It happens, and the news of it does not arrive: of an opening, too late. */
  | "answer lost"
  /** All requests of its transaction succeed, and then it is aborted for want of room. */
  | "quota at commit"
  /** Another connection is in the way, for ever. */
  | "blocked";

export interface Plan {
  readonly label: string;
  /** From 0. */
  readonly nth: number;
  readonly fault: Fault;
}

export const FAULTS: Readonly<Record<string, readonly Fault[]>> = {
  open: ["throws InvalidStateError", "throws UnknownError", "fails with UnknownError", "never answers", "answer lost", "blocked"],
  deleteDatabase: ["throws InvalidStateError", "throws UnknownError", "fails with UnknownError", "never answers", "blocked"],
  createObjectStore: ["throws InvalidStateError", "throws UnknownError", "aborts without a cause", "quota at commit"],
  "transaction readonly": ["throws InvalidStateError", "throws UnknownError", "never answers", "answer lost"],
  "transaction readwrite": ["throws InvalidStateError", "throws UnknownError", "never answers", "answer lost", "quota at commit"],
  objectStore: ["throws InvalidStateError", "throws UnknownError", "aborts without a cause"],
  request: ["throws InvalidStateError", "throws UnknownError", "fails with UnknownError", "aborts without a cause", "never answers"],
  commit: ["throws InvalidStateError", "throws UnknownError", "aborts without a cause", "never answers", "answer lost", "quota at commit"],
};

export const REQUESTS = ["get", "getAll", "getAllKeys", "put", "delete", "clear"] as const;

/** The kind of call that a label names, as {@link FAULTS} has it. */
export function kindOf(label: string): string {
  const call = label.slice(label.lastIndexOf("/") + 1);
  if (call.startsWith("transaction")) return call.split(" ").slice(0, 2).join(" ");
  const method = call.split(" ")[0] ?? "";
  return (REQUESTS as readonly string[]).includes(method) ? "request" : method;
}
