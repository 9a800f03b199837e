/** One tab at a time, where the browser can say so. Nothing's correctness rests on it: it keeps tabs from doing the same work twice. */
export async function exclusive<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  return locks === undefined ? work() : ((await locks.request(name, { signal }, work)) as T);
}
