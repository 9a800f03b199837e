/** A profile over many lives of its browser, and the journal of what was acknowledged in them, which is kept out here. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";

import type { Safety } from "../page/database";
import type { Found } from "../page/kill-page";
import type { Lane } from "../page/lanes";
import { Browser } from "./browser";
import { judge, NO_STEPS, type Steps } from "./judge";
import { PROFILES } from "./paths";

const NAME = "journal";
const OPEN_MS_MAX = 60_000;
/** More steps than any browser lives to see. */
const WITHOUT_END = 1_000_000_000;

/** A browser with the page in it, the database open. */
export interface Opened {
  readonly browser: Browser;
  readonly page: Page;
}

/** What happened over the whole run. */
export class Tally {
  acknowledged = 0;
  opened = 0;
  wipes = 0;
  lost = 0;
  readonly wrong: string[] = [];
}

export class Device {
  readonly profile: string;
  readonly #origin: string;
  readonly #safety: Safety;
  readonly #tally: Tally;
  #acknowledged: Steps = { ...NO_STEPS };
  #wiped: string | null = null;

  constructor(origin: string, safety: Safety, tally: Tally) {
    this.profile = newProfile();
    this.#origin = origin;
    this.#safety = safety;
    this.#tally = tally;
  }

  /** Records that are there, about. */
  get size(): number {
    return this.#acknowledged.single;
  }

  /** Opens, looks whether all is there, and hands over the page. The caller kills or closes the browser. */
  async open(what: string): Promise<Opened> {
    const browser = await Browser.start(this.profile);
    try {
      const page = await this.#visit(browser);
      const found = await page.evaluate(([name, safety]) => window.killPage.open(name, safety), [NAME, this.#safety] as const);
      this.#look(found, what);
      return { browser, page };
    } catch (error) {
      await browser.kill();
      throw error;
    }
  }

  /** Navigates and opens, and is killed in the middle of that. */
  async dieWhileOpening(afterMs: number): Promise<void> {
    const browser = await Browser.start(this.profile);
    const opening = this.#visit(browser).then((page) =>
      page.evaluate(([name, safety]) => window.killPage.open(name, safety), [NAME, this.#safety] as const),
    );
    opening.catch(() => undefined);
    await Promise.race([opening, pause(afterMs)]).catch(() => undefined);
    await browser.kill();
  }

  /** Writes until the browser is killed. */
  async dieWhileWriting({ browser, page }: Opened, afterMs: number): Promise<void> {
    // Nobody waits for it: the answer of a page that is killed does not always come, not even as a failure.
    this.#write(page, WITHOUT_END).catch(() => undefined);
    await pause(afterMs);
    await browser.kill();
  }

  /** Writes so many steps in each lane, and has them acknowledged. */
  async write({ page }: Opened, steps: number): Promise<void> {
    await this.#write(page, steps);
  }

  remove(): void {
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #write(page: Page, steps: number): Promise<void> {
    const from = { ...this.#acknowledged };
    return page.evaluate(([from, steps]) => window.killPage.write(from, steps), [from, steps] as const);
  }

  async #visit(browser: Browser): Promise<Page> {
    const page = await browser.newPage();
    page.setDefaultTimeout(OPEN_MS_MAX);
    await page.exposeFunction("acknowledged", (lane: Lane, number: number) => {
      this.#acknowledged[lane] = number + 1;
      this.#tally.acknowledged += 1;
    });
    await page.exposeFunction("failed", (message: string) => {
      this.#tally.wrong.push(`a write failed: ${message}`);
    });
    await page.goto(this.#origin);
    return page;
  }

  #look(found: Found, what: string): void {
    const verdict = judge(found, this.#acknowledged);
    this.#tally.opened += 1;
    this.#tally.lost += verdict.lost;
    if (found.wiped !== null && found.wiped !== this.#wiped) {
      this.#tally.wipes += 1;
      console.log(`${what}: wiped, and announced: ${found.wiped}`);
    }
    this.#wiped = found.wiped;
    for (const wrong of verdict.wrong) this.#tally.wrong.push(`${what}: ${wrong}`);
    if (verdict.lost > 0) this.#tally.wrong.push(`${what}: ${verdict.lost} acknowledged writes are lost`);
    this.#acknowledged = { ...verdict.steps };
  }
}

export function newProfile(): string {
  mkdirSync(PROFILES, { recursive: true });
  return mkdtempSync(join(PROFILES, "profile-"));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
