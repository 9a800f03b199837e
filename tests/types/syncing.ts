/** Unit names, events, outcomes and errors. */
import { expectTypeOf } from "vitest";

import {
  entity,
  type ErrorInfo,
  type NetworkStatus,
  type NetworkType,
  open,
  type Outcome,
  type Run,
  text,
  Whimbrel,
  WhimbrelError,
} from "../../pkg/src/index.js";
import { db } from "./rounds.js";

type Unit = "home" | "reference" | "send";

expectTypeOf(db.sync.trigger("home")).toEqualTypeOf<Run<Unit>>();
expectTypeOf(db.sync.trigger(["home", "send"], { discardPending: true })).toEqualTypeOf<Run<Unit>[]>();
expectTypeOf(db.sync.status.unit).toEqualTypeOf<Unit | null>();
expectTypeOf(db.sync.status.lastSuccess).toEqualTypeOf<Date | null>();
expectTypeOf(db.sync.status.lastError).toEqualTypeOf<WhimbrelError | null>();
expectTypeOf(db.network.status).toEqualTypeOf<NetworkStatus>();
expectTypeOf<WhimbrelError>().toExtend<ErrorInfo>();

// @ts-expect-error there is no such unit
db.sync.trigger("hom");
// @ts-expect-error there is no such unit
db.sync.trigger(["home", "hom"]);
// @ts-expect-error there is no such event
db.sync.on("end", () => {});
// @ts-expect-error there is no such event
db.network.on("online", () => {});
// @ts-expect-error nobody but the engine ends a run
db.sync.end();
// @ts-expect-error the status is told, not set
db.sync.status = db.sync.status;

db.sync.on("start", (event) => {
  expectTypeOf(event.cause).toEqualTypeOf<"app" | "start" | "online" | "resume" | "login" | "change" | "every" | "retry">();
  expectTypeOf(event.unit).toEqualTypeOf<Unit>();
});
db.sync.on("progress", (event) => expectTypeOf(event.progress.pulled).toEqualTypeOf<number>());
db.sync.on("complete", (event) => expectTypeOf(event.rejected).toEqualTypeOf<number>());
db.sync.on("error", (event) => expectTypeOf(event.error).toEqualTypeOf<WhimbrelError>());
db.sync.on("discarded", (event) =>
  expectTypeOf(event).toEqualTypeOf<{ readonly type: "discarded"; readonly unit: Unit }>(),
);
expectTypeOf(db.sync.on("cancelled", () => {})).toEqualTypeOf<() => void>();
db.sync.subscribe((status) => expectTypeOf(status).toEqualTypeOf(db.sync.status));

/** An outcome says what it is before it says more. */
export function outcomes(outcome: Outcome): WhimbrelError | undefined {
  // @ts-expect-error only a failure has an error
  void outcome.error;
  return outcome.outcome === "error" ? outcome.error : undefined;
}

/** The same holds for a receipt. */
export async function receipts(): Promise<number | null> {
  const receipt = await db.change("a").confirmed;
  // @ts-expect-error only an accepted change has a version
  void receipt.version;
  return receipt.outcome === "accepted" ? receipt.version : null;
}

/** Codes are known by name, and others may come. */
export function codes(error: WhimbrelError): boolean {
  expectTypeOf("store/quota" as const).toExtend<typeof error.code>();
  expectTypeOf("constraint/unique").toExtend<typeof error.code>();
  return error.code === "store/quota" && error.retryable;
}

export async function theRest(): Promise<void> {
  const refused = await db.inbox.list();
  expectTypeOf(refused[0]?.at).toEqualTypeOf<Date | undefined>();
  await db.inbox.discard(refused[0]?.position ?? 0);
  expectTypeOf(await db.load("")).toEqualTypeOf<number>();
  await Whimbrel.destroy("rounds", { user: "ana" });
  await using another = db;
  await another.close();
}

/** Conditions of units and hooks: what is not one is a compile error. */
export async function conditions(): Promise<void> {
  const entities = { note: entity({ body: text() }) };
  await using other = await open({
    name: "a",
    entities,
    units: { home: { both: ["note"], networks: ["wifi"], retry: false, timeout: 5, whenSaveData: "wait" } },
    hooks: { beforeRun: ({ unit, signal }) => expectTypeOf([unit, signal] as const).toEqualTypeOf<readonly ["home", AbortSignal]>() },
  });
  expectTypeOf(other.network.type).toEqualTypeOf<NetworkType>();
  expectTypeOf(await other.switchUser("ben", { unsent: "keep" })).toEqualTypeOf<typeof other>();
  // @ts-expect-error there is no such condition
  await open({ name: "a", entities, units: { home: { both: ["note"], timeuot: 5 } } });
  // @ts-expect-error there is no such network
  await open({ name: "a", entities, units: { home: { both: ["note"], networks: ["wlan"] } } });
  // @ts-expect-error there is no such hook
  await open({ name: "a", entities, hooks: { beforePull: () => undefined } });
  // @ts-expect-error nothing is lost by a word that is none
  await other.leave({ unsent: "lose" });
}
