/** The status of the sync, and its events, as the app sees them: errors are errors, times are dates. */
import type { EventDto, ProgressDto, StatusDto } from "./engine.js";
import { toWhimbrelError, type WhimbrelError } from "./errors.js";

/** What is known of the network. `captive`: something answers that is not your server, such as a hotel's sign-in page. */
export type NetworkStatus = "online" | "offline" | "unknown" | "captive";

/**
 * What the engine is doing: in whichever tab: `waiting` for another run to end, `paused` by somebody, in `backoff` between two attempts, `offline` with requests that
 * wait for the network, `held` with a unit that waits for a condition of its own, `signedOut` because the server takes no token that it was given.
 */
export type Phase = "idle" | "waiting" | "pushing" | "pulling" | "backoff" | "offline" | "held" | "signedOut" | "paused";

/** How far a run is. */
export interface Progress {
  /** Changes that the server has decided. */
  readonly pushed: number;
  /** Changes there were to send, as far as known. */
  readonly toPush: number;
  /** Rows stored. */
  readonly pulled: number;
  /** Rows expected, an estimate. */
  readonly toPull: number;
  /** Bytes received. */
  readonly bytes: number;
}

/** Everything a page shows of the sync, in one value that never changes; there is a new one when something has. */
export interface SyncStatus<Unit extends string = string> {
  readonly phase: Phase;
  /** The active run's unit. */
  readonly unit: Unit | null;
  /** The active run. */
  readonly run: string | null;
  /** How far the active run is, or where the last one ended. */
  readonly progress: Progress;
  /** Changes that the server has not decided. */
  readonly pending: number;
  /** Changes that the server refused and nobody has dealt with. */
  readonly rejected: number;
  /** Changes that met a newer row. */
  readonly conflicts: number;
  /** When a run last completed. */
  readonly lastSuccess: Date | null;
  /** When the next attempt is due. */
  readonly nextRetry: Date | null;
  /** The last failure, until a run completes. */
  readonly lastError: WhimbrelError | null;
  /** The first unit that waits for a network that it may use, or for the user to stop saving data. */
  readonly waitingFor: { readonly unit: Unit; readonly condition: "network" | "dataSaver" } | null;
  readonly network: NetworkStatus;
}

/** Why a run was asked for. */
export type Cause = "app" | "start" | "online" | "resume" | "login" | "change" | "every" | "retry";

/** The events of the sync. Every `start` is followed by exactly one `complete`, `error` or `cancelled` of the same run. */
export interface SyncEvents<Unit extends string = string> {
  start: { readonly type: "start"; readonly run: string; readonly unit: Unit; readonly cause: Cause };
  progress: { readonly type: "progress"; readonly run: string; readonly unit: Unit; readonly progress: Progress };
  complete: {
    readonly type: "complete";
    readonly run: string;
    readonly unit: Unit;
    /** Changes that the server has decided in this run. */
    readonly pushed: number;
    /** Of these, refused. */
    readonly rejected: number;
    /** Of these, in conflict. */
    readonly conflicts: number;
    /** Rows and removals stored. */
    readonly pulled: number;
    /** Entities of which the user may see nothing. */
    readonly forbidden: readonly string[];
  };
  error: {
    readonly type: "error";
    readonly run: string;
    readonly unit: Unit;
    readonly error: WhimbrelError;
    /** When the engine tries again by itself. */
    readonly retryAt: Date | null;
  };
  discarded: { readonly type: "discarded"; readonly unit: Unit };
  cancelled: { readonly type: "cancelled"; readonly run: string; readonly unit: Unit };
}

/** The engine leaves out what is absent, where its types say `null`; the app sees `null`. */
export function toStatus(dto: StatusDto): SyncStatus {
  return {
    phase: dto.phase,
    unit: dto.unit ?? null,
    run: dto.run ?? null,
    progress: toProgress(dto.progress),
    pending: dto.pending,
    rejected: dto.rejected,
    conflicts: dto.conflicts,
    lastSuccess: toDate(dto.lastSuccess),
    nextRetry: toDate(dto.nextRetry),
    lastError: dto.lastError ? toWhimbrelError(dto.lastError) : null,
    waitingFor: dto.waitingFor ?? null,
    network: dto.network,
  };
}

/** The engine's events that are told as they are. A discarded request has no run; `sync.ts` tells it when it is settled. */
export type RunEventDto = Extract<EventDto, { type: "start" | "progress" | "complete" | "error" | "cancelled" }>;

/** The event that an app's listeners get. */
export function toSyncEvent(dto: RunEventDto): SyncEvents[RunEventDto["type"]] {
  switch (dto.type) {
    case "start":
      return { type: "start", run: dto.run, unit: dto.unit, cause: dto.cause as Cause };
    case "progress":
      return { type: "progress", run: dto.run, unit: dto.unit, progress: toProgress(dto.progress) };
    case "complete": {
      const { type, run, unit, pushed, rejected, conflicts, pulled, forbidden } = dto;
      return { type, run, unit, pushed, rejected, conflicts, pulled, forbidden };
    }
    case "error":
      return {
        type: "error",
        run: dto.run,
        unit: dto.unit,
        error: toWhimbrelError(dto.error),
        retryAt: toDate(dto.retryAt),
      };
    case "cancelled":
      return { type: "cancelled", run: dto.run, unit: dto.unit };
  }
}

function toProgress({ pushed, toPush, pulled, toPull, bytes }: ProgressDto): Progress {
  return { pushed, toPush, pulled, toPull, bytes };
}

function toDate(ms: number | null | undefined): Date | null {
  return ms === null || ms === undefined ? null : new Date(ms);
}
