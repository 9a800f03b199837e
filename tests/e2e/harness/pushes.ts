/** What a device has pushed, as the proxy saw it. */
import type { FaultProxy } from "./fault-proxy";

interface PushBody {
  readonly client: string;
  readonly changes: readonly { readonly seq: number; readonly change: string }[];
}

export interface Pushed {
  /** Every change that was sent at least once. */
  readonly changes: ReadonlySet<string>;
  /** Those that were sent more than once. */
  readonly repeated: ReadonlySet<string>;
}

export function pushed(proxy: FaultProxy): Pushed {
  const bodies = proxy.seen.filter(({ path }) => path === "/v1/push").map(({ body }) => JSON.parse(body) as PushBody);
  const sent = bodies.flatMap(({ changes }) => changes.map(({ change }) => change));
  const changes = new Set<string>();
  const repeated = new Set<string>();
  for (const change of sent) (changes.has(change) ? repeated : changes).add(change);
  return { changes, repeated };
}
