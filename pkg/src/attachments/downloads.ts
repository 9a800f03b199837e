/**
 * Downloads: when somebody wants a content that is not here. In parts that are kept as they come, so that the next attempt goes on there.
 *
 * **Invariant:** nobody is given a content whose hash is not its address.
 */
import type { WhimbrelError } from "../errors.js";
import type { AttachmentShelf } from "../generated/whimbrel_attachments.js";
import { addressOf } from "./address.js";
import { exclusive } from "./exclusive.js";
import { failure, storeFailure } from "../attachment-failures.js";
import { type Remote, RemoteFailure } from "./remote.js";

/** How often one call asks for a part again that broke off. */
const ATTEMPTS = 3;
/** How often one call begins anew when what came is damaged. */
const BEGINNINGS = 2;

interface Running {
  readonly content: Promise<Blob>;
  readonly stop: AbortController;
  waiters: number;
  done: number;
  total: number;
}

export class Downloads {
  readonly #shelf: AttachmentShelf;
  readonly #remote: Remote;
  readonly #lock: string;
  readonly #ended: AbortSignal;
  readonly #changed: (isStored: boolean) => void;
  readonly running = new Map<string, Running>();

  constructor(shelf: AttachmentShelf, remote: Remote, lock: string, ended: AbortSignal, changed: (isStored: boolean) => void) {
    this.#shelf = shelf;
    this.#remote = remote;
    this.#lock = lock;
    this.#ended = ended;
    this.#changed = changed;
    ended.addEventListener("abort", () => this.running.forEach(({ stop }) => stop.abort(ended.reason)));
  }

  /** The content from the server. Whoever wants it at the same time shares the download; it stops when nobody wants it any more. */
  async get(address: string, signal: AbortSignal | undefined): Promise<Blob> {
    signal?.throwIfAborted();
    const running = this.running.get(address) ?? this.#start(address);
    running.waiters += 1;
    const leave = (): void => {
      running.waiters -= 1;
      if (running.waiters === 0) running.stop.abort();
    };
    if (signal === undefined) return running.content.finally(leave);
    return new Promise<Blob>((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener("abort", onAbort);
      running.content.then(resolve, reject);
    }).finally(leave);
  }

  #start(address: string): Running {
    const stop = new AbortController();
    if (this.#ended.aborted) stop.abort(this.#ended.reason);
    // It begins a turn later, when it is entered.
    const content = Promise.resolve()
      .then(() => exclusive(`${this.#lock}:${address}`, stop.signal, () => this.#download(address, stop.signal)))
      .catch((thrown: unknown) => Promise.reject(toError(thrown)))
      .finally(() => {
        this.running.delete(address);
        this.#changed(true);
      });
    const running: Running = { content, stop, waiters: 0, done: 0, total: 0 };
    this.running.set(address, running);
    return running;
  }

  async #download(address: string, signal: AbortSignal): Promise<Blob> {
    // Another tab may have been first.
    const kept = await this.#shelf.take(address, Date.now());
    if (kept !== undefined) return kept;
    const { complete, received: size, type = "" } = await this.#remote.state(address, signal);
    if (!complete) throw failure("attachment/not-found", "it has not been uploaded yet", "server", { retryable: true });
    for (let beginning = 0; beginning < BEGINNINGS; beginning++) {
      await this.#receive(address, size, type, signal);
      const content = await this.#shelf.downloaded(address);
      if (content?.size === size && (await addressOf(content)) === address) {
        await this.#shelf.endDownload(address);
        return content;
      }
      await this.#shelf.remove(address);
    }
    throw failure("attachment/damaged", "what the server gives is not what its address says", "server", { retryable: true });
  }

  async #receive(address: string, size: number, type: string, signal: AbortSignal): Promise<void> {
    let here = await this.#shelf.beginDownload(address, size, type, Date.now());
    for (;;) {
      this.#progress(address, here, size);
      if (here >= size) return;
      const part = await this.#part(address, here, size, signal);
      const next = await this.#shelf.addPart(address, here, part);
      here = next ?? (await this.#shelf.beginDownload(address, size, type, Date.now()));
    }
  }

  async #part(address: string, offset: number, size: number, signal: AbortSignal): Promise<Blob> {
    for (let attempt = 1; ; attempt++) {
      try {
        const part = await this.#remote.receive(address, offset, size, signal);
        if (part.size > 0) return part;
        throw new RemoteFailure(failure("network/not-our-server", "an empty part", "network", { retryable: true }));
      } catch (thrown) {
        const again = thrown instanceof RemoteFailure && thrown.error.code.startsWith("network/") && !signal.aborted;
        if (!again || attempt === ATTEMPTS) throw thrown;
      }
    }
  }

  #progress(address: string, done: number, total: number): void {
    const running = this.running.get(address);
    if (running === undefined) return;
    running.done = done;
    running.total = total;
    this.#changed(false);
  }
}

/** What cannot be had now has one code; what is behind it is the cause. */
function toError(thrown: unknown): unknown {
  if (thrown instanceof DOMException && thrown.name === "AbortError") return thrown;
  if (!(thrown instanceof RemoteFailure)) return storeFailure(thrown);
  const { error } = thrown;
  return error.code.startsWith("network/") || error.code.startsWith("server/") ? notHere(error) : error;
}

export function notHere(cause?: WhimbrelError): WhimbrelError {
  return failure("attachment/not-here", "it is not on this device, and the server cannot be asked now", "network", { retryable: true, cause });
}
