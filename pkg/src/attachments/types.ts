/** Attachments as an app sees them, and what the database and `whimbrel/attachments` are to each other. */
import type { WhimbrelError } from "../errors.js";
import type { Unsubscribe } from "../listeners.js";
import type { Network } from "../network.js";

/** What becomes of one attachment. */
export interface AttachmentState {
  readonly address: string;
  /** Its bytes; `null` when nothing is known of it here. */
  readonly size: number | null;
  /** Its media type. */
  readonly type: string | null;
  /** Whether all of it is on the device. */
  readonly here: boolean;
  /** Whether the server has it. One that was never here counts as uploaded by somebody else: `true`. */
  readonly uploaded: boolean;
  /** What is going on with it, and how many bytes are done. */
  readonly transfer: { readonly direction: "up" | "down"; readonly done: number; readonly total: number } | null;
  /** Why its last upload failed. */
  readonly error: WhimbrelError | null;
}

/** How many bytes are done of how many. */
export interface AttachmentProgress {
  readonly done: number;
  readonly total: number;
}

/** All attachments in one value that never changes; there is a new one when something has. */
export interface AttachmentsStatus {
  /** `waiting`: between two attempts. `signedOut`: the server takes no token; the next sync that completes lets it go on. */
  readonly phase: "idle" | "uploading" | "waiting" | "offline" | "signedOut";
  /** Attachments that rows refer to, and that the server does not have yet. */
  readonly pending: number;
  /** Attachments that were added here, and that no row refers to. They are kept, and not uploaded. */
  readonly unreferenced: number;
  /** Of those that are pending, how many the server does not take: `retryNow()` tries them again. */
  readonly refused: number;
  /** Bytes of all that is being uploaded, or waits for it. */
  readonly upload: AttachmentProgress;
  /** Bytes of the downloads that are under way in this tab. */
  readonly download: AttachmentProgress;
  /** What attachments take on this device. */
  readonly storedBytes: number;
  /** What they may take; what is not uploaded stays all the same. */
  readonly budgetBytes: number;
  /** When the next attempt is due. */
  readonly nextRetry: Date | null;
  /** The last failure of an upload, until one comes to its end. */
  readonly lastError: WhimbrelError | null;
}

/** `db.attachments` */
export interface Attachments {
  /** Keeps a content on this device, and gives its address: the value of a field of type `attachment()`. The same content is kept once. */
  add(content: Blob | ArrayBuffer | Uint8Array<ArrayBuffer>, options?: { readonly type?: string }): Promise<string>;
  /** The content: from this device, else from the server, and then kept here. Rejects with `attachment/not-here` where it cannot be had now. */
  get(address: string, options?: { readonly signal?: AbortSignal }): Promise<Blob>;
  /** What is known of an attachment on this device. */
  state(address: string): Promise<AttachmentState>;
  /** Removes a content from this device, to be downloaded again when it is wanted. `attachment/not-uploaded`: the server does not have it. */
  evict(address: string): Promise<void>;
  /** The present status; the same object until something changes. */
  readonly status: AttachmentsStatus;
  /** Tells a listener the present status at once, and every new one. */
  subscribe(listener: (status: AttachmentsStatus) => void): Unsubscribe;
  /** Tells a listener the state of one attachment, now and whenever it changes. */
  watch(address: string, listener: (state: AttachmentState) => void): Unsubscribe;
  /** Tries at once what waits, and what was refused. */
  retryNow(): void;
  /** Uploads what can be uploaded now, and resolves when nothing more can: `status.pending` says what is left. */
  flush(): Promise<void>;
}

/** What an open database lends to its attachments. */
export interface AttachmentHost {
  readonly name: string;
  readonly user: string | null;
  /** The server's base URL. */
  readonly url: string | null;
  /** Whether the database is encrypted, which its attachments are not. */
  readonly encrypted: boolean;
  readonly network: Network;
  token(): Promise<string | null> | string | null;
  /** Of these addresses, those that a row on this device refers to. */
  referred(addresses: readonly string[]): Promise<ReadonlySet<string>>;
  /** Tells when a sync has completed: the server may know rows now that it did not know. */
  onSynced(listener: () => void): Unsubscribe;
  /** Tells when the server was found to be restored from a backup: it may have lost what it had. */
  onRestored(listener: () => void): Unsubscribe;
  /** Tells when the database has ended. */
  onEnd(listener: () => void): Unsubscribe;
}

/** What `attachments()` of `whimbrel/attachments` gives to `open`. */
export interface AttachmentsPlugin {
  start(host: AttachmentHost): Promise<Attachments>;
}

/** The name of the attachments' own database. */
export function attachmentsDatabase(name: string, user: string | null): string {
  return user === null ? `whimbrel-attachments/${name}` : `whimbrel-attachments/${name}/${user}`;
}
