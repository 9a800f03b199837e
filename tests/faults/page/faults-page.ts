/** The page: tells the story once without a fault to learn its calls, and then again for each call and fault. */
import type { Plan } from "./plan";
import { Shim } from "./shim";
import { canonical, codeOf, type Db, destroyStory, EMPTY, isInDoubt, look, openStory, type State, STEPS } from "./story";

/** What came of one run. */
export interface Result {
  readonly plan: Plan | null;
  readonly wasHit: boolean;
  /** What failed, and how. */
  readonly failures: readonly { readonly stage: string; readonly code: string }[];
  /** What must not be. */
  readonly findings: readonly string[];
  readonly calls: readonly (readonly [label: string, count: number])[];
}

export interface FaultsPage {
  run(plan: Plan | null, number: number): Promise<Result>;
}

declare global {
  interface Window {
    faultsPage: FaultsPage;
  }
}

/** Deadlines and quiet moments pass so many times as fast. */
const HASTE = 10;
/** Shorter waits are no deadlines. */
const WAIT_MS_MIN = 100;
/** A call without any outcome after that long has none: deadlines pass after half a second. */
const OUTCOME_MS_MAX = 10_000;
/** Nothing has happened for so long: the work of quiet moments is done. */
const QUIET_MS = 80;
const STEPS_AFTER_A_FAULT_MAX = 1;

const { setTimeout, setInterval } = window;
const hasten = (ms = 0): number => (ms < WAIT_MS_MIN ? ms : ms / HASTE);
Object.assign(window, {
  setTimeout: (handler: TimerHandler, ms?: number, ...args: unknown[]) => setTimeout(handler, hasten(ms), ...args),
  setInterval: (handler: TimerHandler, ms?: number, ...args: unknown[]) => setInterval(handler, hasten(ms), ...args),
});

const shim = new Shim();
const uncaught: string[] = [];
addEventListener("error", (event) => uncaught.push(`uncaught: ${event.message}`));
addEventListener("unhandledrejection", (event) => uncaught.push(`unhandled: ${String(event.reason)}`));

class Run {
  readonly failures: { stage: string; code: string }[] = [];
  readonly findings: string[] = [];
  #states = new Map<string, State>([[canonical(EMPTY), EMPTY]]);

  constructor(readonly name: string) {}

  /** A call in a stage: its value, or `undefined` and a failure. */
  async call<T>(stage: string, work: () => Promise<T>): Promise<{ readonly value: T } | { readonly code: string }> {
    shim.stage = stage;
    const late = new Promise<"late">((resolve) => setTimeout(() => resolve("late"), OUTCOME_MS_MAX));
    try {
      const value = await Promise.race([work(), late]);
      if (value !== "late") return { value: value as T };
      this.findings.push(`${stage}: no outcome within ${OUTCOME_MS_MAX} ms`);
      return { code: "no outcome" };
    } catch (thrown) {
      const code = codeOf(thrown);
      this.failures.push({ stage, code });
      if (!code.startsWith("store/") && code !== "row/not-found") this.findings.push(`${stage}: ${code}, ${String(thrown)}`);
      return { code };
    }
  }

  /** Opens; after a failure once more, as an app would, and then it must work. */
  async open(stage: string): Promise<Db | undefined> {
    const opened = await this.call(stage, () => openStory(this.name));
    if ("value" in opened) return opened.value;
    const again = await this.call(`${stage} again`, () => openStory(this.name));
    if ("value" in again) return again.value;
    this.findings.push(`${stage}: not to be opened after ${opened.code}`);
    return undefined;
  }

  async step(db: Db, { stage, run, after }: (typeof STEPS)[number]): Promise<void> {
    const outcome = await this.call(stage, () => run(db));
    const before = [...this.#states.values()];
    const happened = before.map(after);
    if ("value" in outcome) this.#allow(happened);
    else if (outcome.code === "row/not-found") {
      this.#allow(before.filter((state) => !("a" in state.items)));
      if (this.#states.size === 0) this.findings.push(`${stage}: row/not-found, but it was acknowledged`);
    } else if (isInDoubt(outcome.code)) this.#allow([...before, ...happened]);
  }

  /** Reads, and keeps of the states that may be those that are seen. */
  async look(stage: string, db: Db): Promise<void> {
    const seen = await this.call(stage, () => look(db));
    if ("code" in seen) return;
    const state = this.#states.get(canonical(seen.value));
    if (state === undefined) {
      this.findings.push(`${stage}: ${canonical(seen.value)} is none of ${[...this.#states.keys()].join(" ")}`);
    } else this.#allow([state]);
  }

  async destroy(): Promise<void> {
    const destroyed = await this.call("destroy", () => destroyStory(this.name));
    this.#allow("value" in destroyed ? [EMPTY] : [EMPTY, ...this.#states.values()]);
  }

  async settle(stage: string): Promise<void> {
    shim.stage = stage;
    shim.lastCallAt = performance.now();
    while (performance.now() - shim.lastCallAt < QUIET_MS) await new Promise((resolve) => setTimeout(resolve, QUIET_MS / 4));
  }

  #allow(states: readonly State[]): void {
    this.#states = new Map(states.map((state) => [canonical(state), state]));
  }
}

async function tell(run: Run): Promise<void> {
  const db = await run.open("open");
  if (db !== undefined) {
    for (const step of STEPS) {
      await run.step(db, step);
      if (step.stage === "load" || step.stage === "large") {
        await run.settle(`quiet after ${step.stage}`);
        await run.look(`look after ${step.stage}`, db);
      }
    }
    await run.call("close", () => db.close());
  }
  await verify(run, "verify");
  const reopened = await run.open("reopen");
  if (reopened !== undefined) {
    await run.look("look at the end", reopened);
    await run.call("close again", () => reopened.close());
  }
  await run.destroy();
  await verify(run, "verify the end");
}

/** A healthy look: whatever fault is still planned does not concern these stages. */
async function verify(run: Run, stage: string): Promise<void> {
  const failures = run.failures.length;
  const db = await run.open(stage);
  if (db === undefined) return;
  await run.look(`${stage}: look`, db);
  await run.call(`${stage}: close`, () => db.close());
  if (run.failures.length > failures) run.findings.push(`${stage}: ${run.failures.at(-1)?.code} although all is well`);
}

window.faultsPage = {
  async run(plan, number) {
    const run = new Run(`${number}`);
    shim.begin(plan ?? undefined);
    await tell(run);
    const { calls, wasHit } = shim.end();
    const failures = run.failures.filter(({ code }) => code !== "row/not-found");
    if (failures.length > STEPS_AFTER_A_FAULT_MAX) run.findings.push(`more than one call failed after one fault: ${JSON.stringify(failures)}`);
    if (plan === null && failures.length > 0) run.findings.push("a call failed without a fault");
    run.findings.push(...uncaught.splice(0));
    // Past the shim: the stage has no name.
    indexedDB.deleteDatabase(`whimbrel/${number}`);
    return { plan, wasHit, failures, findings: run.findings, calls: [...calls] };
  },
};
