/** SQLite's own wasm on OPFS, in a worker: a table with two indexes, and a message there and back for every call. */
import { type DueChange, fromValues, type Row, type StatusChange } from "../orders/row";
import { mount } from "../page/mount";
import type { Peer } from "./peer";
import type { Answer, Calls, Question } from "./sqlite-calls";

interface Waiting {
  readonly resolve: (made: unknown) => void;
  readonly reject: (failure: Error) => void;
}

class Sqlite implements Peer {
  readonly form = "columns";
  readonly takesBytes = true;
  readonly #worker = new Worker("/sqlite-worker.js", { type: "module" });
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const waiting = this.#waiting.get(data.number);
      this.#waiting.delete(data.number);
      if ("failure" in data) waiting?.reject(new Error(data.failure));
      else waiting?.resolve(data.made);
    };
  }

  async open(): Promise<void> {
    await this.#ask("open", []);
  }

  /** The bytes move to the worker without a copy. */
  async load(text: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#ask("load", [text], [text.buffer]);
  }

  async get(id: string): Promise<Row | undefined> {
    const values = await this.#ask("get", [id]);
    return values && fromValues(values);
  }

  async firstByDueAt(limit: number): Promise<Row[]> {
    return (await this.#ask("firstByDueAt", [limit])).map(fromValues);
  }

  countOpen(): Promise<number> {
    return this.#ask("countOpen", []);
  }

  sumOfNumbers(): Promise<number> {
    return this.#ask("sumOfNumbers", []);
  }

  async all(): Promise<Row[]> {
    return (await this.#ask("all", [])).map(fromValues);
  }

  setStatus(change: StatusChange): Promise<void> {
    return this.#ask("setStatus", [change]);
  }

  reschedule(changes: readonly DueChange[]): Promise<void> {
    return this.#ask("reschedule", [changes]);
  }

  #ask<Name extends keyof Calls>(call: Name, args: Parameters<Calls[Name]>, moved: Transferable[] = []) {
    type Made = ReturnType<Calls[Name]>;
    const question: Question = { number: ++this.#asked, call, args };
    return new Promise<Made>((resolve, reject) => {
      this.#waiting.set(question.number, { resolve: resolve as Waiting["resolve"], reject });
      this.#worker.postMessage(question, moved);
    });
  }
}

mount(new Sqlite());
