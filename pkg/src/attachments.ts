/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `whimbrel/attachments`: photos and documents that records refer to. A module of its own with a wasm of its own, for apps that have them:
 *
 * `open({ …, attachments: attachments({ budgetBytes: 200e6 }) })`
 */
import type { Unsubscribe } from "./listeners.js";
import { addressOf, BYTES_MAX, checkAddress } from "./attachments/address.js";
import { Downloads, notHere } from "./attachments/downloads.js";
import { failure, storeFailure } from "./attachment-failures.js";
import { Remote } from "./attachments/remote.js";
import {
  type AttachmentHost,
  attachmentsDatabase,
  type Attachments,
  type AttachmentsPlugin,
  type AttachmentState,
  type AttachmentsStatus,
} from "./attachments/types.js";
import { noServer, Uploads } from "./attachments/uploads.js";
import { attachmentsGzipBase64 } from "./generated/attachments_wasm.js";
import init, { AttachmentShelf, type EntryDto } from "./generated/whimbrel_attachments.js";
import { Listeners, tell } from "./listeners.js";
import { unpack } from "./unpack.js";

export type { Attachments, AttachmentProgress, AttachmentsPlugin, AttachmentState, AttachmentsStatus } from "./attachments/types.js";

/** What attachments may take when nothing is said: 256 MiB. */
const BUDGET_BYTES = 256 * 1024 * 1024;

export interface AttachmentOptions {
  /** What attachments may take on this device, in bytes; those that were wanted longest ago leave. What is not uploaded always stays. */
  readonly budgetBytes?: number | undefined;
  /** Says that attachments of an encrypted database may be stored as they are: they are not encrypted. */
  readonly unencrypted?: boolean | undefined;
}

/** Attachments for `open`. */
export function attachments(options: AttachmentOptions = {}): AttachmentsPlugin {
  const { budgetBytes = BUDGET_BYTES, unencrypted = false } = options;
  if (!(budgetBytes >= 0)) throw failure("open/invalid", "attachments: budgetBytes is a number of bytes", "app");
  return {
    start: async (host) => {
      if (host.encrypted && !unencrypted) {
        throw failure("open/invalid", "attachments are not encrypted; attachments({ unencrypted: true }) allows it", "app");
      }
      const database = attachmentsDatabase(host.name, host.user);
      return new AttachmentsFacade(await openShelf(database), host, database, budgetBytes);
    },
  };
}

let loading: Promise<unknown> | undefined;

async function openShelf(database: string): Promise<AttachmentShelf> {
  loading ??= unpack(attachmentsGzipBase64)
    .then((bytes) => init({ module_or_path: bytes }))
    .catch((thrown: unknown) => {
      loading = undefined;
      throw failure("engine/unavailable", "the attachments could not be started", "device", { cause: thrown });
    });
  await loading;
  return AttachmentShelf.open(database).catch((thrown: unknown) => Promise.reject(storeFailure(thrown)));
}

/** What is known of all contents at a moment. */
interface Look {
  readonly entries: readonly EntryDto[];
  readonly referred: ReadonlySet<string>;
}

class AttachmentsFacade implements Attachments {
  readonly #shelf: AttachmentShelf;
  readonly #host: AttachmentHost;
  readonly #uploads: Uploads | undefined;
  readonly #downloads: Downloads | undefined;
  readonly #budget: number;
  readonly #stop = new AbortController();
  /** Tells other tabs of what was stored. A hint: who misses it looks later. */
  readonly #channel: BroadcastChannel | undefined;
  readonly #listeners = new Listeners<AttachmentsStatus>();
  readonly #watched = new Set<{ readonly address: string; readonly listener: (state: AttachmentState) => void; last: string }>();
  #look: Look = { entries: [], referred: new Set() };
  #status: AttachmentsStatus;
  #looking: Promise<void> | undefined;
  #isStale = false;

