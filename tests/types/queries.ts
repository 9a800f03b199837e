/** Conditions and orders follow from the fields and their types. */
import { db } from "./rounds.js";

const now = new Date();

export const good = [
  db.workOrder.query({ where: { status: "open" }, orderBy: { dueAt: "asc", title: "desc" }, limit: 50, offset: 10 }),
  db.workOrder.query({ where: { id: "a" }, orderBy: { id: "desc" } }),
  db.workOrder.query({ where: { status: { in: ["open", "done"] }, dueAt: { gte: now, lt: now } } }),
  db.workOrder.query({ where: { floor: null } }),
  db.workOrder.query({ where: { floor: { ne: null } } }),
  db.workOrder.query({ where: { floor: { gt: 3 }, urgent: true } }),
  db.workOrder.query({
    where: { or: [{ floor: { isNull: true } }, { and: [{ urgent: true }, { not: { status: "done" } }] }] },
  }),
  db.workOrder.query({ where: { title: { startsWith: "Pump" }, placeId: { startsWith: "es/" } } }),
  db.workOrder.query({ where: { title: { contains: "Pump" } }, limit: 50, after: undefined }),
  db.workOrder.first().then((last) => db.workOrder.query({ orderBy: { dueAt: "asc" }, after: last })),
  db.workOrder.query({ orderBy: { dueAt: "asc" }, after: { dueAt: now, id: "a" } }),
  db.workOrder.explain({ orderBy: { dueAt: "asc" } }).then((plan) => plan.index satisfies readonly string[] | null),
  db.place.first({ where: { name: { gte: "A" } } }),
  db.workOrder.sum("floor", { where: { urgent: true } }) satisfies Promise<number>,
  db.workOrder.avg("floor") satisfies Promise<number | null>,
  db.workOrder.min("dueAt") satisfies Promise<Date | null>,
  db.workOrder.max("title") satisfies Promise<string | null>,
  db.entity("workOrder" as string).sum("floor"),
];

export const bad = [
  // @ts-expect-error there is no such field
  db.workOrder.query({ where: { colour: "red" } }),
  // @ts-expect-error status is text
  db.workOrder.query({ where: { status: 1 } }),
  // @ts-expect-error dueAt is a Date
  db.workOrder.query({ where: { dueAt: { gte: 5 } } }),
  // @ts-expect-error a required field is never null
  db.workOrder.query({ where: { title: null } }),
  // @ts-expect-error null has no order
  db.workOrder.query({ where: { floor: { gt: null } } }),
  // @ts-expect-error booleans have no order
  db.workOrder.query({ where: { urgent: { gt: false } } }),
  // @ts-expect-error a required field is never null
  db.workOrder.query({ where: { title: { isNull: true } } }),
  // @ts-expect-error only text starts with something
  db.workOrder.query({ where: { floor: { startsWith: "1" } } }),
  // @ts-expect-error only text contains something
  db.workOrder.query({ where: { floor: { contains: "1" } } }),
  // @ts-expect-error a place in an order has an id
  db.workOrder.query({ orderBy: { dueAt: "asc" }, after: { dueAt: now } }),
  // @ts-expect-error dueAt is a Date
  db.workOrder.query({ orderBy: { dueAt: "asc" }, after: { dueAt: 5, id: "a" } }),
  // @ts-expect-error there is no such field
  db.workOrder.query({ where: { or: [{ colour: "red" }] } }),
  // @ts-expect-error a list of conditions
  db.workOrder.query({ where: { or: { status: "open" } } }),
  // @ts-expect-error there is no such condition
  db.workOrder.query({ where: { status: { like: "o%" } } }),
  // @ts-expect-error a condition that is undefined would match everything
  db.workOrder.query({ where: { status: undefined } }),
  // @ts-expect-error there is no such field
  db.workOrder.query({ orderBy: { colour: "asc" } }),
  // @ts-expect-error there is no such direction
  db.workOrder.query({ orderBy: { title: "up" } }),
  // @ts-expect-error there is no such part
  db.workOrder.query({ filter: {} }),
  // @ts-expect-error the first one is one
  db.workOrder.first({ limit: 5 }),
  // @ts-expect-error a count has no order and no limit
  db.workOrder.count({ limit: 5 }),
  // @ts-expect-error nobody adds up text
  db.workOrder.sum("title"),
  // @ts-expect-error booleans have no order
  db.workOrder.min("urgent"),
  // @ts-expect-error there is no such field
  db.workOrder.max("colour"),
];
