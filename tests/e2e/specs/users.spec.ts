/** Two users of one browser: what is one's is neither seen by the other nor sent for them, whatever the tokens do. */
import { expect, test } from "../harness/fixtures";
import { openPage } from "../harness/package-page";
import { serverRows } from "../harness/server-state";

test("R5: nothing of one user is seen by another or sent for them, also when a token comes late", async ({ server, context }) => {
  const page = await openPage(context);
  await page.route("**/v1/**", async (route) => {
    const { pathname, search } = new URL(route.request().url());
    await route.fulfill({ response: await route.fetch({ url: server.origin + pathname + search }) });
  });
  const seen = await page.evaluate(async () => {
    const { open, entity, text, timestamp, WhimbrelError } = window.whimbrelPackage;
    let token = "dev-ana";
    const order = entity({ title: text(), country: text(), status: text(), placeId: text(), dueAt: timestamp() });
    const ana = await open({
      name: "users",
      user: "ana",
      server: { url: "/v1", token: async () => token },
      entities: { workOrder: order },
      units: { home: ["workOrder"] },
    });
    const input = (title: string, country: string) => ({
      title,
      country,
      status: "open",
      placeId: "p",
      dueAt: new Date(0),
    });
    const sync = async (db: typeof ana): Promise<string> => {
      const outcome = await db.sync.trigger("home").settled;
      return outcome.outcome === "error" ? outcome.error.code : outcome.outcome;
    };
    const code = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => "",
        (error) => (error instanceof WhimbrelError ? error.code : String(error)),
      );
    await ana.workOrder.create(input("Ana, sent", "ES"));
    const log: unknown[] = [await sync(ana)];
    await ana.workOrder.create(input("Ana, not sent", "ES"));
    log.push(ana.unsent(), await code(ana.switchUser("ben")), await code(ana.wipe()));

    const switching = ana.switchUser("ben", { unsent: "keep" });
    token = "dev-ben";
    const ben = await switching;
    log.push(await sync(ben), await ben.workOrder.count(), ben.unsent());

    // Ana's token again, as an app gives it that is late: it moves nothing of Ben's.
    await ben.workOrder.create(input("Ben", "DE"));
    token = "dev-ana";
    ben.sync.signedIn();
    log.push(await sync(ben), ben.unsent(), await ben.workOrder.count());
    token = "dev-ben";
    ben.sync.signedIn();
    log.push(await sync(ben), ben.unsent());

    const back = ben.switchUser("ana");
    token = "dev-ana";
    const again = await back;
    log.push(again.unsent(), await sync(again), await again.workOrder.count(), again.unsent(), await again.wipe());
    return log;
  });
  expect(seen).toEqual([
    ...["complete", 1, "user/unsent-changes", "user/unsent-changes"],
    ...["complete", 0, 0],
    ...["auth/other-user", 1, 1],
    ...["complete", 0],
    ...[1, "complete", 2, 0, 0],
  ]);
  const titles = async (user: "ana" | "ben") => (await serverRows(server, user, "workOrder")).map(({ fields }) => fields["title"]);
  expect((await titles("ana")).sort()).toEqual(["Ana, not sent", "Ana, sent"]);
  expect(await titles("ben")).toEqual(["Ben"]);
});
