/**
 * Receipts: what the server said to a change. A receipt can be asked for before it arrives, after it has arrived, and after a reload.
 *
 * **Invariant:** whoever asks is answered: with the receipt, or with why there will be none on this page.
 */
import type { Connection } from "./connection.js";
import type { ConfirmedDto } from "./engine.js";
import { toWhimbrelError, type WhimbrelError } from "./errors.js";

interface ReceiptOf<Outcome> {
  readonly outcome: Outcome;
  /** The change's id. */
  readonly change: string;
  /** The record's entity. */
  readonly entity: string;
  /** The record's id. */
  readonly id: string;
}

/**
 * The server's last word on a change. A refusal is an answer, not an error; `unknown` means that the database was closed before there was
 * one, and `db.change(id)` asks again when it is next open.
 */
export type Receipt =
  | Pick<ReceiptOf<"unknown">, "outcome" | "change">
  | (ReceiptOf<"accepted"> & {
      /** The record's version; `null` when it was made and deleted again before it was ever sent. */
      readonly version: number | null;
    })
  /** `discarded`: given up by the user, in a conflict or from the inbox. A conflict or a refusal is not the end: see `db.conflicts`, `db.inbox`. */
  | (ReceiptOf<"conflict" | "rejected" | "discarded"> & {
      /** A stable code of the server's. */
      readonly code: string | null;
      /** The same for people. */
      readonly message: string | null;
    });

interface Asked {
  readonly promise: Promise<Receipt>;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: WhimbrelError) => void;
}

export class Receipts {
  readonly #connection: Connection;
  readonly #asked = new Map<string, Asked>();

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onEnd((why) => {
      for (const [change, asked] of this.#asked) {
        // That the database has ended is not the fault of those who asked, and they may have nobody who catches.
        if (why.blame === "engine") asked.reject(why);
        else asked.resolve({ outcome: "unknown", change });
      }
      this.#asked.clear();
    });
  }

  /** The receipt of a change, as soon as there is one. Nothing is kept: a conflict is not the last word, so each question is the engine's. */
  of(change: string): Promise<Receipt> {
    const asked = this.#asked.get(change);
    if (asked !== undefined) return asked.promise;
    if (this.#connection.end !== null) return Promise.reject(this.#connection.end);
    return this.#ask(change);
  }

  /** Whether somebody has asked for the receipt of a change and was not answered. */
  waits(change: string): boolean {
    return this.#asked.has(change);
  }

  /** A receipt has arrived. */
  arrived(dto: ConfirmedDto): void {
    const receipt = toReceipt(dto);
    this.#asked.get(receipt.change)?.resolve(receipt);
    this.#asked.delete(receipt.change);
  }

  #ask(change: string): Promise<Receipt> {
    let settle: Pick<Asked, "resolve" | "reject"> | undefined;
    const promise = new Promise<Receipt>((resolve, reject) => (settle = { resolve, reject }));
    // First listen, then ask: a receipt that arrives in between is not missed.
    if (settle !== undefined) this.#asked.set(change, { promise, ...settle });
    this.#connection
      .call((engine) => engine.change(change))
      .then(
        (text) => {
          if (text !== undefined) this.arrived(JSON.parse(text) as ConfirmedDto);
        },
        (error: unknown) => {
          this.#asked.get(change)?.reject(toWhimbrelError(error));
          this.#asked.delete(change);
        },
      );
    return promise;
  }
}

/** The engine leaves out what is absent, where its types say `null`; the app sees `null`. */
function toReceipt({ outcome, change, entity, id, version, code, message }: ConfirmedDto): Receipt {
  if (outcome === "accepted") return { outcome, change, entity, id, version: version ?? null };
  return { outcome, change, entity, id, code: code ?? null, message: message ?? null };
}
