// Long streams of bytes, as a request and as a response, over RPC and over a Unix socket.

import net from "node:net";
import path from "node:path";
import { RpcClient, RpcServer } from "../../mod.ts";
import type { Setup, Subject } from "./question.ts";

/** What a sender gives at a time; the same memory again and again, as who reads a file would. */
const CHUNK = 1 << 20;
/** What a reader that brings its own memory brings. */
const OWN = 1 << 18;
/** Bytes of a stream for each ms of a round: a round takes as long as they take. */
const PER_MS = 4e6;
/** Larger than the default of 64 KiB: fewer turns for the same bytes. */
const CAPACITY = 1 << 20;

/** How a stream is read. */
export type Reading = "default" | "own memory";

const chunk = Uint8Array.from({ length: CHUNK }, (_, index) => index);

/** So many bytes. */
function streamOf(total: number): ReadableStream<Uint8Array> {
  let left = total;
  return new ReadableStream({
    pull(controller) {
      const now = Math.min(left, CHUNK);
      controller.enqueue(now === CHUNK ? chunk : chunk.subarray(0, now));
      left -= now;
      if (left === 0) controller.close();
    },
  }, { highWaterMark: 0 });
}

/** Counts the bytes of a stream, which are looked at here and there. */
async function read(stream: ReadableStream<Uint8Array>, reading: Reading): Promise<number> {
  const tally = new Tally();
  if (reading === "default") {
    for await (const bytes of stream) tally.add(bytes);
    return tally.received;
  }
  const reader = stream.getReader({ mode: "byob" });
  for (let memory = new Uint8Array(OWN);;) {
    const { done, value } = await reader.read(memory);
    if (done) return tally.received;
    tally.add(value);
    memory = new Uint8Array(value.buffer);
  }
}

class Tally {
  received = 0;

  add(bytes: Uint8Array): void {
    const { length } = bytes;
    for (const at of [0, length >> 1, length - 1]) {
      if (bytes[at] !== ((this.received + at) & 0xff)) {
        throw new Error(`byte ${this.received + at}`);
      }
    }
    this.received += length;
  }
}

function number(value: number): Uint8Array {
  return new Uint8Array(new Float64Array([value]).buffer);
}

function numberIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
}

/** Serves both directions on RPC. */
export async function serveStreams(): Promise<void> {
  await RpcServer.open("streams", {
    onRequest: (bytes) => streamOf(numberIn(bytes!)),
    onStream: async (stream) => number(await read(stream, "default")),
  });
}

/** Connects to it. */
export async function connectStreams(): Promise<RpcClient> {
  return await RpcClient.open("streams", { capacity: CAPACITY, timeout: Infinity });
}

/** The server sends. */
export function receiveOn(client: RpcClient, reading: Reading): Subject {
  return timed(async (total) => await read((await client.stream(number(total)))!, reading));
}

/** The client sends. */
export function sendOn(client: RpcClient): Subject {
  return timed(async (total) => numberIn((await client.request(streamOf(total)))!));
}

/** The server on a socket sends as many bytes as each connection asks for. */
export async function serveOnSocket({ directory }: Setup): Promise<void> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (request: Uint8Array) => {
      let left = numberIn(request);
      const write = (): void => {
        while (left > 0) {
          const now = Math.min(left, CHUNK);
          left -= now;
          if (!socket.write(now === CHUNK ? chunk : chunk.subarray(0, now))) break;
        }
        if (left > 0) socket.once("drain", write);
        else socket.end();
      };
      write();
    });
  });
  await new Promise<void>((resolve) => server.listen(path.join(directory, "streams"), resolve));
}

/** Receives from it. */
export function receiveOnSocket({ directory }: Setup): Subject {
  return timed((total) =>
    new Promise((resolve, reject) => {
      const tally = new Tally();
      const socket = net.connect(path.join(directory, "streams"));
      socket.once("error", reject).once("end", () => resolve(tally.received));
      socket.on("data", (bytes: Uint8Array) => tally.add(bytes));
      socket.write(number(total));
    })
  );
}

function timed(transfer: (total: number) => Promise<number>): Subject {
  return async (milliseconds) => {
    const total = Math.round(milliseconds * PER_MS);
    const start = performance.now();
    const received = await transfer(total);
    const seconds = (performance.now() - start) / 1000;
    if (received !== total) throw new Error(`${received} of ${total} bytes arrived`);
    return { "bytes/s": total / seconds };
  };
}
