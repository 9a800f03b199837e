/** Makes work orders from a seed: the same seed and count, the same rows. */
import { byId } from "./digest";
import { Random } from "./random";
import { type Row, STATUSES } from "./row";

const PLACES = 500;
/** 2026-01-01, when the first of the orders was written. */
const FIRST_WRITTEN = 1_767_225_600_000;
const YEAR_MS = 365 * 24 * 3600 * 1000;
const MINUTE_MS = 60_000;

type Words = readonly [string, ...string[]];
const DEEDS: Words = ["Inspect", "Replace", "Repair", "Clean", "Calibrate", "Read out", "Tighten", "Lubricate", "Photograph"];
const THINGS: Words = ["pump", "valve", "filter", "boiler", "meter", "fire door", "fan coil", "transformer", "lift motor"];
const SPOTS: Words = ["in the basement", "on the roof", "at the north gate", "behind the stairs", "next to the well"];
const REMARKS: Words = [
  "Key at the reception.",
  "Call before you come.",
  "Ladder needed.",
  "Seal ordered.",
  "Leaks since Monday.",
  "Warranty until May.",
  "Noise under load.",
  "Second visit.",
];

/** `count` rows in ascending order of id. */
export function generate(count: number, seed: number): Row[] {
  const random = new Random(seed);
  const places = Array.from({ length: PLACES }, () => uuid(random, FIRST_WRITTEN)) as [string, ...string[]];
  return Array.from({ length: count }, (_, index) => makeRow(random, places, index)).sort(byId);
}

function makeRow(random: Random, places: readonly [string, ...string[]], index: number): Row {
  const written = FIRST_WRITTEN + random.below(YEAR_MS);
  return {
    id: uuid(random, written),
    title: `${random.pick(DEEDS)} ${random.pick(THINGS)} ${1 + random.below(99)}`,
    status: random.pick(STATUSES),
    placeId: random.pick(places),
    dueAt: written + MINUTE_MS * random.below(60 * 24 * 60),
    number: 10_000 + index,
    note: `${random.pick(SPOTS)}. ${random.pick(REMARKS)} ${random.pick(REMARKS)}`,
  };
}

/** A UUID of version 7: the time first, so that ids ascend as records are written. */
function uuid(random: Random, at: number): string {
  const time = at.toString(16).padStart(12, "0");
  const variant = (8 + random.below(4)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.hex(3)}-${variant}${random.hex(3)}-${random.hex(12)}`;
}
