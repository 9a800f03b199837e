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

/** Large enough that the turns cost nothing, small enough that the page stays responsive. */
const PIECE_BYTES = 256 * 1024;

/**
 * Gives the bytes piece by piece, each in a turn of the event loop of its own; `undefined` at the end. A message is a turn that is not slowed down
 * in a page nobody sees, as timers are.
 */
export function inPieces(bytes: Uint8Array): () => Promise<Uint8Array | undefined> {
  let start = 0;
  return async () => {
    if (start >= bytes.length) return undefined;
    await turn();
    const piece = bytes.subarray(start, start + PIECE_BYTES);
    start += PIECE_BYTES;
    return piece;
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
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
