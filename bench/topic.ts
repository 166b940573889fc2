// What does a message cost its publisher with one subscriber, and with eight? How many arrive per
// second, beside a Unix socket to each? The subscribers are processes of the server's runtime.

import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import process from "node:process";
import { bytes, Publisher, Subscriber } from "../mod.ts";
import { onFrame, writeFrame } from "../examples/demo/frames.ts";
import { Child } from "./harness/processes.ts";
import { gigabytesPerSecond, millionPerSecond } from "./harness/question.ts";
import type { Measured, PairQuestion, Runtime, Setup, Subject, Unit } from "./harness/question.ts";
import { usualPlan } from "./harness/rounds.ts";

const SMALL = 64;
const LARGE = 10_000;
const MESSAGES_PER_LOOK = 256;

const nanoseconds: Unit = { name: "ns CPU", size: 1, lowerIsBetter: true };

const own: Runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

export const question: PairQuestion = {
  rows: [{
    asks: "publish 64 B to 8 subscribers against 1, the publisher's CPU time per message",
    subject: "8 that drop",
    peer: "1 that drops",
    metrics: ["cost"],
    unit: nanoseconds,
    target: { worse: 1.3 },
  }, {
    asks: "publish 64 B to 1 subscriber",
    subject: "1 that blocks",
    peer: "Unix socket, 1",
    metrics: ["messages/s"],
    unit: millionPerSecond,
  }, {
    asks: "publish 64 B to 8 subscribers, each gets all",
    subject: "8 that block",
    peer: "Unix sockets, 8",
    metrics: ["messages/s"],
    unit: millionPerSecond,
  }, {
    asks: "publish 10,000 B to 1 subscriber",
    subject: "1 that blocks, large",
    peer: "Unix socket, 1, large",
    metrics: ["bytes/s"],
    unit: gigabytesPerSecond,
  }, {
    asks: "publish 10,000 B to 8 subscribers, each gets all",
    subject: "8 that block, large",
    peer: "Unix sockets, 8, large",
    metrics: ["bytes/s"],
    unit: gigabytesPerSecond,
  }],

  // They need the client's sockets, and the client is started only when this returns.
  server(setup) {
    void startSubscribers(setup);
    return Promise.resolve();
  },

  async client(setup) {
    const one = await FanOut.open(setup, "one", 1);
    const eight = await FanOut.open(setup, "eight", 8);
    await Promise.all([one.ready(), eight.ready()]);
    return {
      "1 that drops": one.cost(),
      "8 that drop": eight.cost(),
      "1 that blocks": one.topic(SMALL),
      "Unix socket, 1": one.socket(SMALL),
      "8 that block": eight.topic(SMALL),
      "Unix sockets, 8": eight.socket(SMALL),
      "1 that blocks, large": one.topic(LARGE),
      "Unix socket, 1, large": one.socket(LARGE),
      "8 that block, large": eight.topic(LARGE),
      "Unix sockets, 8, large": eight.socket(LARGE),
    };
  },

  // Ten subjects.
  plan: ({ quick }) => quick ? { warmUp: 40, rounds: 3, milliseconds: 40 } : usualPlan(quick),
};

async function startSubscribers(setup: Setup): Promise<void> {
  for (const [name, count] of [["one", 1], ["eight", 8]] as const) {
    const socket = socketOf(setup, name);
    while (!fs.existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 10));
    for (let i = 0; i < count; i++) {
      await new Child(own, "programs/topic_subscriber.ts", [name, socket], setup.directory)
        .firstLine();
    }
  }
}

function socketOf({ directory }: Setup, name: string): string {
  return path.join(directory, `socket-${name}`);
}

/** A topic with so many subscribers, and sockets to the same processes. */
class FanOut {
  readonly #count: number;
  readonly #blocking: Publisher;
  readonly #dropping: Publisher;
  readonly #counts: Subscriber<number>;
  readonly #sockets: net.Socket[] = [];
  readonly #answers: ((count: number) => void)[] = [];

  private constructor(
    count: number,
    blocking: Publisher,
    dropping: Publisher,
    counts: Subscriber<number>,
  ) {
    this.#count = count;
    this.#blocking = blocking;
    this.#dropping = dropping;
    this.#counts = counts;
  }

