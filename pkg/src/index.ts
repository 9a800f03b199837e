/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Whimbrel: typed records on the device, an outbox that loses nothing, and a sync engine in WebAssembly.
 *
 * Importing this module does nothing: the engine starts with the first `open`, so it may be imported on a server.
 */
// First, so that the engine's text, in which nothing repeats, does not part the rest: gzip finds what repeats within 32 KiB only.
import { loadEngine } from "./wasm.js";
import { createOpen, destroyDatabase, type Open } from "./open.js";

/** Opens a database, and makes it when it is not there. Everything about it is inferred from `entities` and `units`. */
export const open: Open = createOpen(loadEngine);

/** What concerns a whole database and needs none that is open. */
export const Whimbrel = {
  /**
   * Deletes a database that is not open. Resolves with the number of changes that were not sent, as far as this origin remembers; with any,
   * `force` is needed (`user/unsent-changes`).
   */
  destroy: (
    name: string,
    options: { readonly user?: string | null | undefined; readonly force?: boolean | undefined } = {},
  ): Promise<number> => destroyDatabase(loadEngine, name, options.user ?? null, options.force ?? false),
} as const;

export { attachment, boolean, entity, integer, real, ref, text, timestamp } from "./schema.js";
export { pairId } from "./record-id.js";
export { UnsentChangesError, WhimbrelError } from "./errors.js";

export type {
  AttachmentProgress,
  Attachments,
  AttachmentsPlugin,
  AttachmentState,
  AttachmentsStatus,
} from "./attachments/types.js";
export type { Batch } from "./batch.js";
export type {
  AnyCollection,
  AppendableCollection,
  CollectionOf,
  ReadableCollection,
  WritableCollection,
} from "./collection.js";
export type { Conflict, ConflictOf, Conflicts, Decision, Side } from "./conflicts.js";
export type { Database, DatabaseCore } from "./database.js";
export type { Encryption } from "./encryption.js";
export type { Blame, ErrorCode, ErrorInfo } from "./errors.js";
export type { AfterRun, BeforeRun, Hooks } from "./hooks.js";
export type { Includes, With } from "./include.js";
export type { DependentChange, Inbox, RefusedChange } from "./inbox.js";
export type { CreateInput, EntityName, RecordOf, UpdateInput, WritableName } from "./infer.js";
export type { LeaveOptions } from "./leaving.js";
export type { Unsubscribe } from "./listeners.js";
export type { Network, NetworkAdapter, NetworkReport, NetworkState, NetworkType } from "./network.js";
export type { Open } from "./open.js";
export type { AutoOptions, OpenOptions, ServerOptions, UnitPolicy, UnitSpec } from "./options.js";
export type { Condition, Cursor, Direction, Query, QueryOf, QueryPlan, Where } from "./query.js";
export type { Receipt } from "./receipts.js";
export type { AnyRecord } from "./records.js";
export type {
  EmptiedRef,
  Entities,
  Entity,
  EntityOptions,
  Field,
  Fields,
  MergeRule,
  OnDelete,
  Policy,
  TextField,
} from "./schema.js";
export type { Steps, StepsByVersion, StoredValue } from "./steps.js";
export type { Lines } from "./seed.js";
export type { DatabaseHealth, HealthStatus, Wiped } from "./storage-health.js";
export type { Cause, NetworkStatus, Phase, Progress, SyncEvents, SyncStatus } from "./status.js";
export type { Outcome, Run, Sync, TriggerOptions } from "./sync.js";
export type { Transaction, TransactionOptions } from "./transaction.js";
export type { Imported } from "./transfer.js";
export type { Watch, WatchOptions } from "./watch.js";
export type { Change, Created, Write } from "./writes.js";
