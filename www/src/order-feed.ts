/**
 * What the list shows: a live query for the open and one for the done work orders, the most urgent first, a page at a time.
 *
 * Both are followed all the time, so that the number beside each choice is true whoever changed something: this page, another tab,
 * or the server.
 */
import { byId, h, setText } from "./element";
import { FILTERS, FilterChoice, type Filter } from "./filter";
import type { OrderList } from "./order-list";
import type { Rounds, WorkOrder } from "./rounds";

const PAGE_ROWS = 100;

const NOTHING: Readonly<Record<Filter, string>> = {
  open: "No open work orders. Make the first one: it is kept on this device, with or without a network.",
  done: "Nothing is done yet.",
};

interface Feed {
  limit: number;
  orders: readonly WorkOrder[] | undefined;
  watching: AbortController;
}

export class OrderFeed {
  readonly #db: Rounds;
  readonly #list: OrderList;
  readonly #signal: AbortSignal;
  readonly #choice: FilterChoice;
  readonly #empty = h("p", { className: "empty", hidden: true });
  readonly #more = h("button", { type: "button", className: "quiet more", hidden: true }, "Show more");
  readonly #feeds: Readonly<Record<Filter, Feed>> = { open: newFeed(), done: newFeed() };
  #filter: Filter = "open";

  constructor(db: Rounds, list: OrderList, signal: AbortSignal) {
    this.#db = db;
    this.#list = list;
    this.#signal = signal;
    this.#choice = new FilterChoice(byId("filter"), this.#filter, (filter) => {
      this.#filter = filter;
      this.show();
    });
    byId("list").replaceChildren(list.element, this.#empty, this.#more);
    this.#more.addEventListener("click", () => {
      this.#feeds[this.#filter].limit += PAGE_ROWS;
      this.#follow(this.#filter);
    });
    for (const filter of FILTERS) this.#follow(filter);
  }

  /** Draws what is known; also when something that belongs to the work orders has become known. */
  show(): void {
    for (const filter of FILTERS) this.#choice.showCount(filter, count(this.#feeds[filter]));
    const { orders, limit } = this.#feeds[this.#filter];
    if (orders === undefined) return;
    this.#list.show(orders);
    this.#empty.hidden = orders.length > 0;
    setText(this.#empty, NOTHING[this.#filter]);
    this.#more.hidden = orders.length < limit;
  }

  #follow(filter: Filter): void {
    const feed = this.#feeds[filter];
    feed.watching.abort();
    feed.watching = new AbortController();
    const signal = AbortSignal.any([feed.watching.signal, this.#signal]);
    const query = { where: { status: filter }, orderBy: { dueAt: "asc" }, limit: feed.limit } as const;
    this.#db.workOrder.watch(query, { signal }).subscribe((orders) => {
      feed.orders = orders;
      this.show();
    });
  }
}

function newFeed(): Feed {
  return { limit: PAGE_ROWS, orders: undefined, watching: new AbortController() };
}

/** The number beside the choice: "12", or "100+" when there is another page. */
function count({ orders, limit }: Feed): string {
  if (orders === undefined) return "";
  return orders.length < limit ? String(orders.length) : `${orders.length}+`;
}
