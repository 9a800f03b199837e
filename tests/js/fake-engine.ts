/** An engine for the facade's tests: it stores nothing cleverly, does what the test tells it, and remembers what it was asked. */
import type {
  ConfirmedDto,
  Engine,
  EngineModule,
  ErrorDto,
  EventDto,
  Host,
  OpenDto,
  StatusDto,
  WriteDto,
} from "../../pkg/src/engine.js";
import { Health } from "../../pkg/src/health.js";

/** As the real engine throws it: a plain object. */
export const errorDto = (code: string, more: Partial<ErrorDto> = {}): ErrorDto => ({
  code,
  message: `about ${code}`,
  retryable: false,
  blame: "app",
  ...more,
});

export const idle: StatusDto = {
  phase: "idle",
  unit: null,
  run: null,
  progress: { pushed: 0, toPush: 0, pulled: 0, toPull: 0, bytes: 0 },
  pending: 0,
  rejected: 0,
  conflicts: 0,
  lastSuccess: null,
  nextRetry: null,
  lastError: null,
  waitingFor: null,
  network: "unknown",
};

interface Watched {
  readonly entity: string;
  readonly query: string;
  readonly deliver: (rows: string) => void;
  readonly fail: (error: ErrorDto) => void;
}

export class FakeEngine implements Engine {
  readonly calls: unknown[][] = [];
  readonly records = new Map<string, Record<string, unknown>>();
  /** Its transactions, the oldest first: engines with a copy of the records. */
  readonly transactions: FakeEngine[] = [];
  readonly watches = new Map<number, Watched>();
  readonly receipts = new Map<string, ConfirmedDto>();
  /** What the next call of that name throws. */
  readonly failures: Map<string, unknown>;
  /** What the next call of that name waits for. */
  readonly delays: Map<string, Promise<void>>;
  refused: unknown[] = [];
  met: unknown[] = [];
  present: StatusDto = idle;
  storage: object = { identity: "one", isNew: false, recovered: {} };
  host: Host | undefined;
  #number = 0;
  readonly #parent: FakeEngine | undefined;

  constructor(parent?: FakeEngine) {
    this.#parent = parent;
    this.failures = parent?.failures ?? new Map();
    this.delays = parent?.delays ?? new Map();
  }

  begin(): FakeEngine {
    this.#calledNow("begin");
    const transaction = new FakeEngine(this);
    for (const [id, record] of this.records) transaction.records.set(id, record);
    this.transactions.push(transaction);
    return transaction;
  }

  async commit(): Promise<void> {
    await this.#called("commit");
    this.#parent?.records.clear();
    for (const [id, record] of this.records) this.#parent?.records.set(id, record);
  }

  free(): void {
    this.#calledNow("free");
  }

  emit(event: EventDto): void {
    this.host?.event(event);
  }

  async write(text: string): Promise<string> {
    await this.#called("write", text);
    const writes = JSON.parse(text) as WriteDto[];
    for (const write of writes) {
      const id = write.id ?? "made-by-the-engine";
      if (write.op === "delete") this.records.delete(id);
      else this.records.set(id, { ...this.records.get(id), ...write.fields, id });
    }
    return JSON.stringify(writes.map(({ entity, id }) => ({ change: `change-${++this.#number}`, entity, id })));
  }

  async get(entity: string, id: string): Promise<string | undefined> {
    await this.#called("get", entity, id);
    const record = this.records.get(id);
    return record && JSON.stringify(record);
  }

  async query(entity: string, query: string): Promise<string> {
    await this.#called("query", entity, query);
    return JSON.stringify([...this.records.values()]);
  }

  async count(entity: string, query: string): Promise<number> {
    await this.#called("count", entity, query);
    return this.records.size;
  }

  async sum(entity: string, query: string, field: string): Promise<[sum: number, count: number]> {
    await this.#called("sum", entity, query, field);
    const values = [...this.records.values()].map((record) => record[field]).filter((value) => typeof value === "number");
    return [values.reduce((sum, value) => sum + value, 0), values.length];
  }

  async end(entity: string, query: string, field: string, isGreatest: boolean): Promise<string> {
    await this.#called("end", entity, query, field, isGreatest);
    const [first] = this.records.values();
    return JSON.stringify(first?.[field] ?? null);
  }

  async explain(entity: string, query: string): Promise<string> {
    await this.#called("explain", entity, query);
    return '{"access":"rows","index":null}';
  }

