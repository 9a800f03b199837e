/** Rounds: the page is put together here, once per signed-in user. */
import "./style/index.css";

import type { DemoHandle } from "./demo-handle";
import { byId, h } from "./element";
import { keepThePage } from "./new-version";
import { openRounds } from "./rounds";
import { mountWorkplace } from "./workplace";
import { USERS, currentUser, remember, type User } from "./users";

let leave: (() => Promise<void>) | undefined;

/** Opens the user's database and shows it; the previous user's is closed first. */
async function enter(user: User): Promise<void> {
  await leave?.();
  remember(user);
  const db = await openRounds(user);
  const visit = new AbortController();
  mountWorkplace(db, visit.signal);
  window.whimbrelDemo = { db, user: user.id } satisfies DemoHandle;
  leave = async () => {
    delete window.whimbrelDemo;
    visit.abort();
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
    if (chosen !== undefined) enter(chosen).catch(fail);
  });
}

keepThePage();
const user = currentUser();
mountUserChoice(user);
enter(user).catch(fail);
