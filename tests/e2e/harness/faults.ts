/**
 * What can go wrong between a page and its server. A fault handles one exchange in the proxy's place; where it lets the server answer,
 * it does so through `exchange.forward()`.
 */
import type { IncomingHttpHeaders, ServerResponse } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Exchange {
  readonly response: ServerResponse;
  /** Sends the request to the server and waits for the whole answer, decompressed. Fails when the server goes away. */
  readonly forward: () => Promise<Answer>;
}

export type Fault = (exchange: Exchange) => Promise<void> | void;

/** The request never arrives. */
export const cutBefore: Fault = ({ response }) => void response.destroy();

/** The server has answered, so what it did is durable; the answer is lost. */
export const cutAfter: Fault = async ({ response, forward }) => {
  await forward();
  response.destroy();
};

/** Something happens while the server is at work on the request; its answer, if there is one, is lost. */
export const during = (happening: () => Promise<void>): Fault => async ({ response, forward }) => {
  const answer = forward().catch(() => undefined);
  await happening();
  await answer;
  response.destroy();
};

/** The request waits on its way to the server until something has happened. */
export const held = (happening: Promise<void>): Fault => async ({ response, forward }) => {
  await happening;
  send(response, await forward());
};

/** The first half of the answer's lines comes at once, the rest when something has happened. */
export const halfway = (happening: Promise<void>): Fault => async ({ response, forward }) => {
  const { status, headers, body } = await forward();
  const lines = body.toString("utf8").split("\n");
  const half = Math.floor(lines.length / 2);
  response.writeHead(status, headers).write(`${lines.slice(0, half).join("\n")}\n`);
  await happening;
  response.end(lines.slice(half).join("\n"));
};

/** Somebody answers in the server's place. */
export const answer = (status: number, headers: Record<string, string>, body = ""): Fault => ({ response }) => {
  response.writeHead(status, headers).end(body);
};

export const failing: Fault = answer(500, { "content-type": "text/plain" }, "out of order");

export const busy = (seconds: number): Fault => answer(429, { "retry-after": String(seconds) });

/** The sign-in page of a hotel. */
export const signInPage: Fault = answer(200, { "content-type": "text/html" }, "<!doctype html><title>Welcome</title>");

export const signInRedirect: Fault = answer(302, { location: "/welcome.html" });

/** The server's answer with its text changed. */
export const rewritten = (rewrite: (text: string) => string): Fault => async ({ response, forward }) => {
  const answer = await forward();
  send(response, { ...answer, body: Buffer.from(rewrite(answer.body.toString("utf8"))) });
};

/** Only the beginning of the answer: so many lines, and half of the next. */
export const truncated = (lines: number): Fault =>
  rewritten((text) => {
    const all = text.split("\n");
    const next = all[lines] ?? "";
    return [...all.slice(0, lines), next.slice(0, next.length / 2)].join("\n");
  });

export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(body);
}
