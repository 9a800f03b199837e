/**
 * The sheet in which a work order is made, changed or deleted. It comes up from the bottom on a phone and as a card elsewhere.
 *
 * **Invariant:** the sheet closes only when the record is saved on the device; a refusal is shown in it and loses no input.
 */
import { confirmDelete } from "./confirm-delete";
import { fromDateInput, toDateInput } from "./dates";
import { h } from "./element";
import { PhotoField } from "./photo-field";
import { PlaceField } from "./place-field";
import type { Place, PlaceSearch } from "./place-search";
import { NOTE_CHARACTERS_MAX, TITLE_CHARACTERS_MAX } from "./schema";
import type { WorkOrder } from "./rounds";

export interface Draft {
  readonly title: string;
  readonly country: string;
  readonly placeId: string;
  readonly dueAt: Date;
  readonly note: string | null;
  readonly photo: string | null;
}

export interface SheetActions {
  readonly attachments: ConstructorParameters<typeof PhotoField>[0];
  readonly searchPlaces: () => Promise<PlaceSearch>;
  readonly place: (id: string) => Promise<Place | undefined>;
  readonly create: (draft: Draft) => Promise<void>;
  readonly update: (id: string, draft: Draft) => Promise<void>;
  readonly remove: (order: WorkOrder) => Promise<void>;
}

/** What the fields show. */
interface Values {
  readonly title: string;
  readonly place: Place | undefined;
  readonly dueAt: Date;
  readonly note: string;
  readonly photo: string | null;
}

export class OrderSheet {
  readonly element = h("dialog", { className: "sheet", "aria-labelledby": "sheet-heading" });
  readonly #heading = h("h2", { id: "sheet-heading" });
  readonly #title = h("input", {
    id: "title",
    name: "title",
    type: "text",
    required: true,
    maxLength: TITLE_CHARACTERS_MAX,
    autocomplete: "off",
    placeholder: "What is to be done",
  });
  readonly #due = h("input", { id: "due", name: "due", type: "date", required: true });
  readonly #note = h("textarea", { id: "note", name: "note", rows: 3, maxLength: NOTE_CHARACTERS_MAX });
  readonly #place: PlaceField;
  readonly #photo: PhotoField;
  readonly #problem = h("p", { className: "problem", role: "alert" });
  readonly #delete = h("button", { type: "button", className: "danger" }, "Delete");
  readonly #form = h("form", { method: "dialog" });
  readonly #actions: SheetActions;
  #order: WorkOrder | undefined;

  constructor(actions: SheetActions) {
    this.#actions = actions;
    this.#place = new PlaceField(actions.searchPlaces);
    this.#photo = new PhotoField(actions.attachments);
    const cancel = h("button", { type: "button", className: "quiet" }, "Cancel");
    const save = h("button", { type: "submit", className: "primary" }, "Save");
    const field = (label: string, input: HTMLElement): HTMLElement =>
      h("div", { className: "field" }, h("label", { htmlFor: input.id }, label), input);
    const buttons = h("div", { className: "buttons" }, this.#delete, h("span", { className: "gap" }), cancel, save);
    this.#form.append(
      this.#heading,
      field("Title", this.#title),
      this.#place.element,
      field("Due", this.#due),
      field("Note (optional)", this.#note),
      this.#photo.element,
      this.#problem,
      buttons,
    );
    this.element.append(this.#form);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#save();
    });
    this.element.addEventListener("close", () => this.#photo.end());
    cancel.addEventListener("click", () => this.element.close());
    this.#delete.addEventListener("click", () => void this.#remove());
  }

  create(): void {
    this.#show(undefined, { title: "", place: undefined, dueAt: new Date(), note: "", photo: null });
    this.#title.focus();
  }

  async edit(order: WorkOrder): Promise<void> {
    const place = await this.#actions.place(order.placeId);
    const { title, dueAt, note, photo } = order;
    this.#show(order, { title, place, dueAt, note: note ?? "", photo });
  }

  #show(order: WorkOrder | undefined, values: Values): void {
    this.#order = order;
    this.#heading.textContent = order === undefined ? "New work order" : "Work order";
    this.#title.value = values.title;
    this.#place.value = values.place;
    this.#due.value = toDateInput(values.dueAt);
    this.#note.value = values.note;
    this.#photo.value = values.photo;
    this.#problem.textContent = "";
    this.#delete.hidden = order === undefined;
    this.element.showModal();
  }

  async #save(): Promise<void> {
    const place = this.#place.value;
    const dueAt = fromDateInput(this.#due.value);
    const title = this.#title.value.trim();
    if (place === undefined || dueAt === undefined || title === "") {
      this.#problem.textContent = "A work order needs a title, a place and a day.";
      return;
    }
    const note = this.#note.value.trim();
    const draft = { title, country: place.country, placeId: place.id, dueAt, note: note === "" ? null : note };
    const photo = this.#photo.value;
    await this.#attempt(() =>
      this.#order === undefined ? this.#actions.create({ ...draft, photo }) : this.#actions.update(this.#order.id, { ...draft, photo }),
    );
  }

  async #remove(): Promise<void> {
    const order = this.#order;
    if (order === undefined || !(await confirmDelete(order.title))) return;
    await this.#attempt(() => this.#actions.remove(order));
  }

  async #attempt(change: () => Promise<void>): Promise<void> {
    try {
      await change();
      this.element.close();
    } catch (error) {
      this.#problem.textContent = error instanceof Error ? `Not saved: ${error.message}` : "Not saved.";
    }
  }
}
