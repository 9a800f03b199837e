/** The choice between the open and the done work orders, with how many there are of each. */
import { h, setText } from "./element";

export const FILTERS = ["open", "done"] as const;
export type Filter = (typeof FILTERS)[number];

const LABELS: Readonly<Record<Filter, string>> = { open: "Open", done: "Done" };

export class FilterChoice {
  readonly #counts = new Map<Filter, HTMLElement>();

  constructor(container: HTMLElement, chosen: Filter, choose: (filter: Filter) => void) {
    const choices = FILTERS.map((filter) => {
      const input = h("input", { type: "radio", name: "filter", value: filter, checked: filter === chosen });
      const count = h("span", { className: "count" });
      input.addEventListener("change", () => choose(filter));
      this.#counts.set(filter, count);
      return h("label", {}, input, h("span", {}, LABELS[filter], " ", count));
    });
    container.replaceChildren(...choices);
  }

  showCount(filter: Filter, count: string): void {
    const element = this.#counts.get(filter);
    if (element !== undefined) setText(element, count);
  }
}
