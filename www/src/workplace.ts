/** The page of one signed-in user: every part is given its share of the database, and all end with `signal`. */
import { byId } from "./element";
import { mountDeviceNote } from "./device-note";
import { mountInbox } from "./inbox";
import { OrderFeed } from "./order-feed";
import { OrderList } from "./order-list";
import { OrderSheet, type Draft } from "./order-sheet";
import { PlaceNames } from "./place-names";
import { placeSearch } from "./places";
import { mountStatusBar } from "./status-bar";
import { toast } from "./toast";
import type { Rounds, WorkOrder } from "./rounds";

export function mountWorkplace(db: Rounds, signal: AbortSignal): void {
  mountStatusBar(db, signal);
  mountInbox(db, signal);
  mountDeviceNote(db, signal);

  const names = new PlaceNames(db, () => feed.show());
  const sheet = new OrderSheet(sheetActions(db, signal));
  const edit = (order: WorkOrder): void => void sheet.edit(order);
  const list = new OrderList(names, { edit, setDone: (order, done) => void setDone(db, order, done) });
  const feed = new OrderFeed(db, list, signal);

  document.body.append(sheet.element);
  // Nothing of one user's stays on the page while the next one's is being opened.
  signal.addEventListener("abort", () => {
    sheet.element.remove();
    byId("list").replaceChildren();
    byId("inbox").hidden = true;
  });
  byId("new-order").addEventListener("click", () => sheet.create(), { signal });
  signal.addEventListener("abort", db.sync.on("complete", () => names.askAgain()));
}

function sheetActions(db: Rounds, signal: AbortSignal): ConstructorParameters<typeof OrderSheet>[0] {
  return {
    attachments: db.attachments,
    searchPlaces: placeSearch(db, signal),
    place: (id) => db.place.get(id),
    create: async (draft: Draft) => {
      await db.workOrder.create({ ...draft, status: "open" });
    },
    update: async (id: string, draft: Draft) => {
      await db.workOrder.update(id, draft);
    },
    remove: async (order: WorkOrder) => {
      await db.workOrder.delete(order.id);
      toast(`“${order.title}” was deleted.`);
    },
  };
}

async function setDone(db: Rounds, order: WorkOrder, done: boolean): Promise<void> {
  await db.workOrder.update(order.id, { status: done ? "done" : "open" });
  const words = done ? `“${order.title}” is done.` : `“${order.title}” is open again.`;
  toast(words, { label: "Undo", run: () => void setDone(db, order, !done) });
}
