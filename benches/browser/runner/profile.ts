/**
 * Where the time goes: Chromium's processor profiler around each measure, and for a cold start the storage calls with their times.
 * `cargo xtask bench --profile`; the engine is then built with the names of its functions.
 */
import { SORTED_ROWS, type Plan } from "../orders/plan";
import { toHash } from "../page/commands";
import { Device, type Visit } from "./device";
import { type CpuProfile, heaviest } from "./heaviest";
import type { Work } from "./round";

/** Does each measure of a peer once, under the profiler. The times are longer than without; what a line has of the whole is not. */
export async function profileRound({ origin, peer, plan }: Work): Promise<void> {
  const device = await Device.start();
  const address = `${origin}/${peer}.html`;
  const say: Say = (what, lines) => console.log(`\n${peer}, ${plan.rows} rows, ${what}\n${lines.join("\n")}`);
  const profiled = async (page: Visit, what: string, work: () => Promise<unknown>): Promise<void> => {
    const stop = await page.profile();
    await work();
    say(what, heaviest(await stop()));
  };
  try {
    await device.visit(address, (page) => profiled(page, "load", () => page.ask("load")));
    await coldStarts(device, address, plan, say);
    await device.visit(address, async (page) => {
      // Answers when the database is open.
      await page.ask("countOpen");
      await profiled(page, "gets", () => page.ask("gets", plan.getIds));
      await profiled(page, "serial_writes", () => page.ask("serialWrites", plan.serialWrites));
      await profiled(page, "batch_update", () => page.ask("batchUpdate", plan.batch));
    });
  } finally {
    await device.stop();
  }
}

type Say = (what: string, lines: readonly string[]) => void;

async function coldStarts(device: Device, address: string, plan: Plan, say: Say): Promise<void> {
  const [id = ""] = plan.coldIds;
  // The first ones fill the browser's caches.
  for (const question of [{ get: id }, { get: id }, { get: id }, { sorted: SORTED_ROWS }]) {
    const url = address + toHash(question);
    const what = "get" in question ? "cold_start" : "first_sorted";
    await device.visit(
      url,
      async (page) => {
        const { ms } = await page.ask("cold");
        say(`${what}: ${ms.toFixed(1)} ms; ms from the navigation`, await page.steps());
      },
      (page) => page.noteSteps(),
    );
    let stop: (() => Promise<CpuProfile>) | undefined;
    await device.visit(
      url,
      async (page) => {
        await page.ask("cold");
        say(what, heaviest((await stop?.()) ?? { nodes: [] }));
      },
      async (page) => {
        stop = await page.profile();
      },
    );
  }
}
