/** A browser on a fresh profile: a new origin, a new database, a process of its own. Not incognito, which keeps IndexedDB in memory. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type BrowserContext, chromium as playwright, type Page } from "playwright-core";

import type { Commands } from "../page/commands";
import { noteSteps, type Stepping } from "../page/steps";
import { type CpuProfile, INTERVAL_US } from "./heaviest";
import { chromium, PROFILES } from "./paths";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A new page's process comes to rest before it is measured. */
const SETTLE_MS = 500;
const COMMAND_MS_MAX = 10 * 60_000;

/** What a renderer takes of the machine's memory, in bytes. */
export interface Memory {
  readonly resident: number;
  readonly peak: number;
}

export class Device {
  readonly #profile: string;
  readonly #context: BrowserContext;

  private constructor(profile: string, context: BrowserContext) {
    this.#profile = profile;
    this.#context = context;
  }

  static async start(): Promise<Device> {
    mkdirSync(PROFILES, { recursive: true });
    const profile = mkdtempSync(join(PROFILES, "run-"));
    const context = await playwright.launchPersistentContext(profile, {
      executablePath: chromium(),
      headless: true,
      args: FLAGS,
    });
    context.setDefaultTimeout(COMMAND_MS_MAX);
    return new Device(profile, context);
  }

  version(): string {
    return this.#context.browser()?.version() ?? "unknown";
  }

  /** Opens a page in a process of its own, alone, and does the work. An error in the page is an error of the work. */
  async visit<T>(url: string, work: (page: Visit) => Promise<T>, before?: (page: Visit) => Promise<void>): Promise<T> {
    const left = this.#context.pages();
    const page = await this.#context.newPage();
    await Promise.all(left.map((page) => page.close()));
    await before?.(new Visit(page));
    await page.waitForTimeout(SETTLE_MS);
    const failure = new Promise<never>((_, reject) => page.once("pageerror", reject));
    return Promise.race([page.goto(url).then(() => work(new Visit(page))), failure]);
  }

  async stop(): Promise<void> {
    await this.#context.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** An open page. */
export class Visit {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Calls a command of the page. */
  ask<Name extends keyof Commands>(
    name: Name,
    ...args: Parameters<Commands[Name]>
  ): Promise<Awaited<ReturnType<Commands[Name]>>> {
    type Answer = ReturnType<Commands[Name]>;
    const call = ([name, args]: readonly [Name, Parameters<Commands[Name]>]): Answer => {
      const command = globalThis.bench[name] as (...args: Parameters<Commands[Name]>) => Answer;
      return command(...args);
    };
    return this.#page.evaluate(call as never, [name, args] as never);
  }

  /** From the next navigation on, the page notes what it asks the browser for. */
  noteSteps(): Promise<void> {
    return this.#page.addInitScript(noteSteps).then(() => undefined);
  }

  /** What the page has noted, in the order of time. */
  async steps(): Promise<string[]> {
    const steps = await this.#page.evaluate(() => (globalThis as unknown as Stepping).steps);
    return [...steps].sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b));
  }

  /** Looks at what the processor does, until the returned function is called. */
  async profile(): Promise<() => Promise<CpuProfile>> {
    const session = await this.#page.context().newCDPSession(this.#page);
    await session.send("Profiler.enable");
    await session.send("Profiler.setSamplingInterval", { interval: INTERVAL_US });
    await session.send("Profiler.start");
    return async () => {
      const { profile } = await session.send("Profiler.stop");
      await session.detach();
      return profile;
    };
  }

  rest(ms: number): Promise<void> {
    return this.#page.waitForTimeout(ms);
  }

  /** Of the largest renderer, which is this page's: the other is an empty spare. Only Linux says it; elsewhere undefined. */
  async memory(): Promise<Memory | undefined> {
    const page = await this.#page.context().newCDPSession(this.#page);
    await page.send("HeapProfiler.collectGarbage");
    await page.detach();
    const browser = await this.#page.context().browser()?.newBrowserCDPSession();
    const { processInfo = [] } = (await browser?.send("SystemInfo.getProcessInfo")) ?? {};
    await browser?.detach();
    if (process.platform !== "linux") return undefined;
    const renderers = processInfo.filter(({ type, id }) => type === "renderer" && !isOfTheBrowser(id));
    return renderers.map(({ id }) => memoryOf(id)).sort((a, b) => b.peak - a.peak)[0];
  }
}

/** The browser's own tabs and buttons are a page too. */
function isOfTheBrowser(id: number): boolean {
  return readFileSync(`/proc/${id}/cmdline`, "utf8").includes("--top-chrome-webui");
}

function memoryOf(id: number): Memory {
  const status = readFileSync(`/proc/${id}/status`, "utf8");
  const bytes = (name: string): number => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? NaN);
  return { resident: bytes("VmRSS"), peak: bytes("VmHWM") };
}
