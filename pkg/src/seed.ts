/** What `db.load` takes: a pull answer (NDJSON) from a file, in whatever form the app has it. */
import { appError, WhimbrelError } from "./errors.js";

export type Lines = string | Uint8Array | ArrayBuffer | ReadableStream<Uint8Array>;

/**
 * The whole input as bytes. They are decoded in the engine: rows of a load never become JavaScript objects.
 *
 * @throws `value/type`, `load/failed`
 */
export async function toBytes(lines: Lines): Promise<Uint8Array> {
  if (typeof lines === "string") return new TextEncoder().encode(lines);
  if (lines instanceof Uint8Array) return lines;
  if (lines instanceof ArrayBuffer) return new Uint8Array(lines);
  if (lines instanceof ReadableStream) return readAll(lines);
  throw wrongType();
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  try {
    const chunks: Uint8Array[] = [];
    const reader = stream.getReader();
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      if (!(step.value instanceof Uint8Array)) {
        void reader.cancel().catch(() => {});
        throw wrongType();
      }
      chunks.push(step.value);
    }
    return concatenate(chunks);
  } catch (cause) {
    if (cause instanceof WhimbrelError) throw cause;
    const message = "the stream that load() reads has failed; nothing was loaded";
    throw new WhimbrelError({ code: "load/failed", message, retryable: true, blame: "network" }, { cause });
  }
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  return all;
}

function wrongType(): WhimbrelError {
  return appError("value/type", "load() takes text, bytes or a stream of bytes");
}
