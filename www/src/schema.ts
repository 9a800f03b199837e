/** What Rounds keeps on the device: work orders, and the places they are at. The server's side of it is `server.toml`. */
import { entity, real, ref, text, timestamp } from "whimbrel";

/** The longest title that device and server take. */
export const TITLE_CHARACTERS_MAX = 200;

export const entities = {
  place: entity({ name: text(), country: text(), lat: real(), lng: real() }, { sync: "readOnly" }),
  workOrder: entity(
    {
      title: text().max(TITLE_CHARACTERS_MAX),
      status: text().index(),
      placeId: ref("place"),
      dueAt: timestamp().index(),
    },
    { sync: "detectConflicts" },
  ),
};

export const units = {
  /** Work orders first: they are few, and what one looks at. */
  everything: { push: ["workOrder"], pull: ["workOrder", "place"] },
  send: { push: ["workOrder"] },
} as const;
