/** The line in the footer that says what is on this device, and of when it is. */
import { timeOfDay } from "./dates";
import { byId, setText } from "./element";
import type { Rounds } from "./rounds";

const numbers = new Intl.NumberFormat("en-GB");

const count = (number: number, one: string): string => `${numbers.format(number)} ${one}${number === 1 ? "" : "s"}`;

export function mountDeviceNote(db: Rounds, signal: AbortSignal): void {
  const show = async (lastSuccess: Date | null): Promise<void> => {
    const [places, orders] = await Promise.all([db.place.count(), db.workOrder.count()]);
    if (signal.aborted) return;
    const counts = `On this device: ${count(places, "place")}, ${count(orders, "work order")}.`;
    const last = lastSuccess === null ? "" : ` Last sync ${timeOfDay(lastSuccess, new Date())}.`;
    setText(byId("device"), counts + last);
  };
  // The counts change when something was written here, which the server then waits for, or when a sync is through.
  let seen = "";
  const follow = db.sync.subscribe(({ pending, lastSuccess }) => {
    const now = `${pending} ${lastSuccess?.getTime()}`;
    if (now === seen) return;
    seen = now;
    void show(lastSuccess);
  });
  signal.addEventListener("abort", follow);
}
