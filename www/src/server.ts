// Made from the server's configuration by `whimbrel-server types`: change that, and make this anew.
import { attachment, entity, real, ref, text, timestamp } from "whimbrel";

export const entities = {
  place: entity(
    {
      name: text().max(200),
      country: text().max(2),
      admin1: text().optional(),
      lat: real(),
      lng: real(),
    },
    { sync: "readOnly" },
  ),
  workOrder: entity(
    {
      title: text().max(200),
      country: text().max(2),
      status: text(),
      placeId: ref("place"),
      dueAt: timestamp(),
      note: text().max(2000).optional(),
      photo: attachment().optional(),
    },
    { sync: "lastWriteWins" },
  ),
};