  watch(entity: string, query: string, deliver: Watched["deliver"], fail: Watched["fail"]): number {
    this.#calledNow("watch", entity, query);
    this.watches.set(++this.#number, { entity, query, deliver, fail });
    return this.#number;
  }

  unwatch(watch: number): void {
    this.#calledNow("unwatch", watch);
    this.watches.delete(watch);
  }

  trigger(units: string[], discardPending: boolean, isConsequence: boolean, anyNetwork: boolean): Uint32Array {
    this.#calledNow("trigger", units, discardPending, isConsequence, ...(anyNetwork ? [true] : []));
    return Uint32Array.from(units, () => ++this.#number);
  }

  retryNow(): void {
    this.#calledNow("retryNow");
  }

  woke(): void {
    this.#calledNow("woke");
  }

  carried(online: boolean | undefined, type: string, saveData: boolean): void {
    this.#calledNow("carried", online, type, saveData);
  }

  signedIn(): void {
    this.#calledNow("signedIn");
  }

  cancel(): void {
    this.#calledNow("cancel");
  }

  async setPaused(paused: boolean): Promise<void> {
    await this.#called("setPaused", String(paused));
  }

  status(): StatusDto {
    return this.present;
  }

  async health(): Promise<string> {
    return JSON.stringify(this.storage);
  }

  async change(id: string): Promise<string | undefined> {
    await this.#called("change", id);
    const receipt = this.receipts.get(id);
    return receipt && JSON.stringify(receipt);
  }

  async inbox(): Promise<string> {
    await this.#called("inbox");
    return JSON.stringify(this.refused);
  }

  async discard(position: number): Promise<void> {
    await this.#called("discard", position);
  }

  async dependents(position: number): Promise<string> {
    await this.#called("dependents", position);
    return JSON.stringify(this.refused);
  }

  async resend(position: number, patch: string): Promise<string> {
    await this.#called("resend", position, JSON.parse(patch));
    return JSON.stringify([{ change: "again", entity: "note", id: "n" }]);
  }

  async conflicts(): Promise<string> {
    await this.#called("conflicts");
    return JSON.stringify(this.met);
  }

  async resolve(position: number, resolution: string): Promise<void> {
    await this.#called("resolve", position, JSON.parse(resolution));
  }

  async resolveAll(entity: string, resolution: string): Promise<number> {
    await this.#called("resolveAll", entity, JSON.parse(resolution));
    return this.met.length;
  }

  async undo(position: number): Promise<boolean> {
    await this.#called("undo", position);
    return position === 4;
  }

  async load(next: () => Promise<Uint8Array | undefined>): Promise<number> {
    const decoder = new TextDecoder();
    let text = "";
    for (let piece = await next(); piece !== undefined; piece = await next()) text += decoder.decode(piece, { stream: true });
    await this.#called("load", text);
    return 3;
  }

  async changeKey(key: CryptoKey): Promise<void> {
    await this.#called("changeKey", key);
  }

  /** What exports give, piece by piece, and what imports were given. */
  pieces: string[] = [];
  imported = "";

  beginExport(whole: boolean): number {
    this.#calledNow("beginExport", whole);
    return ++this.#number;
  }

  async exportNext(transfer: number): Promise<Uint8Array | undefined> {
    await this.#called("exportNext", transfer);
    const piece = this.pieces.shift();
    return piece === undefined ? undefined : new TextEncoder().encode(piece);
  }

  beginImport(): number {
    this.#calledNow("beginImport");
    return ++this.#number;
  }

  async importNext(transfer: number, bytes: Uint8Array): Promise<void> {
    await this.#called("importNext", transfer, bytes.length);
    this.imported += new TextDecoder().decode(bytes);
  }

  async importEnd(transfer: number): Promise<string> {
    await this.#called("importEnd", transfer);
    return JSON.stringify({ whole: false, records: 0, changes: 2, refused: 1, skipped: 0 });
  }

  async endTransfer(transfer: number): Promise<void> {
    await this.#called("endTransfer", transfer);
  }

  async close(): Promise<void> {
    await this.#called("close");
  }

  async #called(name: string, ...args: unknown[]): Promise<void> {
    this.#calledNow(name, ...args);
    const delay = this.delays.get(name);
    this.delays.delete(name);
    await delay;
  }

  #calledNow(name: string, ...args: unknown[]): void {
    this.calls.push([name, ...args]);
    const failure = this.failures.get(name);
    this.failures.delete(name);
    if (failure !== undefined) throw failure;
  }
}

/** The module around fake engines. */
export class FakeModule implements EngineModule {
  readonly health = new Health();
  readonly opened: OpenDto[] = [];
  readonly keys: (CryptoKey | undefined)[] = [];
  readonly destroyed: [string, string | null][] = [];
  failure: unknown;
  readonly engine = new FakeEngine();

  async open(options: OpenDto, host: Host, key?: CryptoKey): Promise<FakeEngine> {
    this.opened.push(options);
    this.keys.push(key);
    if (this.failure !== undefined) throw this.failure;
    this.engine.host = host;
    return this.engine;
  }

  async destroy(name: string, user: string | null): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.destroyed.push([name, user]);
  }
}
