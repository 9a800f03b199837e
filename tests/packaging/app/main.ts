/** An app as somebody writes it on the first day. */
import { type Database, entity, open, ref, text, timestamp, WhimbrelError } from "whimbrel";

const entities = {
  place: entity({ name: text() }, { sync: "readOnly" }),
  workOrder: entity({ title: text().max(200), placeId: ref("place").optional(), dueAt: timestamp() }),
};

function show(orders: readonly { readonly title: string; readonly dueAt: Date }[]): void {
  document.body.textContent = orders.map((order) => `${order.title} ${order.dueAt.toISOString()}`).join(", ");
}

try {
  const db: Database<typeof entities, "home"> = await open({
    name: "throw-away",
    server: { url: "/v1", token: () => "t" },
    entities,
    units: { home: ["place", "workOrder"] },
    auto: { start: "home" },
  });
  db.workOrder.watch({ orderBy: { dueAt: "asc" } }).subscribe(show);
  const order = await db.workOrder.create({ title: "Pump 4", dueAt: new Date() });
  const receipt = await order.confirmed;
  if (receipt.outcome === "accepted") document.title = `version ${receipt.version}`;
  if (receipt.outcome === "rejected") document.title = `${receipt.code}: ${receipt.message}`;
  // @ts-expect-error the types of the installed package are those of the schema
  void db.workOrder.create({ title: 5 });
} catch (error) {
  document.title = error instanceof WhimbrelError ? error.code : "?";
}
