/** The schema that the type tests share. Nothing here is ever run: `tsc` is the test runner. */
import { boolean, type Database, entity, integer, open, real, ref, text, timestamp } from "../../pkg/src/index.js";

export const entities = {
  place: entity({ name: text(), country: text().index() }, { sync: "readOnly" }),
  reading: entity({ placeId: ref("place"), value: real(), at: timestamp() }, { sync: "appendOnly" }),
  workOrder: entity(
    {
      title: text().max(200),
      status: text().index(),
      placeId: ref("place"),
      dueAt: timestamp().index(),
      floor: integer().optional(),
      urgent: boolean().optional().index(),
      closedAt: timestamp().optional(),
    },
    { sync: "detectConflicts" },
  ),
  note: entity({ workOrderId: ref("workOrder").optional(), body: text().optional().max(500) }),
};

export const openRounds = () =>
  open({
    name: "rounds",
    entities,
    units: {
      home: ["workOrder", "note", "reading"],
      reference: { pull: ["place"] },
      send: { push: ["workOrder", "note"] },
    },
    auto: { start: "home", online: "home", resume: "home", change: "send", every: { unit: "home", seconds: 300 } },
  });

export type Rounds = Awaited<ReturnType<typeof openRounds>>;
export declare const db: Rounds;

/** An app can name the type of its database without opening one. */
export const named: Database<typeof entities, "home" | "reference" | "send"> = db;
