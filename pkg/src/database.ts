/** An open database: what its parts are, and how the engine's news reach them. */
import type { Attachments } from "./attachments/types.js";
import { type Batch, collectBatch } from "./batch.js";
import { type AnyCollection, Collection, type CollectionOf } from "./collection.js";
import { type Conflicts, ConflictsFacade } from "./conflicts.js";
import type { Connection } from "./connection.js";
import { asyncDispose } from "./dispose.js";
import { type Encryption, toKey } from "./encryption.js";
import type { EventDto, StatusDto } from "./engine.js";
import { appError, toWhimbrelError, UnsentChangesError, type WhimbrelError } from "./errors.js";
import type { HookRunner } from "./hooks.js";
import { type Inbox, InboxFacade } from "./inbox.js";
import type { EntityName } from "./infer.js";
import { leave, type LeaveOptions } from "./leaving.js";
import { Listeners } from "./listeners.js";
import { browserNetwork, type Network, type NetworkAdapter, NetworkFacade } from "./network.js";
import { Receipts } from "./receipts.js";
import { RecordShape } from "./records.js";
import type { Entities } from "./schema.js";
import { inPieces, type Lines, toBytes } from "./seed.js";
import { toStatus } from "./status.js";
import type { DatabaseHealth, StorageHealth } from "./storage-health.js";
import { watchSuspension } from "./suspension.js";
import { type Sync, SyncFacade } from "./sync.js";
import { exportStream, type Imported, importLines } from "./transfer.js";
import { type Transaction, type TransactionOptions, Transactions } from "./transaction.js";
import { type Change, type Write, Writer } from "./writes.js";

/** What every database has beside its entities. */
export interface DatabaseCore<E extends Entities, Unit extends string> extends AsyncDisposable {
  readonly sync: Sync<Unit>;
  readonly network: Network;
  readonly inbox: Inbox;
  /** Photos and documents that records refer to. Throws `open/invalid` when the database was opened without them. */
  readonly attachments: Attachments;
  readonly conflicts: Conflicts<E>;
  /** How safe the data on this device is. */
  readonly health: DatabaseHealth;
  /** Several writes that happen together or not at all. The function is synchronous. */
  batch(fill: (batch: Batch<E>) => void): Promise<Write[]>;
  /**
   * Reads and writes of several records, all or nothing. `tx` has the entities as the transaction sees them. The function is run again
   * when what it has read was changed meanwhile, so it does nothing else that must not happen twice. Resolves, when all is on the device,
   * to what the function gives.
   */
  transaction<T>(work: (tx: Transaction<E>) => T, options?: TransactionOptions): Promise<Awaited<T>>;
  /** A change by its id, also after a reload. */
  change(id: string): Change;
  /** An entity by a name that is not known while the app is compiled. Throws `schema/unknown-entity`. */
  entity<Name extends EntityName<E>>(name: Name): CollectionOf<E, Name>;
  entity(name: string): AnyCollection;
  /** Loads a pull answer (NDJSON) from a file, for seeding. Resolves with the number of rows. */
  load(lines: Lines): Promise<number>;
  /** Gives an encrypted database another key. What is stored stays as it is; other tabs go on. */
  changeKey(encryption: Encryption): Promise<void>;
  /** Everything that is in the database, as lines of JSON, of one moment. Writes may go on meanwhile. */
  export(): ReadableStream<Uint8Array>;
  /** What waits for the server or for the user, as lines of JSON: the outbox, the conflicts, the inbox. */
  exportOutbox(): ReadableStream<Uint8Array>;
  /** Takes in what `export` or `exportOutbox` gave: all of it, or nothing. */
  import(lines: Lines | Blob): Promise<Imported>;
  /** Changes that only this device has: those that wait, those in conflict, and those in the inbox. */
  unsent(): number;
  /**
   * Ends the use of the database by its user: closes it, or wipes it with `discard`. Resolves with the number of changes that were lost.
   * Throws `user/unsent-changes` when it is not said what becomes of them, or they cannot be sent; the database then stays open.
   */
  leave(options?: LeaveOptions): Promise<number>;
  /** Leaves, and opens the same for another user. */
  switchUser(user: string | null, options?: LeaveOptions): Promise<Database<E, Unit>>;
  /** Deletes the database. Resolves with the number of changes that were lost; with any, `force` is needed (`user/unsent-changes`). */
  wipe(options?: { readonly force?: boolean | undefined }): Promise<number>;
  /** Resolves when nothing can be done any more, with the reason: `store/closed`, `store/deleted`, `store/newer`, `engine/internal`. */
  readonly closed: Promise<WhimbrelError>;
  /** Closes the database. Changes that wait stay on the device and are sent when it is next open. */
  close(): Promise<void>;
}

