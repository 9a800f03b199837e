import { expect, it } from "vitest";

import { newRecordId } from "../../pkg/src/record-id.js";

it("a record's id is a UUID of version 7 with the time in front", () => {
  // The example of RFC 9562, appendix A.6: 2022-02-22T19:22:22Z.
  expect(newRecordId(0x017f22e279b0)).toMatch(/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(newRecordId(0).startsWith("00000000-0000-7")).toBe(true);
});

it("ids differ, and later ones sort after earlier ones", () => {
  const ids = Array.from({ length: 1_000 }, (_, ms) => newRecordId(1_700_000_000_000 + ms));
  expect(new Set(ids).size).toBe(ids.length);
  expect([...ids].sort()).toEqual(ids);
  expect(newRecordId(5)).not.toBe(newRecordId(5));
});
