/** The page as a person uses it: by the labels and roles of what is on it. */
import { type Locator, type Page, expect } from "@playwright/test";

export interface OrderInput {
  readonly title: string;
  /** The beginning of the place's name. */
  readonly place: string;
  /** Year-month-day. */
  readonly due: string;
}

export class RoundsPage {
  readonly page: Page;
  readonly syncBar: Locator;
  readonly orders: Locator;
  readonly inbox: Locator;

  constructor(page: Page) {
    this.page = page;
    this.syncBar = page.getByRole("region", { name: "Sync", exact: true });
    this.orders = page.getByRole("list", { name: "Work orders" }).getByRole("listitem");
    this.inbox = page.getByRole("region", { name: "Refused changes" });
  }

  order(title: string): Locator {
    return this.orders.filter({ has: this.page.getByRole("checkbox", { name: `Done: ${title}`, exact: true }) });
  }

  async create(input: OrderInput): Promise<void> {
    await this.page.getByRole("button", { name: "New work order" }).click();
    const sheet = this.page.getByRole("dialog", { name: "New work order" });
    await sheet.getByLabel("Title").fill(input.title);
    await choosePlace(sheet, input.place);
    await sheet.getByLabel("Due").fill(input.due);
    await sheet.getByRole("button", { name: "Save" }).click();
    await expect(sheet).toBeHidden();
  }

  async edit(title: string, change: Partial<OrderInput>): Promise<void> {
    const sheet = await this.#openSheet(title);
    if (change.title !== undefined) await sheet.getByLabel("Title").fill(change.title);
    if (change.place !== undefined) await choosePlace(sheet, change.place);
    if (change.due !== undefined) await sheet.getByLabel("Due").fill(change.due);
    await sheet.getByRole("button", { name: "Save" }).click();
    await expect(sheet).toBeHidden();
  }

  async delete(title: string): Promise<void> {
    const sheet = await this.#openSheet(title);
    await sheet.getByRole("button", { name: "Delete" }).click();
    const question = this.page.getByRole("alertdialog", { name: "Delete this work order?" });
    await question.getByRole("button", { name: "Delete" }).click();
    await expect(sheet).toBeHidden();
  }

  /** The sync bar's button; what it says depends on whether the engine was first with its own retry. */
  async syncAgain(): Promise<void> {
    await this.syncBar.getByRole("button", { name: /^(Retry|Sync now)$/ }).click();
  }

  /** Waits until everything has been sent and received. */
  async isUpToDate(): Promise<void> {
    await expect(this.syncBar).toContainText("Up to date, last sync");
  }

  async #openSheet(title: string): Promise<Locator> {
    await this.order(title).getByRole("button").click();
    const sheet = this.page.getByRole("dialog", { name: "Work order", exact: true });
    await expect(sheet).toBeVisible();
    return sheet;
  }
}

async function choosePlace(sheet: Locator, beginning: string): Promise<void> {
  await sheet.getByLabel("Place", { exact: true }).fill(beginning);
  await sheet.getByRole("option").first().click();
}
