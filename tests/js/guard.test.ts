import { describe, expect, it } from "vitest";
import { runInNewContext } from "node:vm";

import { DEPTH_MAX, toPlainObject, VALUES_MAX } from "../../pkg/src/guard.js";
import { WhimbrelError } from "../../pkg/src/errors.js";

/** What the guard says: the code and the text. */
function refusal(value: unknown): string {
  try {
    toPlainObject(value, "order");
  } catch (thrown) {
    if (thrown instanceof WhimbrelError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  return "taken";
}

/** `levels` objects inside each other; the outermost is the first level. */
function nested(levels: number): object {
  let value: object = {};
  for (let level = 1; level < levels; level++) value = { a: value };
  return value;
}

const circular: Record<string, unknown> = {};
circular["b"] = [{ c: circular }];

const circularArray: unknown[] = [];
circularArray.push(circularArray);

const revoked = Proxy.revocable({}, {});
revoked.revoke();

const throwing = {
  get a(): never {
    throw new Error("from the getter");
  },
};

class Money {
  amount = 5;
}

describe("the guard refuses", () => {
  it.each<[string, unknown, string]>([
    ["NaN", { a: Number.NaN }, "value/not-json: order.a is NaN, which is not JSON"],
    ["Infinity", { a: [1, Number.POSITIVE_INFINITY] }, "value/not-json: order.a[1] is Infinity, which is not JSON"],
    ["a BigInt", { a: 5n }, "value/not-json: order.a is a BigInt, which is not JSON"],
    ["a function", { a: () => 1 }, "value/not-json: order.a is a function, which is not JSON"],
    ["a symbol", { a: Symbol("s") }, "value/not-json: order.a is a symbol, which is not JSON"],
    ["a key that is a symbol", { [Symbol("s")]: 1 }, "value/not-json: order has the key Symbol(s), which is not JSON"],
    [
      "a class instance",
      { a: new Money() },
      "value/not-json: order.a is an object of the class Money, which is not JSON",
    ],
    ["a Map", { a: new Map() }, "value/not-json: order.a is an object of the class Map, which is not JSON"],
    [
      "a typed array",
      { a: new Uint8Array(2) },
      "value/not-json: order.a is an object of the class Uint8Array, which is not JSON",
    ],
    [
      "a promise",
      { a: Promise.resolve() },
      "value/not-json: order.a is an object of the class Promise, which is not JSON",
    ],
    [
      "a boxed text",
      { a: new String("x") },
      "value/not-json: order.a is an object of the class String, which is not JSON",
    ],
    ["an invalid Date", { a: new Date("x") }, "value/not-json: order.a is an invalid Date"],
    ["undefined in an array", { a: [undefined] }, "value/not-json: order.a[0] is undefined, which is not JSON"],
    ["a hole in an array", { a: new Array(1) }, "value/not-json: order.a[0] is undefined, which is not JSON"],
    [
      "half of a surrogate pair",
      { a: "x\ud800" },
      "value/not-json: order.a is not well-formed Unicode (half of a surrogate pair)",
    ],
    [
      "the same in a key",
      { "\udc00": 1 },
      "value/not-json: order.\udc00 is not well-formed Unicode (half of a surrogate pair)",
    ],
    ["an object in itself", circular, "value/cycle: order.b[0].c contains itself"],
    ["an array in itself", { a: circularArray }, "value/cycle: order.a[0] contains itself"],
    [
      "__proto__ from JSON.parse",
      JSON.parse('{"__proto__": {"admin": true}}'),
      "value/forbidden-key: order.__proto__ has a key that must not be used as a name",
    ],
    [
      "__proto__ further in",
      { a: [JSON.parse('{"__proto__": 1}')] },
      "value/forbidden-key: order.a[0].__proto__ has a key that must not be used as a name",
    ],
    [
      "a foreign prototype",
      { a: { __proto__: { admin: true } } },
      "value/not-json: order.a is an object of the class Object, which is not JSON",
    ],
    ["one level too many", nested(DEPTH_MAX + 1), "value/too-deep: order is nested deeper than 64 levels"],
    ["100,000 levels", nested(100_000), "value/too-deep: order is nested deeper than 64 levels"],
    [
      "a very long sparse array",
      { a: new Array(4_000_000_000) },
      `value/too-large: order.a has more than ${VALUES_MAX} values`,
    ],
    ["a getter that throws", throwing, "value/not-json: order cannot be read"],
    ["a revoked proxy", { a: revoked.proxy }, "value/not-json: order cannot be read"],
    ["an array", [], "value/not-json: order is not a plain object"],
    ["nothing", undefined, "value/not-json: order is not a plain object"],
    ["null", null, "value/not-json: order is not a plain object"],
    ["a text", "order", "value/not-json: order is not a plain object"],
    ["a Date", new Date(0), "value/not-json: order is not a plain object"],
  ])("%s", (_, value, expected) => {
    expect(refusal(value)).toBe(expected);
  });

  it("objects that are shared until they are too large, without visiting them all", () => {
    let value: unknown = "x";
    for (let level = 0; level < 60; level++) value = [value, value];
    expect(refusal({ a: value })).toBe(`value/too-large: order has more than ${VALUES_MAX} values`);
  });

  it("an undefined where that would be a mistake", () => {
    expect(() => toPlainObject({ a: undefined }, "where", "refused")).toThrow(
      "where.a is undefined, which is not JSON",
    );
  });
});

describe("the guard takes", () => {
  it.each<[string, unknown, unknown]>([
    ["plain values", { a: "x", b: 1.5, c: true, d: null, e: "😀" }, { a: "x", b: 1.5, c: true, d: null, e: "😀" }],
    ["undefined as absent", { a: undefined, b: 1 }, { b: 1 }],
    ["dates as milliseconds", { a: new Date(5), b: [new Date(-1)] }, { a: 5, b: [-1] }],
    ["dates of another realm", { a: runInNewContext("new Date(7)") }, { a: 7 }],
    ["objects of another realm", runInNewContext("({ a: [{ b: 1 }] })"), { a: [{ b: 1 }] }],
    ["objects without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ["an object twice", ((shared) => ({ a: shared, b: [shared] }))({ x: 1 }), { a: { x: 1 }, b: [{ x: 1 }] }],
    ["proxies of plain objects", new Proxy({ a: new Proxy([1], {}) }, {}), { a: [1] }],
    [
      "names that only look dangerous",
      { constructor: 1, prototype: 2, toJSON: "x" },
      { constructor: 1, prototype: 2, toJSON: "x" },
    ],
  ])("%s", (_, value, expected) => {
    expect(JSON.stringify(toPlainObject(value, "order"))).toBe(JSON.stringify(expected));
  });

  it("64 levels", () => {
    expect(JSON.stringify(toPlainObject(nested(DEPTH_MAX), "order"))).toBe(JSON.stringify(nested(DEPTH_MAX)));
  });

  it("a copy: what the app changes afterwards changes nothing", () => {
    const given = { a: [{ b: 1 }] };
    const copy = toPlainObject(given, "order");
    given.a.push({ b: 2 });
    expect(copy).toEqual({ a: [{ b: 1 }] });
  });

  it("each property once", () => {
    let reads = 0;
    const given = {
      get a(): number {
        return ++reads;
      },
    };
    expect(toPlainObject(given, "order")).toEqual({ a: 1 });
    expect(reads).toBe(1);
  });
});

/** Numbers that follow from a seed (xorshift), so that a failure can be run again. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function anyJson(random: (below: number) => number, depth: number): unknown {
  const length = random(4);
  switch (random(depth > 5 ? 4 : 6)) {
    case 0:
      return ["", "x", "ünï😀", '\u0000\n"\\', "a".repeat(50)][random(5)];
    case 1:
      return [0, -0, 1.5, -1e308, Number.MAX_SAFE_INTEGER, 5e-324][random(6)];
    case 2:
      return random(2) === 0;
    case 3:
      return null;
    case 4:
      return Array.from({ length }, () => anyJson(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length }, (_, key) => [`${"k".repeat(random(3))}${key}`, anyJson(random, depth + 1)]),
      );
  }
}

/** Puts `poison` somewhere into a tree; `false` when there is no object or array to put it into. */
function poisonSomewhere(random: (below: number) => number, value: unknown, poison: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const inside = Object.values(value).filter((part) => typeof part === "object" && part !== null);
  const part = inside[random(inside.length + 1)];
  if (part !== undefined) return poisonSomewhere(random, part, poison);
  if (Array.isArray(value)) value.push(poison);
  else Object.assign(value, { poison });
  return true;
}

describe("for any JSON", () => {
  const seeds = Array.from({ length: 500 }, (_, seed) => seed + 1);

  it("the copy says the same as JSON itself", () => {
    for (const seed of seeds) {
      const value = { root: anyJson(seeded(seed), 0) };
      expect(JSON.stringify(toPlainObject(value, "order")), `seed ${seed}`).toBe(JSON.stringify(value));
    }
  });

  it("one wrong value anywhere is found", () => {
    const poisons: unknown[] = [
      Number.NaN,
      1n,
      () => 1,
      Symbol("s"),
      new Map(),
      new Date(Number.NaN),
      "\ud800",
      JSON.parse('{"__proto__":1}'),
    ];
    for (const seed of seeds) {
      const random = seeded(seed);
      const value = { root: anyJson(random, 0) };
      poisonSomewhere(random, value, poisons[random(poisons.length)]);
      expect(refusal(value), `seed ${seed}`).toMatch(/^value\/(not-json|forbidden-key): order/);
    }
  });
});
