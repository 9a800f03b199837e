/**
 * Whether there is an order in which the transactions of all tabs could have happened one after the other, each seeing what those before it
 * made. Three kinds of "before" are known: who wrote a place follows whom it saw there; who saw a place comes after its writer and before
 * the next one; and in one tab, what had ended before another began. An order exists when these make no circle (Adya, 1999).
 */

/** What a transaction says of itself. */
export interface Report {
  readonly id: string;
  /** What had ended in the same tab when it began. */
  readonly after: readonly string[];
  /** Of each place it read, who had written that last; empty for nobody. */
  readonly seen: Readonly<Record<string, string>>;
  /** The places it wrote; it has seen all of them. */
  readonly written: readonly string[];
  /** Marks it wrote blindly. */
  readonly marks?: Readonly<Record<string, number>>;
}

/** What is wrong with a history, or `undefined`. `last` says who wrote each place last; empty for nobody. */
export function flaw(reports: readonly Report[], last: ReadonlyMap<string, string>): string | undefined {
  const ids = new Set(reports.map(({ id }) => id));
  if (ids.size !== reports.length) return "a transaction was acknowledged twice";
  const next = new Map<string, string>();
  for (const { id, seen, written } of reports) {
    for (const [place, before] of Object.entries(seen)) {
      if (before !== "" && !ids.has(before)) return `${id} saw ${before} in place ${place}, which was never acknowledged`;
    }
    for (const place of written) {
      const key = `${place} ${seen[place]}`;
      const other = next.get(key);
      if (other !== undefined) return `${id} and ${other} both wrote place ${place} on what ${seen[place] || "nobody"} had left`;
      next.set(key, id);
    }
  }
  return wrongEnd(reports, next, last) ?? circle(reports, next);
}

/** Each place's writers are one chain that ends with the one who is found. */
function wrongEnd(
  reports: readonly Report[],
  next: ReadonlyMap<string, string>,
  last: ReadonlyMap<string, string>,
): string | undefined {
  const writers = new Map<string, number>();
  for (const { written } of reports) for (const place of written) writers.set(place, (writers.get(place) ?? 0) + 1);
  for (const place of new Set([...writers.keys(), ...last.keys()])) {
    let [at, count] = ["", 0];
    for (let to = next.get(`${place} `); to !== undefined; to = next.get(`${place} ${at}`)) {
      at = to;
      count += 1;
    }
    if (count !== (writers.get(place) ?? 0)) return `only ${count} of ${writers.get(place)} writers of place ${place} follow each other`;
    if (at !== (last.get(place) ?? "")) return `place ${place} was written last by ${at}, but ${last.get(place)} is found there`;
  }
  return undefined;
}

/** Takes away whoever nobody must come before, until none is left. */
function circle(reports: readonly Report[], next: ReadonlyMap<string, string>): string | undefined {
  const followers = new Map<string, string[]>(reports.map(({ id }) => [id, []]));
  const before = new Map<string, number>(reports.map(({ id }) => [id, 0]));
  const add = (from: string, to: string | undefined): void => {
    if (from === "" || to === undefined || from === to) return;
    followers.get(from)?.push(to);
    before.set(to, (before.get(to) ?? 0) + 1);
  };
  for (const { id, after, seen } of reports) {
    for (const earlier of after) add(earlier, id);
    for (const [place, writer] of Object.entries(seen)) {
      add(writer, id);
      add(id, next.get(`${place} ${writer}`));
    }
  }
  const free = reports.map(({ id }) => id).filter((id) => before.get(id) === 0);
  for (const id of free) {
    for (const follower of followers.get(id) ?? []) {
      const left = (before.get(follower) ?? 0) - 1;
      before.set(follower, left);
      if (left === 0) free.push(follower);
    }
  }
  if (free.length === reports.length) return undefined;
  const stuck = reports.map(({ id }) => id).filter((id) => (before.get(id) ?? 0) > 0);
  return `${stuck.length} transactions have no order: ${stuck.slice(0, 8).join(", ")} …`;
}

/** What was written last into the marks, by the tabs' own numbers. */
export function lastMarks(reports: readonly Report[]): Record<string, { a: number; b: number }> {
  const last: Record<string, { a: number; b: number }> = {};
  for (const { id, marks = {} } of reports) {
    const tab = id.startsWith("a") ? "a" : "b";
    for (const [mark, number] of Object.entries(marks)) {
      const known = (last[mark] ??= { a: 0, b: 0 });
      known[tab] = Math.max(known[tab], number);
    }
  }
  return last;
}
