/**
 * The real server, as a process of its own on a database file of its own. It can be killed without a warning and started again on the
 * same port and file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

import { CONFIG, PAGE, ROOT, serverBinary } from "./paths";

/** The first start on an empty file loads all the places. */
const START_SECONDS_MAX = 120;
const POLL_MS = 50;
/** Of what the server says, the end is kept, for when it does not start. */
const SAID_CHARACTERS_MAX = 2_000;

export class SyncServer {
  readonly port: number;
  readonly #database: string;
  readonly #config: string;
  #process: ChildProcess | undefined;
  #said = "";

  private constructor(port: number, database: string, config: string) {
    this.port = port;
    this.#database = database;
    this.#config = config;
  }

  /** With the demo's configuration, or another one. */
  static async start(database: string, config = CONFIG): Promise<SyncServer> {
    const server = new SyncServer(await freePort(), database, config);
    await server.start();
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const listen = `127.0.0.1:${this.port}`;
    const args = ["--config", this.#config, "--static", PAGE, "--listen", listen, "--data", this.#database];
    const child = spawn(serverBinary(), args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    for (const output of [child.stdout, child.stderr]) {
      output.on("data", (data: Buffer) => (this.#said = (this.#said + data.toString()).slice(-SAID_CHARACTERS_MAX)));
    }
    const deadline = Date.now() + START_SECONDS_MAX * 1000;
    while (!(await this.#answers())) {
      if (child.exitCode !== null || Date.now() > deadline) {
        await this.kill();
        throw new Error(`the server did not start; the end of what it said:\n${this.#said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** SIGKILL: no warning, nothing is finished. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM: the server finishes what it is doing and closes its file. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  }

  async #answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.origin}/v1/ping?nonce=start`)).ok;
    } catch {
      return false;
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
