/**
 * Finding a place by the beginning of its name, or of a word in it: "val" finds Valencia and also La Vall d'Uixó.
 *
 * People leave out accents and capitals, so names are compared folded, in memory: some thousand names fold in a few milliseconds.
 */
export interface Place {
  readonly id: string;
  readonly name: string;
  readonly country: string;
  readonly lat: number;
  readonly lng: number;
}

interface Folded {
  readonly place: Place;
  /** The name with a space before every word, so that a word's beginning is found as " val". */
  readonly words: string;
}

export class PlaceSearch {
  readonly #places: readonly Folded[];

  constructor(places: readonly Place[]) {
    const byName = [...places].sort((a, b) => order.compare(a.name, b.name));
    this.#places = byName.map((place) => ({ place, words: ` ${fold(place.name)}` }));
  }

  get size(): number {
    return this.#places.length;
  }

  /** At most `limit` places: those whose name begins with the text before those of which a later word does. */
  find(text: string, limit: number): Place[] {
    const wanted = ` ${fold(text)}`;
    if (wanted === " ") return [];
    const found = this.#places.filter(({ words }) => words.includes(wanted));
    const first = found.filter(({ words }) => words.startsWith(wanted));
    const later = found.filter(({ words }) => !words.startsWith(wanted));
    return [...first, ...later].slice(0, limit).map(({ place }) => place);
  }
}

const order = new Intl.Collator("en-GB");

/** Without accents, capitals and punctuation: "L'Hospitalet" → "l hospitalet". */
function fold(text: string): string {
  const plain = text.normalize("NFD").replace(/\p{Mark}/gu, "").toLowerCase();
  return plain.replace(/[^\p{Letter}\p{Number}]+/gu, " ").trim();
}
