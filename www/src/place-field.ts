/**
 * The place of a work order: a text field that suggests places while one types, by the rules of an editable combobox
 * (https://www.w3.org/WAI/ARIA/apg/patterns/combobox/).
 *
 * **Invariant:** what is chosen is always a place that was suggested, or nothing; typing on unchooses it.
 */
import { coordinates } from "./coordinates";
import { h } from "./element";
import type { Place, PlaceSearch } from "./place-search";

const SUGGESTIONS_MAX = 8;

export class PlaceField {
  readonly element: HTMLElement;
  readonly #input = h("input", {
    id: "place",
    name: "place",
    type: "text",
    autocomplete: "off",
    required: true,
    role: "combobox",
    placeholder: "Type the beginning of its name",
    "aria-autocomplete": "list",
    "aria-controls": "place-suggestions",
    "aria-expanded": "false",
  });
  readonly #list = h("ul", { id: "place-suggestions", role: "listbox", hidden: true, "aria-label": "Places" });
  readonly #hint = h("p", { className: "hint", id: "place-hint" });
  readonly #search: () => Promise<PlaceSearch>;
  #shown: readonly Place[] = [];
  #active = -1;
  #chosen: Place | undefined;

  constructor(search: () => Promise<PlaceSearch>) {
    this.#search = search;
    const label = h("label", { htmlFor: "place" }, "Place");
    this.element = h("div", { className: "field place-field" }, label, this.#input, this.#list, this.#hint);
    this.#input.setAttribute("aria-describedby", this.#hint.id);
    this.#input.addEventListener("input", () => void this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    this.#input.addEventListener("blur", () => this.#close());
    // Not "click": the field would lose the focus, and with it the list, before the click arrives.
    this.#list.addEventListener("pointerdown", (event) => this.#pointed(event));
  }

  get value(): Place | undefined {
    return this.#chosen;
  }

  set value(place: Place | undefined) {
    this.#chosen = place;
    this.#input.value = place?.name ?? "";
    this.#input.setCustomValidity(place === undefined ? "Choose one of the places suggested" : "");
    this.#hint.textContent = place === undefined ? "" : coordinates(place);
    this.#close();
  }

  async #typed(): Promise<void> {
    const text = this.#input.value;
    this.#chosen = undefined;
    this.#input.setCustomValidity("Choose one of the places suggested");
    const search = await this.#search();
    if (text !== this.#input.value) return;
    this.#shown = search.find(text, SUGGESTIONS_MAX);
    this.#active = this.#shown.length > 0 ? 0 : -1;
    this.#hint.textContent = this.#explain(text, search);
    this.#draw();
  }

  #explain(text: string, search: PlaceSearch): string {
    if (search.size === 0) return "No places on this device yet: they come with the first sync";
    return text.trim() !== "" && this.#shown.length === 0 ? "No place begins like this" : "";
  }

  #draw(): void {
    const options = this.#shown.map((place, index) => {
      const where = h("span", { className: "where" }, coordinates(place));
      const selected = String(index === this.#active);
      return h("li", { id: `place-${index}`, role: "option", "aria-selected": selected }, place.name, " ", where);
    });
    this.#list.replaceChildren(...options);
    this.#list.hidden = options.length === 0;
    this.#input.setAttribute("aria-expanded", String(options.length > 0));
    if (this.#active >= 0) this.#input.setAttribute("aria-activedescendant", `place-${this.#active}`);
    else this.#input.removeAttribute("aria-activedescendant");
  }

  #pressed(event: KeyboardEvent): void {
    const count = this.#shown.length;
    if (count === 0) return;
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move !== undefined) {
      this.#active = (this.#active + move + count) % count;
      this.#draw();
    } else if (event.key === "Enter") {
      this.value = this.#shown[this.#active];
    } else if (event.key === "Escape") {
      this.#close();
    } else {
      return;
    }
    // The list takes the key: Enter must not save the sheet yet, Escape must not close it.
    event.preventDefault();
    event.stopPropagation();
  }

  #pointed(event: PointerEvent): void {
    event.preventDefault();
    const option = event.target instanceof Element ? event.target.closest("[role=option]") : null;
    const place = this.#shown[[...this.#list.children].findIndex((child) => child === option)];
    if (place !== undefined) this.value = place;
  }

  #close(): void {
    this.#shown = [];
    this.#active = -1;
    this.#draw();
  }
}
