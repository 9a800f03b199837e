/** The places on this device, ready to be searched; read when first needed, and again after a sync has brought something. */
import { PlaceSearch } from "./place-search";
import type { Rounds } from "./rounds";

export function placeSearch(db: Rounds, signal: AbortSignal): () => Promise<PlaceSearch> {
  let ready: Promise<PlaceSearch> | undefined;
  const forget = (): void => {
    ready = undefined;
  };
  const stop = db.sync.on("complete", ({ pulled }) => {
    if (pulled > 0) forget();
  });
  signal.addEventListener("abort", stop);
  const read = async (): Promise<PlaceSearch> => {
    return new PlaceSearch(await db.place.query());
  };
  return () => {
    ready ??= read();
    // A failure is told to whoever asked, and not kept.
    ready.catch(forget);
    return ready;
  };
}