/** An open database: its entities by their names, and the rest. */
export type Database<E extends Entities, Unit extends string = "all"> = DatabaseCore<E, Unit> & {
  readonly [Name in EntityName<E>]: CollectionOf<E, Name>;
};

/** What a database is given by the one who opens it. */
export interface Surroundings {
  readonly hooks: HookRunner;
  readonly adapter: NetworkAdapter | undefined;
  /** The units that send. */
  readonly senders: readonly string[];
  /** Deletes the database once it is closed. */
  readonly destroy: () => Promise<void>;
  /** Opens the same for another user. */
  readonly reopen: (user: string | null) => Promise<DatabaseFacade>;
}

export class DatabaseFacade implements DatabaseCore<Entities, string> {
  readonly sync: SyncFacade;
  readonly network: NetworkFacade;
  readonly inbox: Inbox;
  readonly conflicts: ConflictsFacade;
  readonly health: StorageHealth;
  readonly closed: Promise<WhimbrelError>;
  readonly #connection: Connection;
  readonly #receipts: Receipts;
  readonly #writer: Writer;
  readonly #shapes: ReadonlyMap<string, RecordShape>;
  readonly #collections: ReadonlyMap<string, Collection>;
  readonly #transactions: Transactions;
  /** Told when the server was found to be restored from a backup. */
  readonly restored = new Listeners<void>();
  #attachments: Attachments | undefined;
  readonly #around: Surroundings;

