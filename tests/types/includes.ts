/** What may come along with a record, and its type, follow from the refs of the schema. */
import { expectTypeOf } from "vitest";

import { entity, open, type RecordOf, ref, text, timestamp, type With } from "../../pkg/src/index.js";

const entities = {
  place: entity({ name: text(), inId: ref("place").optional() }, { sync: "readOnly" }),
  workOrder: entity({ title: text(), placeId: ref("place"), dueAt: timestamp(), afterId: ref("workOrder").optional() }),
  note: entity({ workOrderId: ref("workOrder"), body: text(), at: timestamp().index() }),
  tag: entity({ name: text() }),
  orderTag: entity({ workOrderId: ref("workOrder"), tagId: ref("tag") }),
};
type Schema = typeof entities;
type Order = RecordOf<Schema["workOrder"]>;
type Place = RecordOf<Schema["place"]>;
type Note = RecordOf<Schema["note"]>;
type Tag = RecordOf<Schema["tag"]>;

const openRounds = () => open({ name: "rounds", entities });
declare const db: Awaited<ReturnType<typeof openRounds>>;

export async function whatComesBack(): Promise<void> {
  expectTypeOf(await db.workOrder.query({ include: {} })).toEqualTypeOf<Order[]>();
  const orders = await db.workOrder.query({
    where: { title: { startsWith: "Pump" } },
    include: {
      place: { via: "placeId" },
      notes: { from: "note", via: "workOrderId", where: { body: { ne: "" } }, orderBy: { at: "desc" }, limit: 3 },
      tags: { through: "orderTag", via: "workOrderId", to: "tagId", orderBy: { name: "asc" }, offset: 1 },
    },
  });
  type Come = { readonly place: Place | null; readonly notes: readonly Note[]; readonly tags: readonly Tag[] };
  expectTypeOf(orders).branded.toEqualTypeOf<(Order & Come)[]>();
  expectTypeOf(orders[0]?.notes[0]?.at).toEqualTypeOf<Date | undefined>();

  const place = await db.place.first({
    include: {
      country: { via: "inId", include: { parts: { from: "place", via: "inId" } } },
      orders: {
        from: "workOrder",
        via: "placeId",
        include: { next: { from: "workOrder", via: "afterId" }, before: { via: "afterId" } },
      },
    },
  });
  expectTypeOf(place?.country?.parts[0]?.name).toEqualTypeOf<string | undefined>();
  expectTypeOf(place?.orders[0]?.next[0]?.dueAt).toEqualTypeOf<Date | undefined>();
  expectTypeOf(place?.orders[0]?.before?.title).toEqualTypeOf<string | undefined>();

  const watch = db.tag.watch({
    include: {
      orders: { through: "orderTag", via: "tagId", to: "workOrderId", include: { place: { via: "placeId" } } },
    },
  });
  for await (const tags of watch) expectTypeOf(tags[0]?.orders[0]?.place).toEqualTypeOf<Place | null | undefined>();
  watch.subscribe((tags) => expectTypeOf(tags[0]?.orders[0]?.title).toEqualTypeOf<string | undefined>());
  expectTypeOf<With<Schema, "workOrder", {}>>().toEqualTypeOf<Order>();
  expectTypeOf<Awaited<ReturnType<typeof db.workOrder.query>>>().toEqualTypeOf<Order[]>();
  expectTypeOf<With<Schema, "note", { order: { via: "workOrderId" } }>["order"]>().toEqualTypeOf<Order | null>();

  const [any] = await db.entity("workOrder" as string).query({ include: { place: { via: "placeId" } } });
  expectTypeOf(any?.id).toEqualTypeOf<string | undefined>();
  expectTypeOf(await db.entity("note").first({ include: { order: { via: "workOrderId" } } })).toExtend<
    { readonly order: Order | null } | undefined
  >();
}

export const bad = [
  // @ts-expect-error there is no such field
  db.workOrder.query({ include: { place: { via: "plaiceId" } } }),
  // @ts-expect-error the title refers to nothing
  db.workOrder.query({ include: { place: { via: "title" } } }),
  // @ts-expect-error places have no orders of their own
  db.place.query({ include: { order: { via: "workOrderId" } } }),
  // @ts-expect-error there is no such entity
  db.workOrder.query({ include: { notes: { from: "remark", via: "workOrderId" } } }),
  // @ts-expect-error a note's field names orders, not places
  db.place.query({ include: { notes: { from: "note", via: "workOrderId" } } }),
  // @ts-expect-error it does not say which field names ours
  db.workOrder.query({ include: { notes: { from: "note" } } }),
  // @ts-expect-error it does not say which field names theirs
  db.workOrder.query({ include: { tags: { through: "orderTag", via: "workOrderId" } } }),
  // @ts-expect-error the name is a field's
  db.workOrder.query({ include: { title: { via: "placeId" } } }),
  // @ts-expect-error the name is the id's
  db.workOrder.query({ include: { id: { via: "placeId" } } }),
  // @ts-expect-error one record has no limit
  db.workOrder.query({ include: { place: { via: "placeId", limit: 1 } } }),
  // @ts-expect-error there is no such part
  db.workOrder.query({ include: { notes: { from: "note", via: "workOrderId", most: 1 } } }),
  // @ts-expect-error there is no such field
  db.workOrder.query({ include: { notes: { from: "note", via: "workOrderId", where: { colour: "red" } } } }),
  // @ts-expect-error there is no such field
  db.workOrder.query({ include: { notes: { from: "note", via: "workOrderId", where: { body: "", colour: "red" } } } }),
  // @ts-expect-error a body is text
  db.workOrder.query({ include: { notes: { from: "note", via: "workOrderId", where: { body: 5 } } } }),
  // @ts-expect-error there is no such field
  db.workOrder.query({ include: { notes: { from: "note", via: "workOrderId", orderBy: { colour: "asc" } } } }),
  // @ts-expect-error there is no such direction
  db.workOrder.query({ include: { notes: { from: "note", via: "workOrderId", orderBy: { at: "up" } } } }),
  // @ts-expect-error there is no such field, two levels down
  db.place.query({ include: { in: { via: "inId", include: { in: { via: "upId" } } } } }),
  // @ts-expect-error the name is a field's, two levels down
  db.place.query({ include: { in: { via: "inId", include: { name: { via: "inId" } } } } }),
  // @ts-expect-error a count includes nothing
  db.workOrder.count({ include: { place: { via: "placeId" } } }),
  // @ts-expect-error nothing of that name came along
  db.workOrder.first({ include: { place: { via: "placeId" } } }).then((order) => order?.places),
];
