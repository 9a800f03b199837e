/** The key of an encrypted database on its way to the engine. */
import { describe, expect, it } from "vitest";

import type { Encryption } from "../../pkg/src/encryption.js";
import { createOpen } from "../../pkg/src/open.js";
import { entity, text } from "../../pkg/src/schema.js";
import { FakeModule } from "./fake-engine.js";
import { codeOf, openRounds } from "./rounds.js";

const entities = { note: entity({ body: text() }) };

async function keyOf(encryption: Encryption | undefined): Promise<CryptoKey | undefined> {
  const module = new FakeModule();
  await createOpen(async () => module)({ name: "a", entities, encryption });
  return module.keys[0];
}

const aes = (length: number, usages: KeyUsage[]): Promise<CryptoKey> =>
  crypto.subtle.generateKey({ name: "AES-GCM", length }, false, usages);

async function derived(passphrase: string): Promise<string> {
  const key = await keyOf({ passphrase });
  if (key === undefined) throw new Error("no key");
  const algorithm = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(16), iterations: 1 };
  const bytes = await crypto.subtle.deriveKey(algorithm, key, { name: "AES-GCM", length: 256 }, true, ["encrypt"]);
  return Buffer.from(await crypto.subtle.exportKey("raw", bytes)).toString("hex");
}

describe("encryption", () => {
  it("is none when it is not asked for", async () => {
    expect(await keyOf(undefined)).toBeUndefined();
  });

  it("crosses as a key from which no passphrase can be read", async () => {
    const key = await keyOf({ passphrase: "correct horse" });
    expect(key).toMatchObject({ algorithm: { name: "PBKDF2" }, extractable: false, usages: ["deriveKey"] });
  });

  it("takes the spellings of one passphrase for one", async () => {
    expect(await derived("Pu\u0308mpe")).toBe(await derived("P\u00fcmpe"));
    expect(await derived("Pümpe")).not.toBe(await derived("Pumpe"));
  });

  it("hands a key over as it is", async () => {
    const key = await aes(256, ["wrapKey", "unwrapKey"]);
    expect(await keyOf({ key })).toBe(key);
  });

  it.each([
    ["nothing", () => ({})],
    ["no object", () => "secret"],
    ["both", async () => ({ passphrase: "a", key: await aes(256, ["wrapKey", "unwrapKey"]) })],
    ["an empty passphrase", () => ({ passphrase: "" })],
    ["half a character", () => ({ passphrase: "\ud800" })],
    ["a number", () => ({ passphrase: 5 })],
    ["no key", () => ({ key: null })],
    ["a key's bytes", () => ({ key: new Uint8Array(32) })],
    ["a short key", async () => ({ key: await aes(128, ["wrapKey", "unwrapKey"]) })],
    ["a key that cannot wrap", async () => ({ key: await aes(256, ["encrypt", "decrypt"]) })],
  ])("refuses %s", async (_, make) => {
    const encryption = (await make()) as never;
    expect(await codeOf(() => keyOf(encryption))).toBe("open/invalid");
    const { db, engine } = await openRounds();
    expect(await codeOf(() => db.changeKey(encryption))).toBe("open/invalid");
    expect(engine.calls).toEqual([]);
  });

  it("is changed by the engine", async () => {
    const { db, engine } = await openRounds();
    const key = await aes(256, ["wrapKey", "unwrapKey"]);
    await db.changeKey({ key });
    expect(engine.calls).toEqual([["changeKey", key]]);
  });
});
