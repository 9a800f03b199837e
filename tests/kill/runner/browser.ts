/** A Chromium that can be killed: a process of our own, spoken to over its debugging port. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type Browser as Client, chromium as playwright, type Page } from "playwright-core";

import { chromium } from "./paths";

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-default-browser-check",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A crashed profile must not greet us with a bubble.
  "--hide-crash-restore-bubble",
  // Two pages of a test are both at work, whichever is in front.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--remote-debugging-port=0",
];

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;

/** Those that run, for when we are stopped ourselves. */
const running = new Set<ChildProcess>();

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    running.forEach(killTree);
    process.exit(1);
  });
}

export class Browser {
  readonly #process: ChildProcess;
  readonly #client: Client;

  private constructor(process: ChildProcess, client: Client) {
    this.#process = process;
    this.#client = client;
  }

  static async start(profile: string): Promise<Browser> {
    const child = launch(profile, "about:blank");
    try {
      const client = await playwright.connectOverCDP(await endpoint(child), { timeout: START_MS_MAX });
      return new Browser(child, client);
    } catch (error) {
      killTree(child);
      throw error;
    }
  }

  /** Starts one at a page, with nobody connected to it, and kills it after a while. */
  static async dieAt(profile: string, url: string, afterMs: number): Promise<void> {
    const child = launch(profile, url);
    const gone = exited(child);
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    killTree(child);
    await gone;
  }

  version(): string {
    return this.#client.version();
  }

  async newPage(): Promise<Page> {
    const context = this.#client.contexts()[0];
    if (context === undefined) throw new Error("Chromium has no window");
    return context.newPage();
  }

  /** Kills every process of it at once, with nothing said before. */
  async kill(): Promise<void> {
    const gone = exited(this.#process);
    killTree(this.#process);
    await gone;
    await this.#client.close().catch(() => undefined);
  }

  /** Closes it as a person would. */
  async close(): Promise<void> {
    const gone = exited(this.#process);
    const session = await this.#client.newBrowserCDPSession();
    await session.send("Browser.close").catch(() => undefined);
    const timer = setTimeout(() => killTree(this.#process), STOP_MS_MAX);
    await gone;
    clearTimeout(timer);
    await this.#client.close().catch(() => undefined);
  }
}

function launch(profile: string, url: string): ChildProcess {
  const child = spawn(chromium(), [...FLAGS, `--user-data-dir=${profile}`, url], {
    // A process group of its own, so that all of it can be killed.
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  child.stderr.resume();
  return child;
}

async function endpoint(child: ChildProcess): Promise<string> {
  let said = "";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Chromium did not start:\n${said}`)), START_MS_MAX);
    child.on("exit", () => reject(new Error(`Chromium ended at its start:\n${said}`)));
    child.on("error", reject);
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const found = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
  });
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** The process and all that it has started, at one moment: first the group, then whoever has left it. */
function killTree({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  const others = descendants(pid);
  for (const each of [-pid, pid, ...others]) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // It is gone already.
    }
  }
}

function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // After the command's name, which may hold anything: the state and the parent.
      const [, parent] = readFileSync(`/proc/${name}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
      parents.set(Number(name), Number(parent));
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [pid];
  for (const each of found) {
    for (const [child, parent] of parents) if (parent === each) found.push(child);
  }
  return found.slice(1);
}
