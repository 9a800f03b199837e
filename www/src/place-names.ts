/** The names of the places that the list shows, looked up once each. */
import type { Rounds } from "./rounds";

export class PlaceNames {
  readonly #names = new Map<string, string>();
  readonly #asked = new Set<string>();
  readonly #db: Rounds;
  readonly #changed: () => void;

  /** @param changed is called when a name has become known after `of` was asked for it. */
  constructor(db: Rounds, changed: () => void) {
    this.#db = db;
    this.#changed = changed;
  }

  /** The name, or nothing yet. */
  of(placeId: string): string {
    const known = this.#names.get(placeId);
    if (known === undefined && !this.#asked.has(placeId)) void this.#look(placeId);
    return known ?? "…";
  }

  /** Places that were not here may have arrived: they are looked for again. */
  askAgain(): void {
    if (this.#asked.size === 0) return;
    this.#asked.clear();
    this.#changed();
  }

  async #look(placeId: string): Promise<void> {
    this.#asked.add(placeId);
    const place = await this.#db.place.get(placeId);
    if (place === undefined) return;
    this.#asked.delete(placeId);
    this.#names.set(placeId, place.name);
    this.#changed();
  }
}
