/**
 * The upload lane: beside the sync, after the rows. One content at a time, in parts, from where the server says that it stopped.
 *
 * **Invariant:** a content counts as uploaded when the server has said that all of it is there, and this is stored.
 * **Invariant:** what fails delays nothing else; what is next, and when, is decided by `crates/attachments`.
 */
import type { WhimbrelError } from "../errors.js";
import type { AttachmentShelf, EntryDto } from "../generated/whimbrel_attachments.js";
import { addressOf } from "./address.js";
import { exclusive } from "./exclusive.js";
import { failure, storeFailure } from "../attachment-failures.js";
import { type Remote, RemoteFailure } from "./remote.js";
import type { AttachmentHost, AttachmentsStatus } from "./types.js";

/** How often the server may say in a row that a part does not fit: somebody else of this user uploads the same. */
const MISFITS_MAX = 5;

/** Why an upload failed, as the lane's decisions know it. */
type How = "temporary" | "unreferenced" | "refused";

export class Uploads {
  readonly #shelf: AttachmentShelf;
  readonly #host: AttachmentHost;
  readonly #remote: Remote;
  readonly #lock: string;
  readonly #signal: AbortSignal;
  /** Something has changed: the status is another one. */
  readonly #changed: (isStored: boolean) => void;
  readonly errors = new Map<string, WhimbrelError>();
  phase: AttachmentsStatus["phase"] = "idle";
  /** What is on its way, and how many bytes of it the server has. */
  active: { readonly address: string; readonly done: number } | null = null;
  lastError: WhimbrelError | null = null;
  nextRetry: Date | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSignedOut = false;
  #running: Promise<void> | undefined;
  #isWanted = false;

  constructor(
    shelf: AttachmentShelf,
    host: AttachmentHost,
    remote: Remote,
    lock: string,
    signal: AbortSignal,
    changed: (isStored: boolean) => void,
  ) {
    this.#shelf = shelf;
    this.#host = host;
    this.#remote = remote;
    this.#lock = lock;
    this.#signal = signal;
    this.#changed = changed;
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Looks whether there is something to upload. */
  poke(): void {
    this.#isWanted = true;
    if (!this.#signal.aborted) this.#running ??= this.#run();
  }

  /** Resolves when nothing more can be uploaded now. */
  async ended(): Promise<void> {
    await this.#running;
  }

  /** A sync has completed, or the network is back. */
  synced(): void {
    this.#isSignedOut = false;
    this.#shelf.synced();
    this.poke();
  }

  retryNow(): void {
    this.#isSignedOut = false;
    this.#shelf.retryNow();
    this.poke();
  }

  async #run(): Promise<void> {
    while (this.#isWanted && !this.#signal.aborted) {
      this.#isWanted = false;
      try {
        if ((await this.#waiting()).length > 0) await exclusive(this.#lock, this.#signal, () => this.#drain());
        else this.#rest("idle", null);
      } catch (thrown) {
        if (!this.#signal.aborted) this.lastError = storeFailure(thrown);
      }
    }
    this.#running = undefined;
    if (!this.#signal.aborted) this.#changed(false);
  }

  async #waiting(): Promise<EntryDto[]> {
    return (await this.#shelf.entries()).filter(({ here, uploaded }) => here && !uploaded);
  }

  async #drain(): Promise<void> {
    while (!this.#signal.aborted) {
      const { status } = this.#host.network;
      if (this.#isSignedOut) return this.#rest("signedOut", null);
      if (status === "offline" || status === "captive") return this.#rest("offline", null);
      const entries = await this.#waiting();
      const referred = [...(await this.#host.referred(entries.map(({ address }) => address)))];
      const next = this.#shelf.next(entries, referred, Date.now());
      const entry = entries.find(({ address }) => address === next.upload);
      if (entry === undefined) return this.#rest(next.waitUntil === undefined ? "idle" : "waiting", next.waitUntil ?? null);
      this.phase = "uploading";
      this.nextRetry = null;
      const isReachable = await this.#upload(entry);
      // Who cannot be reached cannot be reached for the others either.
      if (!isReachable) return this.#rest("waiting", this.#shelf.next([entry], [entry.address], Date.now()).waitUntil ?? null);
    }
  }

  /** Nothing more for now. */
  #rest(phase: AttachmentsStatus["phase"], at: number | null): void {
    clearTimeout(this.#timer);
    this.phase = phase;
    this.nextRetry = at === null ? null : new Date(at);
    if (at !== null) this.#timer = setTimeout(() => this.poke(), Math.max(0, at - Date.now()));
  }

  /** Uploads one. Says whether the server could be reached. */
  async #upload({ address }: EntryDto): Promise<boolean> {
    const content = await this.#shelf.take(address, Date.now());
    if (content === undefined) return true;
    try {
      let state = await this.#remote.state(address, this.#signal);
      let misfits = 0;
      while (!state.complete) {
        this.#progress(address, state.received);
        try {
          state = await this.#remote.send(address, content, state.received, this.#signal);
        } catch (thrown) {
          const isMisfit = thrown instanceof RemoteFailure && thrown.error.code === "attachment/offset";
          if (!isMisfit || ++misfits > MISFITS_MAX) throw thrown;
          state = await this.#remote.state(address, this.#signal);
        }
      }
      await this.#shelf.uploaded(address);
      this.errors.delete(address);
      this.lastError = null;
      return true;
    } catch (thrown) {
      if (this.#signal.aborted) return false;
      return await this.#failed(address, content, thrown);
    } finally {
      this.active = null;
      this.#changed(true);
    }
  }

  #progress(address: string, done: number): void {
    this.active = { address, done };
    this.#changed(false);
  }

  async #failed(address: string, content: Blob, thrown: unknown): Promise<boolean> {
    const { error, retryAfterMs } = thrown instanceof RemoteFailure ? thrown : { error: storeFailure(thrown), retryAfterMs: 0 };
    if (error.code === "auth/unauthenticated") {
      this.#isSignedOut = true;
      this.lastError = error;
      return true;
    }
    const how = await this.#howOf(error, address, content);
    this.#shelf.failed(address, how, retryAfterMs, Date.now(), Math.random());
    // A row that was not pushed yet is no failure.
    if (how !== "unreferenced") {
      this.errors.set(address, error);
      this.lastError = error;
    }
    return error.code !== "network/unreachable";
  }

  async #howOf(error: WhimbrelError, address: string, content: Blob): Promise<How> {
    if (error.code === "attachment/unreferenced") return "unreferenced";
    if (error.retryable || error.code === "attachment/offset") return "temporary";
    // Damaged on its way: it begins anew. Damaged here: it never will be right.
    if (error.code === "attachment/damaged") return (await addressOf(content)) === address ? "temporary" : "refused";
    return "refused";
  }
}

/** Whoever asks for uploads without a server. */
export function noServer(): WhimbrelError {
  return failure("attachment/not-here", "it is not on this device, and the database has no server", "app");
}
