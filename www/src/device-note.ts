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
  signal.addEventListener("abort", db.sync.on("complete", () => void show()));
  void show();
}
