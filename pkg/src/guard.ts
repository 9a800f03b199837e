/**
 * The guard: what an app hands over becomes plain JSON here, before anything crosses to the engine.
 *
 * A circular or very deep object would overflow the engine's stack, and every later call with it; `NaN`, dates and class instances
 * would turn into something else without a word. So all that is not plain JSON is refused, with the place where it stands.
 *
 * **Invariant:** iterative; the app's objects cannot overflow any stack.
 * **Invariant:** the result shares nothing with what was given, and each property is read once.
 */
import { appError, type ErrorCode, WhimbrelError } from "./errors.js";

/** Levels of nesting, at most; the same limit as the protocol's. */
export const DEPTH_MAX = 64;

/** Values in one record or query, at most: more cannot fit into a change of 256 KiB. It bounds objects that are shared and not copied. */
export const VALUES_MAX = 131_072;

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** An object or array that is being copied. */
interface Frame {
  readonly source: object;
  readonly target: Json[] | { [key: string]: Json };
  readonly keys: readonly string[];
  readonly path: string;
  next: number;
}

/** Keys that mean something else to JavaScript than a name. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__"]);

/** In a pattern with the `u` flag, only a surrogate without its partner matches. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** What a property that is `undefined` means: that it is not there, or a mistake. */
export type Undefined = "absent" | "refused";

/**
 * A deep copy of `value` as plain JSON. Dates become milliseconds since 1970.
 *
 * @param name what the value is, for error messages.
 * @throws `value/not-json`, `value/cycle`, `value/too-deep`, `value/too-large`, `value/forbidden-key`.
 */
export function toPlainObject(
  value: unknown,
  name: string,
  undefinedIs: Undefined = "absent",
): { [key: string]: Json } {
  try {
    return copyObject(value, name, undefinedIs);
  } catch (thrown) {
    if (thrown instanceof WhimbrelError) throw thrown;
    // A getter or a proxy of the app has thrown.
    throw refusal("value/not-json", name, "cannot be read", { cause: thrown });
  }
}

function copyObject(value: unknown, name: string, undefinedIs: Undefined): { [key: string]: Json } {
  const root = openFrame(value, name);
  if (root === undefined || Array.isArray(root.target)) throw refusal("value/not-json", name, "is not a plain object");
  const copy = root.target;
  const stack: Frame[] = [root];
  const ancestors = new Set<object>([root.source]);
  let values = 0;
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const key = frame.keys[frame.next++];
    if (key === undefined) {
      ancestors.delete(frame.source);
      stack.pop();
      continue;
    }
    if (++values > VALUES_MAX) throw refusal("value/too-large", name, `has more than ${VALUES_MAX} values`);
    const path = Array.isArray(frame.target) ? `${frame.path}[${key}]` : `${frame.path}.${key}`;
    checkKey(key, path);
    const child: unknown = Reflect.get(frame.source, key);
    const scalar = toScalar(child, path);
    if (scalar !== NESTED) {
      // An absent element of an array would silently become null.
      const mayBeAbsent = undefinedIs === "absent" && !Array.isArray(frame.target);
      if (scalar !== undefined) put(frame.target, key, scalar);
      else if (!mayBeAbsent) throw refusal("value/not-json", path, "is undefined, which is not JSON");
      continue;
    }
    if (ancestors.has(child as object)) throw refusal("value/cycle", path, "contains itself");
    if (stack.length >= DEPTH_MAX) throw refusal("value/too-deep", name, `is nested deeper than ${DEPTH_MAX} levels`);
    const nested = openFrame(child, path);
    if (nested === undefined) throw refusal("value/not-json", path, `is ${describe(child)}, which is not JSON`);
    put(frame.target, key, nested.target);
    ancestors.add(nested.source);
    stack.push(nested);
  }
  return copy;
}

/** Whether text has no half surrogate pairs: only then can it be written as UTF-8. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

function checkText(text: string, path: string): void {
  if (!isWellFormed(text))
    throw refusal("value/not-json", path, "is not well-formed Unicode (half of a surrogate pair)");
}

const NESTED = Symbol("nested");

/** A value without parts; `undefined` for an absent one. */
function toScalar(value: unknown, path: string): string | number | boolean | null | undefined | typeof NESTED {
  switch (typeof value) {
    case "string":
      checkText(value, path);
      return value;
    case "number":
      if (!Number.isFinite(value)) throw refusal("value/not-json", path, `is ${value}, which is not JSON`);
      return value;
    case "boolean":
      return value;
    case "undefined":
      return undefined;
    case "object":
      return value === null ? null : (toMilliseconds(value, path) ?? NESTED);
    default:
      throw refusal("value/not-json", path, `is ${describe(value)}, which is not JSON`);
  }
}

/** The time of a `Date`, of this or another realm; `undefined` for anything else. */
function toMilliseconds(value: object, path: string): number | undefined {
  let time: number;
  try {
    time = Date.prototype.getTime.call(value);
  } catch {
    return undefined;
  }
  if (Number.isNaN(time)) throw refusal("value/not-json", path, "is an invalid Date");
  return time;
}

/** Starts the copy of an array or plain object; `undefined` when it is neither. */
function openFrame(value: unknown, path: string): Frame | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value)) {
    // A sparse array of a billion holes is a few bytes: the limit is checked before any of them is visited.
    if (value.length > VALUES_MAX) throw refusal("value/too-large", path, `has more than ${VALUES_MAX} values`);
    return { source: value, target: [], keys: Array.from(value, (_, index) => String(index)), path, next: 0 };
  }
  if (!isPlain(value)) return undefined;
  const symbol = Object.getOwnPropertySymbols(value).find((key) =>
    Object.prototype.propertyIsEnumerable.call(value, key),
  );
  if (symbol !== undefined) throw refusal("value/not-json", path, `has the key ${String(symbol)}, which is not JSON`);
  return { source: value, target: {}, keys: Object.keys(value), path, next: 0 };
}

/** Made by `{}`, `JSON.parse` or `Object.create(null)`, in this or another realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function checkKey(key: string, path: string): void {
  if (FORBIDDEN_KEYS.has(key)) throw refusal("value/forbidden-key", path, "has a key that must not be used as a name");
  checkText(key, path);
}

function put(target: Json[] | { [key: string]: Json }, key: string, value: Json): void {
  if (Array.isArray(target)) target.push(value);
  else target[key] = value;
}

function describe(value: unknown): string {
  switch (typeof value) {
    case "bigint":
      return "a BigInt";
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    case "object":
      return `an object of the class ${className(value)}`;
    default:
      return `a ${typeof value}`;
  }
}

function className(value: object | null): string {
  const { constructor } = value ?? {};
  return typeof constructor === "function" && constructor.name !== "" ? constructor.name : "without a name";
}

function refusal(code: ErrorCode, path: string, text: string, options?: ErrorOptions): WhimbrelError {
  return appError(code, `${path} ${text}`, options);
}
