/** The line in the footer that says what is on this device. */
import { byId, setText } from "./element";
import type { Rounds } from "./rounds";

const numbers = new Intl.NumberFormat("en-GB");

export function mountDeviceNote(db: Rounds, signal: AbortSignal): void {
  const show = async (): Promise<void> => {
    const [places, orders] = await Promise.all([db.place.count(), db.workOrder.count()]);
    if (signal.aborted) return;
    const words = `On this device: ${numbers.format(places)} places, ${numbers.format(orders)} work orders.`;
    setText(byId("device"), words);
  };
  // The counts change when something was written here, which the server then waits for, or when a sync is through.
  let seen = "";
  const follow = db.sync.subscribe(({ pending, lastSuccess }) => {
    const now = `${pending} ${lastSuccess?.getTime()}`;
    if (now === seen) return;
    seen = now;
    void show();
  });
  signal.addEventListener("abort", follow);
}