  static async open(setup: Setup, name: string, count: number): Promise<FanOut> {
    const options = { codec: bytes, capacity: 1 << 20 };
    const fanOut = new FanOut(
      count,
      await Publisher.open(`${name}-block`, options),
      await Publisher.open(`${name}-drop-oldest`, options),
      await Subscriber.open<number>(`${name}-counts`),
    );
    const server = net.createServer((socket) => {
      fanOut.#sockets.push(socket);
      socket.on("error", () => {});
      onFrame(socket, (bytes) => {
        fanOut.#answers.shift()!(bytes[0]! | bytes[1]! << 8 | bytes[2]! << 16 | bytes[3]! << 24);
      });
    });
    server.listen(socketOf(setup, name));
    await once(server, "listening");
    return fanOut;
  }

  async ready(): Promise<void> {
    await this.#blocking.ready(this.#count);
    await this.#dropping.ready(this.#count);
    while (this.#sockets.length < this.#count) await new Promise((r) => setTimeout(r, 5));
  }

  /** CPU time of this process per message, for subscribers that never hold it back. */
  cost(): Subject {
    const message = new Numbered(SMALL);
    const publisher = this.#dropping;
    return async (milliseconds) => {
      const before = process.cpuUsage();
      let messages = 0;
      for (const end = performance.now() + milliseconds; performance.now() < end;) {
        for (let i = 0; i < MESSAGES_PER_LOOK; i++) publisher.tryPublish(message.next());
        messages += MESSAGES_PER_LOOK;
      }
      const { user, system } = process.cpuUsage(before);
      publisher.tryPublish(message.last());
      await this.#received();
      return { cost: (user + system) * 1000 / messages, messages };
    };
  }

  topic(size: number): Subject {
    const message = this.#number(size);
    const publisher = this.#blocking;
    return measure(size, this.#count, {
      async send() {
        for (let i = 0; i < MESSAGES_PER_LOOK; i++) {
          const payload = message.next();
          if (!publisher.tryPublish(payload)) await publisher.publish(payload);
        }
      },
      confirm: () => publisher.publish(message.last()).then(() => this.#received()),
    });
  }

  /** All sizes share the numbers of their receiver. */
  readonly #numbers = { block: { value: 0 }, socket: { value: 0 } };
  #number(size: number): Numbered {
    return new Numbered(size, this.#numbers.block);
  }

  /** How many each subscriber has had, in all. */
  async #received(): Promise<number> {
    let sum = 0;
    for (let i = 0; i < this.#count; i++) sum += await this.#counts.receive();
    return sum;
  }

  socket(size: number): Subject {
    const message = new Numbered(size, this.#numbers.socket);
    const sockets = this.#sockets;
    return measure(size, this.#count, {
      async send() {
        for (let i = 0; i < MESSAGES_PER_LOOK; i++) {
          const payload = message.next();
          for (const socket of sockets) {
            if (!writeFrame(socket, payload)) await once(socket, "drain");
          }
        }
      },
      confirm: async () => {
        const answers = sockets.map(() => new Promise<number>((r) => this.#answers.push(r)));
        const payload = message.last();
        for (const socket of sockets) writeFrame(socket, payload);
        return (await Promise.all(answers)).reduce((sum, count) => sum + count);
      },
    });
  }
}

/** Messages that begin with their number. */
class Numbered {
  readonly #bytes: Uint8Array;
  readonly #last = new Uint8Array(8);
  readonly #number: { value: number };

  constructor(size: number, number = { value: 0 }) {
    this.#bytes = new Uint8Array(size);
    this.#number = number;
  }

  /** The same memory each time: whoever sends it has copied it when the next one is made. */
  next(): Uint8Array {
    return this.#write(this.#bytes);
  }

  /** One that is answered. */
  last(): Uint8Array {
    return this.#write(this.#last);
  }

  #write(bytes: Uint8Array): Uint8Array {
    const number = this.#number.value++;
    bytes[0] = number;
    bytes[1] = number >> 8;
    bytes[2] = number >> 16;
    bytes[3] = number >> 24;
    return bytes;
  }
}

function measure(
  size: number,
  receivers: number,
  sender: { send(): Promise<void>; confirm(): Promise<number> },
): Subject {
  return async (milliseconds): Promise<Measured> => {
    const start = performance.now();
    let messages = 1;
    while (performance.now() - start < milliseconds) {
      await sender.send();
      messages += MESSAGES_PER_LOOK;
    }
    const received = await sender.confirm();
    const seconds = (performance.now() - start) / 1000;
    if (received !== messages * receivers) {
      throw new Error(`${messages} published to ${receivers}, ${received} received`);
    }
    return {
      "messages/s": messages / seconds,
      "bytes/s": messages * size / seconds,
    };
  };
}
