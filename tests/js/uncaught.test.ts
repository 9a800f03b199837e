import { describe, expect, it } from "vitest";

import { Health } from "../../pkg/src/health.js";
import { watchUncaught } from "../../pkg/src/uncaught.js";

/** The smallest module that calls out, and the smallest that crashes, in one: `(func (call $out))` and `(func unreachable)`. */
const BYTES = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0],
  ...[1, 4, 1, 96, 0, 0],
  ...[2, 9, 1, 1, 101, 3, 111, 117, 116, 0, 0],
  ...[3, 3, 2, 0, 0],
  ...[7, 15, 2, 4, 99, 97, 108, 108, 0, 1, 4, 102, 97, 105, 108, 0, 2],
  ...[10, 10, 2, 4, 0, 16, 0, 11, 3, 0, 0, 11],
);

/** A custom section makes the same code another module. */
const OTHER_BYTES = Uint8Array.of(...BYTES, 0, 2, 1, 120);

interface Exports {
  readonly call: () => void;
  readonly fail: () => void;
}

async function load(bytes: Uint8Array<ArrayBuffer>, out: () => void): Promise<Exports> {
  const { instance } = await WebAssembly.instantiate(bytes, { e: { out } });
  return instance.exports as unknown as Exports;
}

function thrownBy(work: () => void): unknown {
  try {
    work();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

const errorEvent = (error: unknown) => Object.assign(new Event("error"), { error });
const rejectionEvent = (reason: unknown) => Object.assign(new Event("unhandledrejection"), { reason });

async function page() {
  const [events, health] = [new EventTarget(), new Health()];
  const ours = await load(BYTES, watchUncaught(health, events));
  const other = await load(OTHER_BYTES, () => {});
  return { events, health, ours, other };
}

describe("a crash that no call sees", () => {
  it.each([
    ["error", errorEvent],
    ["unhandledrejection", rejectionEvent],
  ])("is noticed by the page's event %s", async (_, event) => {
    const { events, health, ours } = await page();
    ours.call();
    events.dispatchEvent(event(thrownBy(ours.fail)));
    expect(health.trap).toMatchObject({ code: "engine/internal" });
  });

  it("of other code is not ours", async () => {
    const { events, health, ours, other } = await page();
    ours.call();
    events.dispatchEvent(errorEvent(thrownBy(other.fail)));
    events.dispatchEvent(errorEvent(new TypeError("of the app")));
    events.dispatchEvent(errorEvent(undefined));
    events.dispatchEvent(rejectionEvent("of the app"));
    expect(health.trap).toBeNull();
  });

  it("is nobody's until it is known where the engine is", async () => {
    const { events, health, ours, other } = await page();
    events.dispatchEvent(errorEvent(thrownBy(other.fail)));
    events.dispatchEvent(errorEvent(thrownBy(ours.fail)));
    expect(health.trap).toBeNull();
  });

  it("needs no events: a server has none", () => {
    expect(() => watchUncaught(new Health(), {})).not.toThrow();
  });
});
