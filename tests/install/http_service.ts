// A web server on a free port of this machine, which remembers what it was asked for.

import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  method: string;
  /** Path and query. */
  url: string;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

export abstract class HttpService implements AsyncDisposable {
  /** `http://127.0.0.1:<port>/` */
  readonly url: string;
  /** The paths of all requests so far. */
  readonly requests: string[] = [];
  readonly #server: http.Server;

  constructor(server: http.Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on("request", (request, response) => void this.#serve(request, response));
  }

  /** Starts one. */
  static async start<T extends HttpService>(this: new (server: http.Server) => T): Promise<T> {
    const server = http.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new this(server);
  }

  protected abstract answer(asked: Asked): Promise<Response> | Response;

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const { method = "GET", url = "/", headers } = request;
    this.requests.push(url);
    let answer: Response;
    try {
      answer = await this.answer({ method, url, headers, body: Buffer.concat(parts) });
    } catch (error) {
      answer = new Response(String(error), { status: 500 });
    }
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
