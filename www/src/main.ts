/** Rounds: the page is put together here, once per signed-in user. */
import "./style/index.css";

import type { DemoHandle } from "./demo-handle";
import { byId, h } from "./element";
import { keepThePage } from "./new-version";
import { openRounds } from "./rounds";
import { mountWorkplace } from "./workplace";
import { USERS, currentUser, remember, type User } from "./users";

/** Ends the present visit. Replaced by every visit, so that whoever changes the user twice quickly waits for both. */
let leave: Promise<() => Promise<void>> = Promise.resolve(async () => undefined);

/** Closes what the previous user had open, then opens and shows what this one has. */
function enter(user: User): void {
  leave = leave.then(async (leavePrevious) => {
    await leavePrevious();
    return visit(user);
  });
  leave.catch(fail);
}

async function visit(user: User): Promise<() => Promise<void>> {
  remember(user);
  const db = await openRounds(user);
  const stay = new AbortController();
  mountWorkplace(db, stay.signal);
  window.whimbrelDemo = { db, user: user.id } satisfies DemoHandle;
  return async () => {
    delete window.whimbrelDemo;
    stay.abort();
    await db.close();
  };
}

function fail(error: unknown): void {
  console.error(error);
  const words = error instanceof Error ? error.message : String(error);
  byId("sync").dataset["tone"] = "trouble";
  byId("sync").replaceChildren(
    h("span", { className: "sync-dot", "aria-hidden": "true" }),
    h("p", { className: "sync-text" }, `Rounds cannot open its data on this device: ${words}`),
  );
}

function mountUserChoice(user: User): void {
  const choice = byId<HTMLSelectElement>("user");
  choice.replaceChildren(...USERS.map(({ id, name, country }) => h("option", { value: id }, `${name} · ${country}`)));
  choice.value = user.id;
  choice.addEventListener("change", () => {
    const chosen = USERS.find(({ id }) => id === choice.value);
    if (chosen !== undefined) enter(chosen);
  });
}

keepThePage();
const user = currentUser();
mountUserChoice(user);
enter(user);
