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
const RECOVERY_MS_MAX = 5_000;
const HEAL_MS_MAX = 15_000;
/** An opening looks for what is to be healed within two seconds. */
const UNHEALED_MS = 3_000;
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
  /** Whether its IndexedDB was looked at since it began, and nobody opened it unseen since then. */
  #isKnown = false;

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
      let found = await page.evaluate(([name, safety]) => window.killPage.open(name, safety), [NAME, this.#safety] as const);
      // A wipe is told a moment after the opening, and a mirror that opens late is taken over then.
      const end = Date.now() + RECOVERY_MS_MAX;
      while (!(this.#isAllThere(found) && this.#isTold(found)) && Date.now() < end) {
        await pause(100);
        found = await page.evaluate(() => window.killPage.look());
      }
      this.#look(found, what);
      return { browser, page };
    } catch (error) {
      await browser.kill();
      throw error;
    }
  }

  /** Starts, opens, and is killed in the middle of that. */
  async dieWhileOpening(afterMs: number): Promise<void> {
    await Browser.dieAt(this.profile, `${this.#origin}/#${NAME}`, afterMs);
    this.#isKnown = false;
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

  /** Waits until the browser's log has been renewed. */
  async healed({ page }: Opened, what: string): Promise<void> {
    const healed = await page.evaluate((ms) => window.killPage.healed(ms), HEAL_MS_MAX);
    if (!healed) this.#tally.wrong.push(`${what}: the log was not renewed`);
  }

  /** Looks for a while whether the browser's log is left as it is. */
  async unhealed({ page }: Opened, what: string): Promise<void> {
    const healed = await page.evaluate((ms) => window.killPage.healed(ms), UNHEALED_MS);
    if (healed) this.#tally.wrong.push(`${what}: the log was renewed for nothing`);
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

  #isAllThere(found: Found): boolean {
    const { lost, wrong } = judge(found, this.#acknowledged);
    return lost === 0 && wrong.length === 0;
  }

  /** A wipe is announced, and nothing else is. After a start that nobody saw the end of, nobody knows. */
  #isTold({ isEmpty, wiped }: Found): boolean {
    return !this.#isKnown || isEmpty === (wiped !== null);
  }

  #look(found: Found, what: string): void {
    const verdict = judge(found, this.#acknowledged);
    this.#tally.opened += 1;
    this.#tally.lost += verdict.lost;
    if (this.#isKnown && found.isEmpty) {
      this.#tally.wipes += 1;
      console.log(`${what}: wiped; ${found.wiped === null ? "not announced" : `announced as ${found.wiped}`}`);
    }
    if (!this.#isTold(found)) {
      const said = found.wiped === null ? "was not announced" : `was announced (${found.wiped}) and there was none`;
      this.#tally.wrong.push(`${what}: a wipe ${said}`);
    }
    this.#isKnown = true;
    for (const wrong of verdict.wrong) this.#tally.wrong.push(`${what}: ${wrong}`);
    if (verdict.lost > 0) this.#tally.wrong.push(`${what}: ${verdict.lost} acknowledged writes are lost`);
    this.#acknowledged = { ...verdict.steps };
  }
}

export function newProfile(): string {
  mkdirSync(PROFILES, { recursive: true });
  return mkdtempSync(join(PROFILES, "profile-"));
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