  constructor(shelf: AttachmentShelf, host: AttachmentHost, database: string, budget: number) {
    this.#shelf = shelf;
    this.#host = host;
    this.#budget = budget;
    const { signal } = this.#stop;
    const changed = (isStored: boolean): void => (isStored ? this.#stored() : this.#show());
    if (host.url !== null) {
      const remote = new Remote(host, host.url);
      this.#uploads = new Uploads(shelf, host, remote, `${database}:uploads`, signal, changed);
      this.#downloads = new Downloads(shelf, remote, database, signal, changed);
    }
    this.#status = this.#toStatus();
    this.#channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(database);
    if (this.#channel !== undefined) this.#channel.onmessage = () => void this.#refresh();
    const offs = [
      host.onSynced(() => this.#synced()),
      host.onRestored(() => void this.#doubt()),
      host.network.on("change", (status) => status === "online" && this.#synced()),
    ];
    host.onEnd(() => {
      for (const off of offs) off();
      this.#end();
    });
    void this.#refresh();
    this.#uploads?.poke();
  }

  get status(): AttachmentsStatus {
    return this.#status;
  }

  async add(content: Blob | ArrayBuffer | Uint8Array<ArrayBuffer>, { type }: { readonly type?: string } = {}): Promise<string> {
    this.#check();
    const given = content instanceof Blob ? content : new Blob([content]);
    const blob = new Blob([given], { type: type ?? given.type });
    if (blob.size > BYTES_MAX) {
      throw failure("attachment/too-large", `an attachment has at most ${BYTES_MAX} bytes, not ${blob.size}`, "app");
    }
    const address = await addressOf(blob);
    await this.#store(() => this.#shelf.add(address, blob, blob.type, Date.now()));
    await this.#evict();
    this.#stored();
    this.#uploads?.poke();
    return address;
  }

  async get(address: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Blob> {
    checkAddress(address);
    this.#check();
    const kept = await this.#store(() => this.#shelf.take(address, Date.now()));
    if (kept !== undefined) return kept;
    if (this.#downloads === undefined) throw noServer();
    if (this.#host.network.status === "offline") throw notHere();
    const content = await this.#downloads.get(address, signal);
    await this.#evict();
    this.#stored();
    return content;
  }

  async state(address: string): Promise<AttachmentState> {
    checkAddress(address);
    await this.#refresh();
    return this.#stateOf(address);
  }

  async evict(address: string): Promise<void> {
    checkAddress(address);
    this.#check();
    if (!(await this.#store(() => this.#shelf.remove(address)))) {
      throw failure("attachment/not-uploaded", "the server does not have it: it stays on the device", "app");
    }
    this.#stored();
  }

  subscribe(listener: (status: AttachmentsStatus) => void): Unsubscribe {
    const off = this.#listeners.add(listener);
    tell(listener, this.#status);
    return off;
  }

  watch(address: string, listener: (state: AttachmentState) => void): Unsubscribe {
    checkAddress(address);
    const entry = { address, listener, last: "" };
    this.#watched.add(entry);
    void this.#refresh();
    return () => void this.#watched.delete(entry);
  }

  retryNow(): void {
    this.#uploads?.retryNow();
  }

  async flush(): Promise<void> {
    this.#uploads?.synced();
    await this.#uploads?.ended();
    await this.#refresh();
  }

  /** What the server had it may have lost: it is asked for each, and gets what it lacks. */
  async #doubt(): Promise<void> {
    await this.#shelf.doubt().catch(() => undefined);
    this.#stored();
    this.#synced();
  }

  #synced(): void {
    this.#uploads?.synced();
    void this.#refresh();
  }

  #check(): void {
    if (this.#stop.signal.aborted) throw failure("store/closed", "the database was closed", "app");
  }

  async #store<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw storeFailure(thrown);
    }
  }

  async #evict(): Promise<void> {
    const busy = [...(this.#downloads?.running.keys() ?? [])];
    await this.#store(() => this.#shelf.evict(this.#budget, busy));
  }

  /** Something was stored: here and in other tabs there is something new to see. */
  #stored(): void {
    if (this.#stop.signal.aborted) return;
    this.#channel?.postMessage(null);
    void this.#refresh();
  }

  /** Looks again. Who asks while it looks is served by the look after it. */
  #refresh(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    this.#isStale = true;
    this.#looking ??= this.#lookAgain().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #lookAgain(): Promise<void> {
    while (this.#isStale && !this.#stop.signal.aborted) {
      this.#isStale = false;
      try {
        const entries = await this.#shelf.entries();
        const own = entries.filter(({ here, uploaded }) => here && !uploaded).map(({ address }) => address);
        this.#look = { entries, referred: own.length === 0 ? new Set() : await this.#host.referred(own) };
      } catch {
        // What is wrong with the database is told to those who call it.
      }
      this.#show();
    }
  }

  #show(): void {
    if (this.#stop.signal.aborted) return;
    const status = this.#toStatus();
    if (JSON.stringify(status) !== JSON.stringify(this.#status)) {
      this.#status = status;
      this.#listeners.emit(status);
    }
    for (const watched of this.#watched) {
      const state = this.#stateOf(watched.address);
      const text = JSON.stringify(state);
      if (text === watched.last) continue;
      watched.last = text;
      tell(watched.listener, state);
    }
  }

  #toStatus(): AttachmentsStatus {
    const { entries, referred } = this.#look;
    const waiting = entries.filter(({ here, uploaded }) => here && !uploaded);
    const pending = waiting.filter(({ address }) => referred.has(address));
    const active = this.#uploads?.active ?? null;
    const running = [...(this.#downloads?.running.values() ?? [])];
    return {
      phase: this.#uploads?.phase ?? "idle",
      pending: pending.length,
      unreferenced: waiting.length - pending.length,
      refused: pending.filter(({ address }) => this.#shelf.isRefused(address)).length,
      upload: { done: active?.done ?? 0, total: sum(pending.map(({ size }) => size)) },
      download: { done: sum(running.map(({ done }) => done)), total: sum(running.map(({ total }) => total)) },
      storedBytes: sum(entries.map(({ size }) => size)),
      budgetBytes: this.#budget,
      nextRetry: this.#uploads?.nextRetry ?? null,
      lastError: this.#uploads?.lastError ?? null,
    };
  }

  #stateOf(address: string): AttachmentState {
    const entry = this.#look.entries.find((entry) => entry.address === address);
    const running = this.#downloads?.running.get(address);
    const active = this.#uploads?.active;
    const size = entry?.size ?? null;
    const transfer = running
      ? ({ direction: "down", done: running.done, total: running.total } as const)
      : active?.address === address
        ? ({ direction: "up", done: active.done, total: size ?? 0 } as const)
        : null;
    const { here = false, uploaded = true, type = null } = entry ?? {};
    return { address, size, type, here, uploaded, transfer, error: this.#uploads?.errors.get(address) ?? null };
  }

  #end(): void {
    this.#stop.abort(failure("store/closed", "the database was closed", "app"));
    this.#channel?.close();
    this.#listeners.clear();
    this.#watched.clear();
    this.#shelf.close();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
