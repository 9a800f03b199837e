/** Finding a place by the beginning of its name, whatever accents and capitals somebody types. */
import { expect, test } from "@playwright/test";

import { PlaceSearch } from "../../../www/src/place-search";

const NAMES = ["Valladolid", "València", "La Vall d'Uixó", "L'Hospitalet de Llobregat", "Ávila", "Nairobi", "Göttingen"];
const search = new PlaceSearch(NAMES.map((name, index) => ({ id: String(index), name, country: "XX", lat: 0, lng: 0 })));

const CASES: readonly [typed: string, found: readonly string[]][] = [
  ["val", ["València", "Valladolid", "La Vall d'Uixó"]],
  ["VALÈ", ["València"]],
  ["avi", ["Ávila"]],
  ["hosp", ["L'Hospitalet de Llobregat"]],
  ["l'hospitalet de", ["L'Hospitalet de Llobregat"]],
  ["gottin", ["Göttingen"]],
  ["robi", []],
  ["", []],
  ["  ", []],
];

for (const [typed, found] of CASES) {
  test(`"${typed}" finds ${found.length === 0 ? "nothing" : found.join(", ")}`, () => {
    expect(search.find(typed, 10).map(({ name }) => name)).toEqual(found);
  });
}

test("no more are found than asked for, the best first", () => {
  expect(search.find("val", 1).map(({ name }) => name)).toEqual(["València"]);
});
