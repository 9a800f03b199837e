/**
 * Changes that the server refused: each with its reason, kept until somebody has read and discarded it. What was written stays on the
 * device until then, so nothing disappears without a word.
 */
import type { RefusedChange } from "whimbrel";

import { byId, h } from "./element";
import { reason } from "./status-words";
import type { Rounds } from "./rounds";

const DONE: Readonly<Record<RefusedChange["op"], string>> = {
  create: "The new work order",
  update: "The change of",
  delete: "The deletion of",
};

export function mountInbox(db: Rounds, signal: AbortSignal): void {
  const section = byId("inbox");
  section.hidden = true;
  let shown = -1;
  const show = async (): Promise<void> => {
    const refused = await db.inbox.list();
    const items = await Promise.all(refused.map((change) => item(db, change, show)));
    if (signal.aborted) return;
    section.hidden = items.length === 0;
    section.replaceChildren(h("h2", {}, "Refused by the server"), h("ul", {}, ...items));
  };
  const follow = db.sync.subscribe(({ rejected }) => {
    if (rejected === shown) return;
    shown = rejected;
    void show();
  });
  signal.addEventListener("abort", follow);
}

async function item(db: Rounds, change: RefusedChange, discarded: () => Promise<void>): Promise<HTMLLIElement> {
  const title = await titleOf(db, change);
  const button = h("button", { type: "button", className: "quiet", "aria-label": `Discard: ${title}` }, "Discard");
  button.addEventListener("click", () => void db.inbox.discard(change.position).then(discarded));
  return h("li", {}, h("p", {}, `${DONE[change.op]} “${title}” was refused: ${reason(change)}`), button);
}

async function titleOf(db: Rounds, { set, was, id }: RefusedChange): Promise<string> {
  const known = set["title"] ?? was["title"] ?? (await db.workOrder.get(id))?.title;
  return typeof known === "string" ? known : "a deleted work order";
}
