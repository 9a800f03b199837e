/** A service worker that sends what waits. */
import { entity, text } from "whimbrel";
import { drainOnSync } from "whimbrel/service-worker";

drainOnSync({
  name: "throw-away",
  entities: { note: entity({ body: text() }) },
  units: { send: { push: ["note"] } },
  send: "send",
  session: async () => ({ user: null, server: { url: "/v1", token: () => "t" } }),
});
