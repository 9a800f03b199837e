/** Exports and imports: streams of lines (NDJSON), piece by piece as the other side asks for them. */
import type { Connection } from "./connection.js";
import { appError, WhimbrelError } from "./errors.js";
import type { Lines } from "./seed.js";

/** What an import came to. */
export interface Imported {
  /** Whether it was an export of a whole database. */
  readonly whole: boolean;
  /** Records that were stored: of a whole database. */
  readonly records: number;
  /** Changes that wait now. */
  readonly changes: number;
  /** Changes that lie in the inbox now. */
  readonly refused: number;
  /** Changes that were here already. */
  readonly skipped: number;
}

/** Bytes that are handed over at once. */
const PIECE_BYTES = 256 * 1024;

/** An export. Nothing is read before somebody asks. */
export function exportStream(connection: Connection, whole: boolean): ReadableStream<Uint8Array> {
  let transfer: number | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const number = (transfer ??= connection.callNow((engine) => engine.beginExport(whole)));
        const piece = await connection.call((engine) => engine.exportNext(number));
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
      cancel: () => (transfer === undefined ? undefined : endTransfer(connection, transfer)),
    },
    { highWaterMark: 0 },
  );
}

/**
 * An import. Whatever fails, the database is as it was before.
 *
 * @throws `import/…`, `value/type`, `store/…`
 */
export async function importLines(connection: Connection, lines: Lines | Blob): Promise<Imported> {
  const reader = toStream(lines).getReader();
  const transfer = connection.callNow((engine) => engine.beginImport());
  try {
    for (let step = await read(reader); !step.done; step = await read(reader)) {
      for (let at = 0; at < step.value.length; at += PIECE_BYTES) {
        const piece = step.value.subarray(at, at + PIECE_BYTES);
        await connection.call((engine) => engine.importNext(transfer, piece));
      }
    }
    return JSON.parse(await connection.call((engine) => engine.importEnd(transfer))) as Imported;
  } catch (thrown) {
    void reader.cancel(thrown).catch(() => {});
    await endTransfer(connection, transfer);
    throw thrown;
  }
}

/** Leaving is never an error: whoever is interested in one has been told. */
function endTransfer(connection: Connection, transfer: number): Promise<void> {
  return connection.call((engine) => engine.endTransfer(transfer)).catch(() => {});
}

type Step = { readonly done: true } | { readonly done: false; readonly value: Uint8Array };

async function read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Step> {
  let step: ReadableStreamReadResult<Uint8Array>;
  try {
    step = await reader.read();
  } catch (cause) {
    const message = "the stream that import() reads has failed; nothing was imported";
    throw new WhimbrelError({ code: "import/failed", message, retryable: true, blame: "app" }, { cause });
  }
  if (step.done) return { done: true };
  if (!(step.value instanceof Uint8Array)) throw wrongType();
  return { done: false, value: step.value };
}

function toStream(lines: Lines | Blob): ReadableStream<Uint8Array> {
  if (lines instanceof ReadableStream) return lines;
  if (lines instanceof Blob) return lines.stream();
  if (typeof lines === "string" || lines instanceof Uint8Array || lines instanceof ArrayBuffer) {
    return new Blob([lines as BlobPart]).stream();
  }
  throw wrongType();
}

function wrongType(): WhimbrelError {
  return appError("value/type", "import() takes text, bytes, a file or a stream of bytes");
}
