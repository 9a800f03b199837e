// Made from the server's configuration by `whimbrel-server types`: change that, and make this anew.
import { attachment, boolean, entity, integer, real, ref, text, timestamp } from "../../pkg/src/index.js";

export const entities = {
  place: entity(
    {
      name: text(),
    },
    { sync: "readOnly" },
  ),
  workOrder: entity(
    {
      title: text().max(200),
      placeId: ref("place"),
      parentId: ref("workOrder").optional(),
      dueAt: timestamp(),
      photo: attachment().optional(),
    },
    { sync: "detectConflicts" },
  ),
  reading: entity(
    {
      value: real(),
      count: integer().optional(),
      isRight: boolean(),
    },
    { sync: "appendOnly" },
  ),
  stock: entity(
    {
      amount: integer().merge("sum"),
      weight: real().merge("sum").optional(),
      tags: text().max(1000).merge("union").optional(),
      name: text().merge("newest"),
      shelf: text().merge("client").optional(),
      countedAt: timestamp().merge("server").optional(),
    },
    { sync: "merge" },
  ),
  stockPlace: entity(
    {
      stockId: ref("stock"),
      placeId: ref("place"),
      note: text().optional(),
    },
    { sync: "lastWriteWins", pair: ["stockId", "placeId"] },
  ),
};
