// Everything that can be opened under a name, for tests of what all of it has in common.

import process from "node:process";
import {
  Channel,
  connect,
  Event,
  Mutex,
  Publisher,
  Queue,
  Receiver,
  RpcServer,
  RwLock,
  Semaphore,
  Sender,
  serve,
  SharedArray,
  SharedMemory,
  struct,
  Subscriber,
  u32,
} from "../../mod.ts";

/** Options that all of it takes. */
export interface OpeningOptions {
  directory: string;
  signal?: AbortSignal;
}

/** What all of it has. */
export interface Opened {
  close(): void | Promise<void>;
}

/** One thing that can be opened. */
export interface Opening {
  /** The folder whose lock it takes, if it takes one. */
  readonly folder?: string;
  open(options: OpeningOptions): Promise<Opened>;
}

const codec = struct({ n: u32 });

/** By what messages call it. */
export const openings: Readonly<Record<string, Opening>> = {
  channel: { folder: "channel/n", open: (options) => Channel.open("n", options) },
  server: { folder: "rpc/n", open: (options) => RpcServer.open("n", options) },
  publisher: { folder: "topic/n", open: (options) => Publisher.open("n", options) },
  subscriber: { folder: "topic/n", open: (options) => Subscriber.open("n", options) },
  queue: { folder: "queue/n", open: (options) => Queue.open("n", options) },
  sender: { folder: "pipe/n", open: (options) => Sender.open("n", { ...options, codec }) },
  receiver: { folder: "pipe/n", open: (options) => Receiver.open("n", { ...options, codec }) },
  mutex: { folder: "mutex/n", open: (options) => Mutex.open("n", options) },
  "read-write lock": { folder: "rwlock/n", open: (options) => RwLock.open("n", options) },
  event: { folder: "event/n", open: (options) => Event.open("n", options) },
  "shared memory": {
    folder: "memory/n",
    open: (options) => SharedMemory.open("n", { ...options, size: 4096 }),
  },
  "shared array": {
    folder: "memory/n",
    open: (options) => SharedArray.open("n", { ...options, type: "u32", length: 4 }),
  },
  semaphore: {
    async open(options) {
      const name = `openings-${process.pid}`;
      const semaphore = await Semaphore.open(name, { ...options, initial: 1 });
      await Semaphore.remove(name); // it would outlive the test
      return semaphore;
    },
  },
  client: {
    async open(options) {
      const server = await serve("c", { one: () => 1 }, options);
      const client = await connect("c", options);
      return {
        async close() {
          await client.close();
          await server.close();
        },
      };
    },
  },
};
