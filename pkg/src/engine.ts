/**
 * The engine as the rest of the package sees it. The types come from the generated declarations, so a change on the other side is a
 * compile error here; tests put another engine in its place.
 */
import type { Engine as GeneratedEngine, Host, OpenDto } from "./generated/whimbrel.js";
import type { Health } from "./health.js";

export type {
  ConfirmedDto,
  EntityDto,
  ErrorDto,
  EventDto,
  Host,
  OpenDto,
  ProgressDto,
  StatusDto,
  StepDto,
  WriteDto,
  WrittenDto,
} from "./generated/whimbrel.js";

/** An open database, or a transaction in it. */
export type Engine = Omit<EngineCalls, "begin"> & {
  /** The same database, with a transaction of its own. */
  begin(): Engine;
};

type EngineCalls = Pick<
  GeneratedEngine,
  | "begin"
  | "commit"
  | "free"
  | "write"
  | "get"
  | "query"
  | "count"
  | "sum"
  | "end"
  | "explain"
  | "watch"
  | "unwatch"
  | "trigger"
  | "retryNow"
  | "signedIn"
  | "woke"
  | "carried"
  | "cancel"
  | "setPaused"
  | "status"
  | "health"
  | "change"
  | "inbox"
  | "discard"
  | "dependents"
  | "resend"
  | "conflicts"
  | "resolve"
  | "resolveAll"
  | "undo"
  | "load"
  | "beginExport"
  | "exportNext"
  | "beginImport"
  | "importNext"
  | "importEnd"
  | "endTransfer"
  | "changeKey"
  | "close"
>;

/** The engine's module, compiled and ready. One per page, whatever the number of databases. */
export interface EngineModule {
  readonly health: Health;
  open(options: OpenDto, host: Host, key?: CryptoKey): Promise<Engine>;
  destroy(name: string, user: string | null): Promise<void>;
}
