// The peer: the same requests and messages over a Unix socket, a length before each.

import net from "node:net";
import path from "node:path";
import process from "node:process";
import { onFrame, writeFrame } from "../../examples/demo/frames.ts";

/** Answers every request with itself. */
export function serveEcho(directory: string): Promise<void> {
  return listen(directory, (bytes, reply) => reply(bytes));
}

/** Serves every frame of every client. */
export async function listen(
  directory: string,
  handle: (bytes: Uint8Array, reply: (bytes: Uint8Array) => void) => void,
): Promise<void> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    onFrame(socket, (bytes) => handle(bytes, (answer) => writeFrame(socket, answer)));
  });
  await new Promise<void>((resolve) => server.listen(socketPath(directory), resolve));
}

/** A client. Answers come in the order of the requests. */
export class SocketClient {
  readonly #socket: net.Socket;
  readonly #waiting: ((answer: Uint8Array) => void)[] = [];

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    onFrame(socket, (answer) => this.#waiting.shift()!(answer));
  }

  static async connect(directory: string): Promise<SocketClient> {
    const socket = net.connect(socketPath(directory));
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve).once("error", reject);
    });
    return new SocketClient(socket);
  }

  request(bytes: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      writeFrame(this.#socket, bytes);
    });
  }

  /** False: await {@linkcode SocketClient.writable} before sending more. */
  send(bytes: Uint8Array): boolean {
    return writeFrame(this.#socket, bytes);
  }

  writable(): Promise<void> {
    return new Promise((resolve) => this.#socket.once("drain", resolve));
  }
}

function socketPath(directory: string): string {
  return process.platform === "win32"
    ? path.join("\\\\.\\pipe", directory)
    : path.join(directory, "socket");
}
