/** A static server on loopback: one page, one script. It lives as long as the run, because its port is part of the database's origin. */
import { build } from "esbuild";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { KILL } from "./paths";

const PAGE = '<!doctype html><meta charset="utf-8"><title>kill</title><script type="module" src="/page.js"></script>';

export class Site {
  readonly origin: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Serves a page with the script `NAME.ts` and the built package in it. */
  static async start(name: string, folder: string = join(KILL, "page")): Promise<Site> {
    const { outputFiles } = await build({
      entryPoints: [join(folder, `${name}.ts`)],
      outdir: join(KILL, "dist/page"),
      bundle: true,
      write: false,
      format: "esm",
      target: "es2022",
      logLevel: "warning",
    });
    const script = outputFiles[0]?.contents;
    const server = createServer((request, response) => {
      const isScript = request.url === "/page.js";
      const isPage = request.url === "/";
      response.writeHead(isScript || isPage ? 200 : 404, { "Content-Type": `text/${isScript ? "javascript" : "html"}; charset=utf-8` });
      response.end(isScript ? script : isPage ? PAGE : "");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Site(server);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}
