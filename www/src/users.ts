/**
 * Who is signed in: one of the development users of `server.toml`, chosen in the page's address (`?user=ben`) or last time.
 *
 * A real app has a session here. Each user gets a database of their own, so one never sees another's records.
 */
export interface User {
  readonly id: string;
  readonly name: string;
  readonly country: string;
  /** A token that the server takes while it runs with development tokens. */
  readonly token: string;
}

export const USERS: readonly [User, ...User[]] = [
  { id: "ana", name: "Ana", country: "Spain", token: "dev-ana" },
  { id: "ben", name: "Ben", country: "Germany", token: "dev-ben" },
  { id: "cleo", name: "Cleo", country: "Kenya", token: "dev-cleo" },
];

const REMEMBERED = "rounds.user";

export function currentUser(): User {
  const asked = new URLSearchParams(location.search).get("user") ?? localStorage.getItem(REMEMBERED);
  return USERS.find((user) => user.id === asked) ?? USERS[0];
}

/** Remembers the choice, for this tab in its address and for the next start on this device. */
export function remember(user: User): void {
  localStorage.setItem(REMEMBERED, user.id);
  const address = new URL(location.href);
  address.searchParams.set("user", user.id);
  history.replaceState(null, "", address);
}
