/** What Rounds keeps on the device: work orders, and the places they are at. The server's side of it is `server.toml`. */
import { attachment, entity, real, ref, text, timestamp } from "whimbrel";

/** The longest texts that device and server take. */
export const TITLE_CHARACTERS_MAX = 200;
export const NOTE_CHARACTERS_MAX = 2_000;

export const entities = {
  place: entity({ name: text(), country: text(), lat: real(), lng: real() }, { sync: "readOnly" }),
  workOrder: entity(
    {
      title: text().max(TITLE_CHARACTERS_MAX),
      /** Who gets it: the server gives work orders to those who work in the country. */
      country: text(),
      /** `open` or `done`. */
      status: text().index(),
      placeId: ref("place"),
      dueAt: timestamp().index(),
      note: text().max(NOTE_CHARACTERS_MAX).optional(),
      photo: attachment().optional(),
    },
    { sync: "lastWriteWins" },
  ),
};

export const units = {
  /** Work orders first: they are few, and what one looks at. */
  everything: { push: ["workOrder"], pull: ["workOrder", "place"] },
  send: { push: ["workOrder"] },
} as const;
