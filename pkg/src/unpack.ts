/** From the text that stands in a script to the bytes of a WebAssembly module. */

/** Unpacks gzip that is written as base64. */
export function unpack(text: string): Promise<ArrayBuffer> {
  return gunzip(decodeBase64(text));
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  // New enough browsers do it themselves, which saves a cold start a loop over the whole engine.
  const native = Uint8Array as { fromBase64?(text: string): Uint8Array<ArrayBuffer> };
  if (native.fromBase64 !== undefined) return native.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const { readable, writable } = new DecompressionStream("gzip");
  const writer = writable.getWriter();
  // Whoever reads is told what fails. A blob's stream would take the bytes through another process.
  writer.write(bytes).catch(() => undefined);
  writer.close().catch(() => undefined);
  return new Response(readable).arrayBuffer();
}
