/**
 * The server's side of attachments: one request each, and what its answer means. A token that is refused is asked for again, once.
 */
import type { WhimbrelError } from "../errors.js";
import type { AttachmentHost } from "./types.js";
import { failure } from "../attachment-failures.js";

/** Bytes of a part, both ways. The server takes no larger ones. */
export const PART_BYTES = 1024 * 1024;
/** How long one request may take: a part over a slow line. */
const REQUEST_MS_MAX = 120_000;

/** How much the server has. */
export interface RemoteState {
  readonly received: number;
  readonly complete: boolean;
  readonly type?: string;
}

/** A failure, and how long the server wants to be left alone. */
export class RemoteFailure extends Error {
  readonly error: WhimbrelError;
  readonly retryAfterMs: number;

  constructor(error: WhimbrelError, retryAfterMs = 0) {
    super(error.message);
    this.error = error;
    this.retryAfterMs = retryAfterMs;
  }
}

export class Remote {
  readonly #host: AttachmentHost;
  readonly #base: string;
  /** The token that is asked for at the moment: one request for it serves all who wait. */
  #asking: Promise<string | null> | undefined;

  constructor(host: AttachmentHost, url: string) {
    this.#host = host;
    this.#base = `${url.replace(/\/+$/, "")}/attachments/`;
  }

  async state(address: string, signal: AbortSignal): Promise<RemoteState> {
    return this.#json(await this.#ask(`${address}/state`, {}, signal));
  }

  /** Sends the bytes of a content from `offset` on, as many as a part has. */
  async send(address: string, content: Blob, offset: number, signal: AbortSignal): Promise<RemoteState> {
    const body = content.slice(offset, offset + PART_BYTES);
    const headers = { "content-type": content.type || "application/octet-stream" };
    const place = `${address}?offset=${offset}&size=${content.size}`;
    return this.#json(await this.#ask(place, { method: "PATCH", headers, body: await body.arrayBuffer() }, signal));
  }

  /** Receives a part of a content. */
  async receive(address: string, offset: number, size: number, signal: AbortSignal): Promise<Blob> {
    const last = Math.min(offset + PART_BYTES, size) - 1;
    const headers = { range: `bytes=${offset}-${last}` };
    const response = await this.#ask(address, { headers }, signal);
    if (response.status !== 206) throw new RemoteFailure(notOurServer(`a range was answered with ${response.status}`));
    return response.blob().catch((thrown: unknown) => {
      throw new RemoteFailure(unreachable(thrown));
    });
  }

  async #json(response: Response): Promise<RemoteState> {
    const state = (await response.json().catch(() => undefined)) as RemoteState | undefined;
    if (typeof state?.received !== "number") throw new RemoteFailure(notOurServer("the answer is no state of an attachment"));
    return state;
  }

  /** A request with a token; when that is refused, once more with a new one. */
  async #ask(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    let response = await this.#fetch(path, init, signal);
    if (response.status === 401) response = await this.#fetch(path, init, signal);
    if (response.ok) return response;
    throw await toFailure(response);
  }

  async #fetch(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const token = await this.#token();
    const headers = { ...(init.headers as Record<string, string>), ...(token !== null && { authorization: `Bearer ${token}` }) };
    const running = new AbortController();
    // By hand: `AbortSignal.any` is younger than the oldest browsers that have all else.
    for (const end of [signal, AbortSignal.timeout(REQUEST_MS_MAX)]) {
      if (end.aborted) running.abort(end.reason);
      end.addEventListener("abort", () => running.abort(end.reason), { signal: running.signal });
    }
    try {
      return await fetch(this.#base + path, { ...init, headers, signal: running.signal, redirect: "manual", cache: "no-store", credentials: "same-origin" });
    } catch (thrown) {
      throw new RemoteFailure(unreachable(thrown));
    }
  }

  #token(): Promise<string | null> {
    this.#asking ??= Promise.resolve()
      .then(() => this.#host.token())
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  }
}

async function toFailure(response: Response): Promise<RemoteFailure> {
  const { status } = response;
  const problem = (await response.json().catch(() => undefined)) as { code?: unknown; title?: unknown } | undefined;
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") === true;
  const after = Number(response.headers.get("retry-after")) * 1000 || 0;
  if (status === 429 || status === 503) return new RemoteFailure(failure("server/busy", "the server is busy", "server", { retryable: true }), after);
  if (status >= 500) return new RemoteFailure(failure("server/failed", `the server failed (${status})`, "server", { retryable: true }), after);
  if (!isProblem || typeof problem?.code !== "string") return new RemoteFailure(notOurServer(`an answer of ${status} that is not your server's`));
  const blame = status === 401 || status === 403 ? "session" : "app";
  return new RemoteFailure(failure(problem.code, String(problem.title ?? problem.code), blame, { retryable: problem.code === "attachment/not-found" }));
}

function unreachable(cause: unknown): WhimbrelError {
  return failure("network/unreachable", "the server cannot be reached", "network", { retryable: true, cause });
}

function notOurServer(message: string): WhimbrelError {
  return failure("network/not-our-server", message, "network", { retryable: true });
}
