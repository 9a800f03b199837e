/** Ids of records: UUID version 7 (RFC 9562), so that records made one after the other stand together in the store. */

/**
 * The id of a record that stands for a pair of others: both ids with `~` between them. Those signs in them that would make another pair of it are
 * written otherwise, so no two pairs share an id.
 */
export function pairId(first: string, second: string): string {
  return [first, second].map((id) => id.replaceAll("%", "%25").replaceAll("~", "%7E")).join("~");
}

/** Milliseconds since 1970 in the first 48 bits, then version, variant and randomness. */
export function newRecordId(now: number = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(now / 2 ** 32));
  view.setUint32(2, now % 2 ** 32);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x70);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
