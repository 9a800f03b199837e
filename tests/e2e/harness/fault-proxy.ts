/**
 * A proxy in front of the server that does what networks do. A page speaks to nothing else, so what fails here fails for the page and
 * for its service worker alike, which the browser's own switches cannot do.
 *
 * It also answers `/package/…` with the built npm package, so that a test can import it into the page beside the demo.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, type Server, type ServerResponse, createServer, request as httpRequest } from "node:http";
import { join, normalize } from "node:path";
import { gunzipSync } from "node:zlib";

import { type Answer, type Fault, send } from "./faults";
import { PACKAGE } from "./paths";

/** One request of the page that reached the proxy. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: string;
  /** Bytes of the body as it travelled. */
  readonly bytes: number;
}

interface Planned {
  readonly path: string;
  readonly fault: Fault;
  left: number;
}

/** Headers that belong to one connection, and `accept-encoding`: the proxy must be able to read what it breaks. */
const NOT_FORWARDED = new Set(["connection", "keep-alive", "transfer-encoding", "host", "accept-encoding", "content-length"]);

/** How long a server has to keep what came of a torn part before the device asks for it. */
const TORN_REST_MS = 500;

export class FaultProxy {
  readonly seen: Seen[] = [];
  /** Files that this proxy has of its own, by path: a worker, an answer that the test changes. */
  readonly files = new Map<string, { readonly type: string; readonly text: string }>();
  readonly #serverPort: number;
  readonly #server: Server;
  #planned: Planned[] = [];
  #cut = false;
  #torn: { readonly path: string; readonly bytes: number } | undefined;

  private constructor(serverPort: number) {
    this.#serverPort = serverPort;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  static async start(serverPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(serverPort);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get origin(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return `http://127.0.0.1:${address.port}`;
  }

  /** The next `times` requests of that path meet the fault. */
  inject(path: string, fault: Fault, times = 1): void {
    this.#planned.push({ path, fault, left: times });
  }

  /** Ends the faults that are still planned. */
  heal(): void {
    this.#planned = [];
  }

  /** The next request of that path is torn: so many bytes of its body reach the server, then both connections end. */
  tear(path: string, bytes: number): void {
    this.#torn = { path, bytes };
  }

  /** Cuts every connection, those of now and those to come. */
  cut(): void {
    this.#cut = true;
    this.#server.closeAllConnections();
  }

  restore(): void {
    this.#cut = false;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#cut) {
      response.destroy();
      return;
    }
    const body = await readAll(request);
    const { pathname, search } = new URL(request.url ?? "/", this.origin);
    this.seen.push({
      method: request.method ?? "GET",
      path: pathname,
      query: search,
      body: toText(request, body),
      bytes: body.length,
    });
    if (this.#torn?.path === pathname && request.method === "PATCH") {
      const { bytes } = this.#torn;
      this.#torn = undefined;
      await this.#tear(request, body.subarray(0, bytes));
      // The server notices the torn part by itself, and nothing tells when it has kept what came.
      await new Promise((resolve) => setTimeout(resolve, TORN_REST_MS));
      response.destroy();
      return;
    }
    const file = this.files.get(pathname);
    if (file !== undefined) {
      send(response, { status: 200, headers: { "content-type": file.type }, body: Buffer.from(file.text) });
      return;
    }
    if (pathname.startsWith("/package/")) {
      await sendPackageFile(response, pathname.slice("/package/".length));
      return;
    }
    const forward = (): Promise<Answer> => this.#forward(request, body);
    const fault = this.#faultFor(pathname);
    if (fault === undefined) await this.#stream(request, body, response);
    else await fault({ response, forward });
  }

  #faultFor(path: string): Fault | undefined {
    const planned = this.#planned.find((each) => each.left > 0 && each.path === path);
    if (planned === undefined) return undefined;
    planned.left -= 1;
    return planned.fault;
  }

  /** Passes the answer on as it comes. */
  async #stream(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const answer = await this.#ask(request, body);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  }

  async #forward(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const answer = await this.#ask(request, body);
    const headers = { ...answer.headers };
    for (const name of ["transfer-encoding", "content-length", "connection"]) delete headers[name];
    return { status: answer.statusCode ?? 502, headers, body: await readAll(answer) };
  }

  /** Sends the beginning of a body as if all of it were to come, and hangs up when it is on its way. */
  async #tear({ method, url: path, headers }: IncomingMessage, beginning: Buffer): Promise<void> {
    const asked = httpRequest({ host: "127.0.0.1", port: this.#serverPort, method, path, headers, agent: false });
    asked.on("error", () => undefined);
    await new Promise<void>((sent) => asked.write(beginning, () => sent()));
    const ended = once(asked, "close");
    asked.destroy();
    await ended;
  }

  async #ask(request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const entries = Object.entries(request.headers).filter(([name]) => !NOT_FORWARDED.has(name));
    const headers = { ...Object.fromEntries(entries), "content-length": String(body.length) };
    const { method, url: path } = request;
    const asked = httpRequest({ host: "127.0.0.1", port: this.#serverPort, method, path, headers, agent: false });
    asked.end(body);
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    return answer;
  }
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** What a body says, whichever way it travels. */
function toText({ headers }: IncomingMessage, body: Buffer): string {
  return (headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString("utf8");
}

async function sendPackageFile(response: ServerResponse, name: string): Promise<void> {
  const body = await readFile(join(PACKAGE, normalize(`/${name}`)));
  send(response, { status: 200, headers: { "content-type": "text/javascript" }, body });
}
