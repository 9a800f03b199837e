/** Local writes: what comes back to the app, and the one place where they go to the engine. */
import { adviseOnSize } from "./advice.js";
import type { Caller } from "./connection.js";
import type { WriteDto, WrittenDto } from "./engine.js";
import type { Receipt, Receipts } from "./receipts.js";

/** A change that is on its way to the server. */
export interface Change {
  /** The change's id (UUID version 7). `db.change(id)` finds it again, also after a reload. */
  readonly change: string;
  /** The server's answer; asked for only when it is read. */
  readonly confirmed: Promise<Receipt>;
}

/** A change that this page has written. */
export interface Write extends Change {
  /** The record's entity. */
  readonly entity: string;
  /** The record's id. */
  readonly id: string;
  /** Kept: the change is on the device. It always is once you have a `Write`. */
  readonly saved: Promise<void>;
}

/** A new record and its write. A field of the record that has one of the write's names stands for itself. */
export type Created<R> = R & Omit<Omit<Write, "id" | "entity">, keyof R>;

/** Writes to the engine: all of `writes` or none. */
export class Writer {
  readonly #caller: Caller;
  readonly #receipts: Receipts;
  readonly #checkSaved: () => void;

  /** @param checkSaved throws while what was written is not saved. */
  constructor(caller: Caller, receipts: Receipts, checkSaved: () => void = () => {}) {
    this.#caller = caller;
    this.#receipts = receipts;
    this.#checkSaved = checkSaved;
  }

  async write(writes: readonly WriteDto[]): Promise<Write[]> {
    const text = JSON.stringify(writes);
    for (const { entity } of writes) adviseOnSize(entity, text.length / writes.length);
    return this.written(await this.#caller.call((engine) => engine.write(text)));
  }

  /** The engine's `WrittenDto[]`, as the app gets it. */
  written(text: string): Write[] {
    return (JSON.parse(text) as WrittenDto[]).map((dto) => this.#toWrite(dto));
  }

  async writeOne(write: WriteDto): Promise<Write> {
    const [written] = await this.write([write]);
    if (written === undefined) throw new TypeError("one write has one answer");
    return written;
  }

  /** A change by its id. */
  change(change: string): Change {
    return beside({ change }, { confirmed: () => this.#receipts.of(change) });
  }

  #toWrite({ change, entity, id }: WrittenDto): Write {
    const saved = Promise.resolve();
    const afterwards =
      <T>(get: () => T) =>
      (): T => {
        this.#checkSaved();
        return get();
      };
    return beside(
      { change, entity, id },
      { saved: afterwards(() => saved), confirmed: afterwards(() => this.#receipts.of(change)) },
    );
  }
}

/** Puts a write beside the fields of its record. */
export function withWrite<R extends object>(record: R, write: Write): Created<R> {
  return beside(record, { change: () => write.change, saved: () => write.saved, confirmed: () => write.confirmed });
}

/**
 * Puts more onto an object, unseen by `JSON.stringify`, spread, `structuredClone` and comparisons: those see plain data, and ask for no
 * receipt. What the object has itself stands.
 */
function beside<Made>(target: object, more: { readonly [name: string]: () => unknown }): Made {
  for (const [name, get] of Object.entries(more)) {
    if (!(name in target)) Object.defineProperty(target, name, { get, enumerable: false });
  }
  return target as Made;
}
