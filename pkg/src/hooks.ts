/**
 * The app's hooks around runs. They have a time budget, a signal and a boundary: one that fails or is slow fails its own unit's run and nothing
 * else.
 */
import { appError, toWhimbrelError, type WhimbrelError } from "./errors.js";
import type { RunEventDto } from "./status.js";

/** What a hook is told before a run. */
export interface BeforeRun<Unit extends string = string> {
  readonly unit: Unit;
  /** Aborted when the run ends, or the hook has taken too long. */
  readonly signal: AbortSignal;
}

/** What a hook is told after a run. */
export interface AfterRun<Unit extends string = string> extends BeforeRun<Unit> {
  readonly run: string;
  readonly outcome: "complete" | "error" | "cancelled";
  /** Why, when it failed. */
  readonly error: WhimbrelError | null;
}

export interface Hooks<Unit extends string = string> {
  /** Runs before anything is sent, while the run holds the tabs' lock. What it throws fails the run with `hook/failed`. */
  readonly beforeRun?: ((context: BeforeRun<Unit>) => unknown) | undefined;
  /** Runs when a run has ended; nothing waits for it. What it throws is reported. */
  readonly afterRun?: ((context: AfterRun<Unit>) => unknown) | undefined;
  /** How long each of them may take, in milliseconds; 5,000 when absent. */
  readonly budget?: number | undefined;
}

const BUDGET_MS = 5_000;

export class HookRunner {
  readonly #hooks: Hooks;
  readonly #budget: number;
  #before: AbortController | null = null;

  constructor(hooks: Hooks = {}) {
    this.#hooks = hooks;
    this.#budget = hooks.budget ?? BUDGET_MS;
  }

  /** Asked by the engine: why the run may not begin, or nothing. */
  before(unit: string): Promise<string | null> | null {
    const { beforeRun } = this.#hooks;
    if (beforeRun === undefined) return null;
    const controller = new AbortController();
    this.#before = controller;
    return this.#within("beforeRun", controller, (signal) => beforeRun({ unit, signal })).then(
      () => null,
      (error: WhimbrelError) => `${error.code}: ${error.message}`,
    );
  }

  /** A run has begun, got on, or ended. */
  handle(event: RunEventDto): void {
    if (event.type !== "complete" && event.type !== "error" && event.type !== "cancelled") return;
    this.#before?.abort();
    this.#before = null;
    const { afterRun } = this.#hooks;
    if (afterRun === undefined) return;
    const { run, unit, type: outcome } = event;
    const error = event.type === "error" ? toWhimbrelError(event.error) : null;
    const controller = new AbortController();
    this.#within("afterRun", controller, (signal) => afterRun({ unit, run, outcome, error, signal })).catch(() => undefined);
  }

  /** Calls a hook; what goes wrong is reported, and thrown as an error of this package. */
  async #within(name: string, controller: AbortController, hook: (signal: AbortSignal) => unknown): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = appError("hook/timeout", `the hook ${name} has taken ${this.#budget} ms, as long as it may`);
        reject(error);
        controller.abort(error);
      }, this.#budget);
    });
    // A run that is cancelled does not wait for its hook.
    const aborted = new Promise<void>((resolve) => controller.signal.addEventListener("abort", () => resolve()));
    try {
      await Promise.race([tooLong, new Promise((resolve) => resolve(hook(controller.signal))), aborted]);
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : String(cause);
      const isLate = controller.signal.aborted && cause === controller.signal.reason;
      const error = isLate
        ? (cause as WhimbrelError)
        : appError("hook/failed", `the hook ${name} failed: ${said}`, { cause });
      console.warn("whimbrel:", error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
