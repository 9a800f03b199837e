/** An app as somebody writes it on the first day. */
import { attachment, type Database, entity, open, ref, text, timestamp, WhimbrelError } from "whimbrel";
import { attachments } from "whimbrel/attachments";
import { capacitor } from "whimbrel/capacitor";

const entities = {
  place: entity({ name: text() }, { sync: "readOnly" }),
  workOrder: entity({ title: text().max(200), placeId: ref("place").optional(), dueAt: timestamp(), photo: attachment().optional() }),
};

function show(orders: readonly { readonly title: string; readonly dueAt: Date }[]): void {
  document.body.textContent = orders.map((order) => `${order.title} ${order.dueAt.toISOString()}`).join(", ");
}

/** As `@capacitor/network` has it. */
const Network = {
  getStatus: async () => ({ connected: true, connectionType: "wifi" as const }),
  addListener: async (_event: "networkStatusChange", _listener: (status: { connected: boolean; connectionType: string }) => void) => ({
    remove: async () => {},
  }),
};

try {
  const db: Database<typeof entities, "home"> = await open({
    name: "throw-away",
    server: { url: "/v1", token: () => "t" },
    entities,
    units: { home: ["place", "workOrder"] },
    auto: { start: "home" },
    attachments: attachments({ budgetBytes: 1e6 }),
    backgroundSync: true,
    network: capacitor({ network: Network }),
  });
  db.workOrder.watch({ orderBy: { dueAt: "asc" } }).subscribe(show);
  const photo = await db.attachments.add(new Blob(["x"]), { type: "text/plain" });
  const order = await db.workOrder.create({ title: "Pump 4", dueAt: new Date(), photo });
  const receipt = await order.confirmed;
  if (receipt.outcome === "accepted") document.title = `version ${receipt.version}`;
  if (receipt.outcome === "rejected") document.title = `${receipt.code}: ${receipt.message}`;
  // @ts-expect-error the types of the installed package are those of the schema
  void db.workOrder.create({ title: 5 });
} catch (error) {
  document.title = error instanceof WhimbrelError ? error.code : "?";
}
