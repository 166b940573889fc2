// How many structs of 32 bytes arrive per second, in batches, each written and read field by field
// and checked?

import { Channel, f64, Receiver, Sender, struct, u16, u32, u8 } from "../mod.ts";
import type { StructView } from "../mod.ts";
import { millionPerSecond } from "./harness/question.ts";
import type { PairQuestion, Setup, Subject } from "./harness/question.ts";
import { listen, SocketClient } from "./harness/socket.ts";

/** Structs that are sent in one step. */
const BATCH = 256;
/** Structs that can wait: half a megabyte, which a processor's cache holds. */
const CAPACITY = 16384;

const fields = { id: u32, side: u8, flags: u16, price: f64, size: f64, time: f64 };
const Trade = struct(fields);
type TradeView = StructView<typeof fields>;

/** A trade's other fields follow from its number. */
function fill(view: TradeView, id: number): void {
  view.id = id;
  view.side = id & 1;
  view.flags = id & 0xffff;
  view.price = id * 0.5;
  view.size = id + 0.25;
  view.time = 1e9 + id;
}

/** Counts trades, and checks all fields of each. */
class Counter {
  #next = 0;
  #received = 0;

  check(view: TradeView, count: number): void {
    let id = this.#next;
    for (let i = 0; i < count; i++, id = (id + 1) >>> 0) {
      const trade = view.at(i);
      const right = trade.id === id && trade.side === (id & 1) && trade.flags === (id & 0xffff) &&
        trade.price === id * 0.5 && trade.size === id + 0.25 && trade.time === 1e9 + id;
      if (!right) throw new Error(`trade ${id} is ${JSON.stringify(trade.get())}`);
    }
    this.#next = id;
    this.#received += count;
  }

  /** How many since the last time, as a message. */
  report(): Uint8Array {
    const text = String(this.#received);
    this.#received = 0;
    return new TextEncoder().encode(text);
  }
}

export const question: PairQuestion = {
  rows: [{
    asks: "pipe, 32-byte structs in batches of 256",
    subject: "causeway",
    peer: "Unix socket",
    metrics: ["structs/s"],
    unit: millionPerSecond,
    target: { atLeast: 10, better: 4 },
  }],

  async server({ directory }) {
    const counter = new Counter();
    await Receiver.open("trades", {
      codec: Trade,
      capacity: CAPACITY,
      onRead: (view, count) => counter.check(view, count),
    });
    await Channel.open("reports", { onRequest: () => counter.report() });
    const beside = new Counter();
    await listen(directory, (bytes, reply) => {
      if (bytes.length === 0) reply(beside.report());
      else beside.check(Trade.view(bytes), bytes.length / Trade.size);
    });
  },

  client: async (setup) => ({
    "causeway": await sendOnPipe(),
    "Unix socket": await sendOnSocket(setup),
  }),
};

async function sendOnPipe(): Promise<Subject> {
  const sender = await Sender.open("trades", { codec: Trade, capacity: CAPACITY });
  const reports = await Channel.open("reports");
  reports.ref();
  await reports.whenConnected();
  let next = 0;
  const fillNext = (view: TradeView) => {
    fill(view, next);
    next = (next + 1) >>> 0;
  };
  return rates(() => sender.write(BATCH, fillNext), async () => {
    // The pipe and the channel have no order between them.
    while (sender.queued > 0) await new Promise((resolve) => setImmediate(resolve));
    return await reports.request();
  });
}

async function sendOnSocket({ directory }: Setup): Promise<Subject> {
  const socket = await SocketClient.connect(directory);
  let next = 0;
  return rates(async () => {
    const bytes = new Uint8Array(BATCH * Trade.size);
    const view = Trade.view(bytes);
    for (let i = 0; i < BATCH; i++, next = (next + 1) >>> 0) fill(view.at(i), next);
    if (!socket.send(bytes)) await socket.writable();
  }, () => socket.request(new Uint8Array(0)));
}

/** The time ends when the other side has confirmed the last one. */
function rates(
  send: () => Promise<void>,
  confirm: () => Promise<Uint8Array | undefined>,
): Subject {
  return async (milliseconds) => {
    const start = performance.now();
    let sent = 0;
    for (; performance.now() - start < milliseconds; sent += BATCH) await send();
    const received = Number(new TextDecoder().decode(await confirm()));
    const elapsed = performance.now() - start;
    if (received !== sent) throw new Error(`${sent} sent, ${received} received`);
    return { "structs/s": sent / elapsed * 1000 };
  };
}
