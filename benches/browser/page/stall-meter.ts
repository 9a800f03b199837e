/**
 * How long the main thread did nothing else: the longest task of a stretch of time.
 *
 * The browser reports tasks from 50 ms on, exactly. For shorter ones a worker knocks every few milliseconds, and how late the knock is
 * heard is an upper bound: several short tasks may lie between.
 */

/** What the browser calls a long task. */
const LONG_TASK_MS = 50;
/** Entries are handed out in a task of their own, some time after the task they are about. */
const ENTRIES_MS = 200;

/** A time that means the same in the page and in its worker. */
type Moment = number;

interface Knock {
  readonly heard: Moment;
  readonly lateMs: number;
}

export class StallMeter {
  readonly #worker = new Worker("/stall-worker.js", { type: "module" });
  readonly #observer = new PerformanceObserver((list) => this.#longTasks.push(...list.getEntries()));
  readonly #longTasks: PerformanceEntry[] = [];
  readonly #knocks: Knock[] = [];

  private constructor() {
    this.#observer.observe({ type: "longtask" });
    this.#worker.onmessage = ({ data: sent }: MessageEvent<Moment>) => {
      const heard = now();
      this.#knocks.push({ heard, lateMs: heard - sent });
    };
  }

  /** Resolves when the worker knocks. */
  static async start(): Promise<StallMeter> {
    const meter = new StallMeter();
    while (meter.#knocks.length < 3) await rest(10);
    return meter;
  }

  /** The longest task between two times of `performance.now()`. Ends the measurement. */
  async stop(from: number, to: number): Promise<number> {
    await rest(ENTRIES_MS);
    this.#worker.terminate();
    this.#longTasks.push(...this.#observer.takeRecords());
    this.#observer.disconnect();
    const long = this.#longTasks.filter(({ startTime, duration }) => startTime + duration > from && startTime < to);
    if (long.length > 0) return Math.max(...long.map(({ duration }) => duration));
    const [start, end] = [performance.timeOrigin + from, performance.timeOrigin + to];
    // The first knock after the end may have waited for the last task before it.
    const heard = this.#knocks.filter(({ heard: at, lateMs }) => at > start && at - lateMs < end);
    return Math.min(LONG_TASK_MS, Math.max(0, ...heard.map(({ lateMs }) => lateMs)));
  }
}

function now(): Moment {
  return performance.timeOrigin + performance.now();
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
