/** Addresses: the hash of a content, so the same content has the same address on every device. */
import { failure } from "../attachment-failures.js";

/** Bytes of an attachment, at most; the server may allow less. */
export const BYTES_MAX = 256 * 1024 * 1024;

const ADDRESS = /^sha256-[0-9a-f]{64}$/;

export async function addressOf(content: Blob): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw failure("engine/unavailable", "attachments need WebCrypto, which browsers have on secure origins only", "device");
  }
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await content.arrayBuffer()));
  return `sha256-${Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

export function checkAddress(address: unknown): asserts address is string {
  if (typeof address !== "string" || !ADDRESS.test(address)) {
    throw failure("attachment/address", "an address is what `add` has given: sha256- and 64 hexadecimal digits", "app");
  }
}
