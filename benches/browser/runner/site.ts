/** The loopback server: a page per peer, its files, and the texts. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

interface File {
  readonly type: string;
  readonly body: Uint8Array | string;
  readonly cache: string;
}

/** As an app's files, whose names change with their contents. */
const FOR_EVER = "public, max-age=31536000, immutable";
/** The page itself is asked for every time; a text is read once. */
const NEVER = "no-store";
const UTF_8 = "charset=utf-8";

export class Site {
  readonly origin: string;
  readonly #server: Server;
  readonly #files: Map<string, File>;

  private constructor(server: Server, files: Map<string, File>) {
    this.#server = server;
    this.#files = files;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(bundle: ReadonlyMap<string, Uint8Array>): Promise<Site> {
    const files = new Map<string, File>();
    for (const [name, body] of bundle) {
      if (name.endsWith(".wasm")) {
        files.set(`/${name}`, { type: "application/wasm", body, cache: FOR_EVER });
        continue;
      }
      files.set(`/${name}`, { type: `text/javascript; ${UTF_8}`, body, cache: FOR_EVER });
      const page = `<!doctype html><meta charset="utf-8"><title>bench</title><script type="module" src="/${name}"></script>`;
      files.set(`/${name.replace(/\.js$/, ".html")}`, { type: `text/html; ${UTF_8}`, body: page, cache: NEVER });
    }
    const server = createServer((request, response) => answer(files, request, response)).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Site(server, files);
  }

  /** Serves a text at a path from now on. */
  put(path: string, text: string): void {
    this.#files.set(path, { type: `text/plain; ${UTF_8}`, body: Buffer.from(text), cache: NEVER });
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

function answer(files: ReadonlyMap<string, File>, request: IncomingMessage, response: ServerResponse): void {
  const file = files.get(new URL(request.url ?? "/", "http://bench").pathname);
  if (file === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "Content-Type": file.type,
    "Cache-Control": file.cache,
    // An isolated page has a clock of 5 µs; another one of 100 µs, which is too coarse for the queries.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  });
  response.end(file.body);
}
