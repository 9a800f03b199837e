/** The key of an encrypted database: what an app may give, and how it crosses to the engine, always as a `CryptoKey`. */
import { appError, WhimbrelError } from "./errors.js";
import { isWellFormed } from "./guard.js";

/** What opens an encrypted database. */
export type Encryption =
  /** What the user knows. A key is derived from it, which takes a good part of a second. */
  | { readonly passphrase: string; readonly key?: undefined }
  /** A key of AES-GCM with 256 bits and the usages `wrapKey` and `unwrapKey`. It need not be extractable. */
  | { readonly key: CryptoKey; readonly passphrase?: undefined };

/**
 * The key for the engine. A passphrase becomes one of PBKDF2 that nothing can be read from.
 *
 * @throws `open/invalid`, `store/unavailable`
 */
export async function toKey(encryption: Encryption): Promise<CryptoKey> {
  const { passphrase, key } = isObject(encryption) ? encryption : {};
  if ((passphrase === undefined) === (key === undefined)) throw invalid("encryption is { passphrase } or { key }");
  if (key !== undefined) {
    if (!isWrappingKey(key)) throw invalid("encryption.key is a CryptoKey: AES-GCM, 256 bits, wrapKey and unwrapKey");
    return key;
  }
  if (typeof passphrase !== "string" || passphrase === "" || !isWellFormed(passphrase)) {
    throw invalid("encryption.passphrase is text, and not empty");
  }
  if (globalThis.crypto?.subtle === undefined) {
    const message = "encryption needs WebCrypto, which only a secure context has (https)";
    throw new WhimbrelError({ code: "store/unavailable", message, retryable: false, blame: "device" });
  }
  // One passphrase has several spellings in Unicode, and keyboards differ. RFC 8265 takes this one.
  const bytes = new TextEncoder().encode(passphrase.normalize("NFC"));
  return crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveKey"]);
}

/** Also one of another realm, where `instanceof` is no help. */
function isWrappingKey(key: CryptoKey): boolean {
  const { name, length } = (isObject(key) && (key.algorithm as AesKeyAlgorithm | undefined)) || {};
  return (
    name === "AES-GCM" && length === 256 && key.usages.includes("wrapKey") && key.usages.includes("unwrapKey")
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function invalid(message: string): WhimbrelError {
  return appError("open/invalid", message);
}
