// What there was before: the same calls over a Unix socket, with the same codec.

import { once } from "node:events";
import net from "node:net";
import { messagePack } from "../../mod.ts";
import { onFrame, writeFrame } from "./frames.ts";

type Methods<Api> = Record<keyof Api, (...args: never[]) => unknown>;

/** Serves the methods of an object. Every client gets its answers in the order of its calls. */
export async function serveOnSocket<Api extends object>(
  path: string,
  api: Api,
): Promise<net.Server> {
  const methods = api as Record<string, (...args: unknown[]) => unknown>;
  const server = net.createServer((socket) => {
    socket.on("error", () => socket.destroy());
    onFrame(socket, (frame) => {
      const [method, args] = messagePack.decode(frame) as [string, unknown[]];
      writeFrame(socket, messagePack.encode(methods[method]!(...args)));
    });
  });
  server.listen(path);
  await once(server, "listening");
  return server;
}

/** A client of {@linkcode serveOnSocket}. */
export class SocketClient<Api extends Methods<Api>> implements Disposable {
  readonly #socket: net.Socket;
  readonly #waiting: ((answer: unknown) => void)[] = [];

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    onFrame(socket, (frame) => this.#waiting.shift()!(messagePack.decode(frame)));
  }

  static async connect<Api extends Methods<Api>>(path: string): Promise<SocketClient<Api>> {
    const socket = net.connect(path);
    await once(socket, "connect");
    return new SocketClient(socket);
  }

  call<Name extends keyof Api & string>(
    method: Name,
    ...args: Parameters<Api[Name]>
  ): Promise<Awaited<ReturnType<Api[Name]>>> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve as (answer: unknown) => void);
      writeFrame(this.#socket, messagePack.encode([method, args]));
    });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
