/** What Rounds keeps on the device: work orders, and the places they are at. What they have is the server's to say (`server.ts`). */
import { entity } from "whimbrel";
import { entities as server } from "./server";

const { place, workOrder } = server;
/** Without `admin1`: a device declares only what it needs. */
const { name, country, lat, lng } = place.fields;
const { title, status, dueAt, note } = workOrder.fields;

/** The longest texts that device and server take. */
export const TITLE_CHARACTERS_MAX = title.spec.max ?? Number.MAX_SAFE_INTEGER;
export const NOTE_CHARACTERS_MAX = note.spec.max ?? Number.MAX_SAFE_INTEGER;

export const entities = {
  place: entity({ name, country, lat, lng }, { sync: place.policy }),
  /** `country`: who gets it, the server gives work orders to those who work in the country. `status`: `open` or `done`. */
  workOrder: entity(
    { ...workOrder.fields, status: status.index(), dueAt: dueAt.index() },
    { sync: workOrder.policy },
  ),
};

export const units = {
  /** Work orders first: they are few, and what one looks at. */
  everything: { push: ["workOrder"], pull: ["workOrder", "place"] },
  send: { push: ["workOrder"] },
} as const;
