/**
 * The list of work orders: open or done, the most urgent first.
 *
 * It follows the database, so a change shows whoever made it: this form, another tab, or the server. An element stays the same as
 * long as its record does, which keeps focus and selection where they are.
 */
import { isOverdue, dueDay } from "./dates";
import { h, setText } from "./element";
import type { PlaceNames } from "./place-names";
import type { WorkOrder } from "./rounds";

interface Row {
  readonly element: HTMLLIElement;
  readonly show: (order: WorkOrder) => void;
}

export interface Actions {
  readonly edit: (order: WorkOrder) => void;
  readonly setDone: (order: WorkOrder, done: boolean) => void;
}

export class OrderList {
  readonly element = h("ul", { className: "orders", "aria-label": "Work orders" });
  readonly #rows = new Map<string, Row>();
  readonly #places: PlaceNames;
  readonly #actions: Actions;

  constructor(places: PlaceNames, actions: Actions) {
    this.#places = places;
    this.#actions = actions;
  }

  show(orders: readonly WorkOrder[]): void {
    const wanted = new Set(orders.map((order) => order.id));
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    let before: Element | null = this.element.firstElementChild;
    for (const order of orders) {
      const row = this.#row(order);
      row.show(order);
      if (row.element === before) before = before.nextElementSibling;
      else this.element.insertBefore(row.element, before);
    }
  }

  #row(order: WorkOrder): Row {
    const known = this.#rows.get(order.id);
    if (known !== undefined) return known;
    const row = makeRow(order, this.#places, this.#actions);
    this.#rows.set(order.id, row);
    return row;
  }
}

function makeRow(first: WorkOrder, places: PlaceNames, actions: Actions): Row {
  let shown = first;
  const done = h("input", { type: "checkbox", className: "done" });
  const title = h("span", { className: "title" });
  const place = h("span", { className: "place" });
  const due = h("span", { className: "due" });
  const open = h("button", { type: "button", className: "open-order" }, title, place, due);
  const element = h("li", { className: "order" }, h("label", {}, done), open);
  done.addEventListener("change", () => actions.setDone(shown, done.checked));
  open.addEventListener("click", () => actions.edit(shown));
  const show = (order: WorkOrder): void => {
    shown = order;
    const isDone = order.status === "done";
    const isLate = !isDone && isOverdue(order.dueAt, new Date());
    done.checked = isDone;
    done.setAttribute("aria-label", `Done: ${order.title}`);
    setText(title, order.title);
    setText(place, places.of(order.placeId));
    setText(due, isLate ? `Overdue, ${dueDay(order.dueAt, new Date())}` : dueDay(order.dueAt, new Date()));
    due.classList.toggle("late", isLate);
    element.classList.toggle("is-done", isDone);
  };
  return { element, show };
}