  constructor(
    connection: Connection,
    entities: Entities,
    status: StatusDto,
    health: StorageHealth,
    around: Surroundings,
  ) {
    this.#connection = connection;
    this.#around = around;
    this.#receipts = new Receipts(connection);
    this.#writer = new Writer(connection, this.#receipts);
    this.#shapes = new Map(Object.entries(entities).map(([name, declared]) => [name, new RecordShape(name, declared)]));
    this.#collections = new Map(
      [...this.#shapes].map(([name, shape]) => [name, new Collection(connection, this.#writer, shape, this.#shapes)]),
    );
    this.#transactions = new Transactions(connection, this.#receipts, this.#shapes);
    this.sync = new SyncFacade(connection, toStatus(status));
    this.network = new NetworkFacade(status.network);
    this.inbox = new InboxFacade(connection, this.#writer);
    this.conflicts = new ConflictsFacade(connection, this.#shapes);
    this.health = health;
    health.setPending(status.pending);
    this.closed = new Promise((resolve) => {
      if (connection.end === null) connection.onEnd(resolve);
      else resolve(connection.end);
    });
    this.#listen();
    for (const [name, collection] of this.#collections) {
      Object.defineProperty(this, name, { value: collection, enumerable: true });
    }
  }

  get attachments(): Attachments {
    if (this.#attachments !== undefined) return this.#attachments;
    throw appError("open/invalid", "the database was opened without attachments; see whimbrel/attachments");
  }

  attach(attachments: Attachments): void {
    this.#attachments = attachments;
  }

  async batch(fill: (batch: never) => void): Promise<Write[]> {
    const writes = collectBatch(this.#shapes, fill);
    return writes.length === 0 ? [] : this.#writer.write(writes);
  }

  transaction<T>(work: (tx: never) => T, options?: TransactionOptions): Promise<Awaited<T>> {
    return this.#transactions.run(work, options);
  }

  change(id: string): Change {
    if (typeof id !== "string") throw appError("value/id", "a change's id is text");
    return this.#writer.change(id);
  }

  entity(name: string): never {
    const collection = this.#collections.get(name);
    if (collection === undefined) throw appError("schema/unknown-entity", `there is no entity "${name}"`);
    // What `entity` returns depends on the name; the interface says how.
    return collection as never;
  }

  async load(lines: Lines): Promise<number> {
    const bytes = await toBytes(lines);
    return this.#connection.call((engine) => engine.load(inPieces(bytes)));
  }

  async changeKey(encryption: Encryption): Promise<void> {
    const key = await toKey(encryption);
    return this.#connection.call((engine) => engine.changeKey(key));
  }

  export(): ReadableStream<Uint8Array> {
    return exportStream(this.#connection, true);
  }

  exportOutbox(): ReadableStream<Uint8Array> {
    return exportStream(this.#connection, false);
  }

  import(lines: Lines | Blob): Promise<Imported> {
    return importLines(this.#connection, lines);
  }

  unsent(): number {
    const { pending, rejected } = this.#connection.callNow((engine) => engine.status());
    return pending + rejected + (this.#attachments?.status.pending ?? 0);
  }

  async leave(options: LeaveOptions = {}): Promise<number> {
    return leave(this.#leaving, options);
  }

  async switchUser(user: string | null, options: LeaveOptions = {}): Promise<never> {
    await leave(this.#leaving, options);
    // It has the entities of this one.
    return (await this.#around.reopen(user)) as never;
  }

  async wipe({ force = false }: { readonly force?: boolean | undefined } = {}): Promise<number> {
    // What no record refers to yet is on no other device either.
    const count = this.unsent() + (this.#attachments?.status.unreferenced ?? 0);
    if (count > 0 && !force) throw new UnsentChangesError(count, "wiping them needs force");
    await this.close();
    await this.#around.destroy();
    return count;
  }

  get #leaving(): Parameters<typeof leave>[0] {
    const { sync, unsent, close, wipe } = this;
    const { senders } = this.#around;
    const upload = async (): Promise<void> => this.#attachments?.flush();
    return { sync, senders, upload, unsent: unsent.bind(this), close: close.bind(this), wipe: wipe.bind(this) };
  }

  /** Hears of the network and of sleep, until the database ends. */
  #listen(): void {
    const connection = this.#connection;
    if (connection.end !== null) return;
    const offs = [
      this.network.follow(this.#around.adapter ?? browserNetwork, {
        carried: (online, type, saveData) => connection.callNow((engine) => engine.carried(online, type, saveData)),
        woke: () => connection.callNow((engine) => engine.woke()),
      }),
      watchSuspension(() => connection.callNow((engine) => engine.woke())),
    ];
    connection.onEnd(() => {
      for (const off of offs) off();
    });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  [asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whether somebody waits for the receipt of a change. */
  waits(change: string): boolean {
    return this.#receipts.waits(change);
  }

  /** The engine's news, in their order. */
  handle(event: EventDto): void {
    switch (event.type) {
      case "start":
      case "progress":
      case "complete":
      case "error":
      case "cancelled":
        this.#around.hooks.handle(event);
        return this.sync.handle(event);
      case "settled":
        return this.sync.settle(event);
      case "status":
        this.network.set(event.status.network);
        this.health.setPending(event.status.pending);
        return this.sync.setStatus(event.status);
      case "network":
        return this.network.set(event.status);
      case "confirmed":
        return event.receipts.forEach((receipt) => this.#receipts.arrived(receipt));
      case "report":
        if (event.error.code === "store/mirror") this.health.missed();
        if (event.error.code === "sync/server-restored") this.restored.emit();
        return report(event);
      case "recovered":
        return this.health.recovered();
      case "ended":
        return this.#connection.fail(toWhimbrelError(event.error));
    }
  }
}

/** For the developer: never silence. */
function report({ level, error }: Extract<EventDto, { type: "report" }>): void {
  if (level === "error") console.error("whimbrel:", toWhimbrelError(error));
  else console.warn("whimbrel:", toWhimbrelError(error));
}
