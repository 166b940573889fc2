// What is counted: each pattern with a side that answers, which opens first, and a side that asks.
// Both do the same number of operations, as fast as they can.

import {
  bytes,
  Channel,
  connect,
  Event,
  Mutex,
  Publisher,
  Queue,
  Receiver,
  RwLock,
  Semaphore,
  Sender,
  serve,
  struct,
  Subscriber,
  u32,
} from "../../mod.ts";

/** One side of a pattern, open. */
export interface Side {
  /** So many operations; without it the side only reacts. */
  run?(count: number): Promise<void> | void;
  /** Resolves when the other side is there. */
  ready?(): Promise<void>;
  close(): Promise<void> | void;
}

export interface Pattern {
  answers(name: string): Promise<Side>;
  asks(name: string): Promise<Side>;
}

/** How many calls are under way where there are many. */
export const IN_FLIGHT = 64;
/** No blocked thread sees a watchdog of its own process. */
const PATIENT = { timeout: 60_000 };

const payload = new Uint8Array(64).fill(7);

/** By the names of the table in expected.ts. */
export const patterns = {
  "channel: request, 64 in flight": channel((open) => ({
    run: (count) => inFlight(count, () => open.request(payload)),
  })),
  "channel: request, awaited": channel((open) => ({
    run: (count) => oneByOne(count, () => open.request(payload)),
  })),
  "channel: request, blocking": channel((open) => ({
    run: (count) => repeat(count, () => open.requestSync(payload, PATIENT)),
  })),
  "channel: message": channel((open) => ({
    async run(count) {
      for (let i = 1; i < count; i++) if (!open.send(payload)) await open.writable;
      await open.request(payload); // all that was sent before it has been handled
    },
  })),

  "rpc: call, 64 in flight": rpc(({ remote }) => ({
    run: (count) => inFlight(count, () => remote.add(1, 2)),
  })),
  "rpc: call, awaited": rpc(({ remote }) => ({
    run: (count) => oneByOne(count, () => remote.add(1, 2)),
  })),
  "rpc: call, blocking": rpc(({ sync }) => ({
    run: (count) => repeat(count, () => sync.add(1, 2)),
  })),
  "rpc: call, one-way": rpc(({ oneway, remote }) => ({
    async run(count) {
      for (let i = 1; i < count; i++) {
        oneway.note(i);
        if (i % IN_FLIGHT === 0) await remote.add(1, 2);
      }
      await remote.add(1, 2);
    },
  })),

  "topic: publish, receive": {
    async answers(name) {
      const subscriber = await Subscriber.open(name, { codec: bytes });
      return {
        ready: () => subscriber.ready(1, PATIENT),
        run: (count) => oneByOne(count, () => subscriber.receive(PATIENT)),
        close: () => subscriber.close(),
      };
    },
    asks: publisher,
  },
  "topic: publish, onMessage": {
    async answers(name) {
      const arrived = new Arrivals();
      const onMessage = () => arrived.add();
      const subscriber = await Subscriber.open(name, { codec: bytes, onMessage });
      return {
        ready: () => subscriber.ready(1, PATIENT),
        run: (count) => arrived.wait(count),
        close: () => subscriber.close(),
      };
    },
    asks: publisher,
  },

  "queue: enqueue, dequeue": queue(
    (open, count) => oneByOne(count, () => open.enqueue(payload, PATIENT)),
    (open, count) => oneByOne(count, () => open.dequeue(PATIENT)),
  ),
  "queue: enqueue, take and ack": queue(
    (open, count) => oneByOne(count, () => open.enqueue(payload, PATIENT)),
    (open, count) => oneByOne(count, async () => (await open.take(PATIENT)).ack()),
  ),
  "queue: blocking": queue(
    (open, count) => repeat(count, () => open.enqueueSync(payload, PATIENT)),
    (open, count) => repeat(count, () => open.dequeueSync(PATIENT)),
  ),

  "pipe: send, receive": pipe(
    (sender, count) => oneByOne(count, (i) => sender.send({ id: i, rest: i }, PATIENT)),
    (receiver, count) => oneByOne(count, () => receiver.receive(PATIENT)),
  ),
  "pipe: blocking": pipe(
    (sender, count) => repeat(count, (i) => sender.sendSync({ id: i, rest: i }, PATIENT)),
    (receiver, count) => repeat(count, () => receiver.receiveSync(PATIENT)),
  ),

  "mutex: free, awaited": alone(Mutex.open, async (mutex) => (await mutex.lock(PATIENT)).unlock()),
  "mutex: free, blocking": alone(Mutex.open, (mutex) => mutex.lockSync(PATIENT).unlock()),
  "mutex: contended": both(Mutex.open, async (mutex) => (await mutex.lock(PATIENT)).unlock()),
  "rwlock: free, awaited": alone(RwLock.open, async (lock) => {
    (await lock.read(PATIENT)).unlock();
    (await lock.write(PATIENT)).unlock();
  }),
  "rwlock: free, blocking": alone(RwLock.open, (lock) => {
    lock.readSync(PATIENT).unlock();
    lock.writeSync(PATIENT).unlock();
  }),
  "rwlock: both read": both(RwLock.open, async (lock) => (await lock.read(PATIENT)).unlock()),
  "semaphore: free, awaited": alone(openSemaphore, async (semaphore) => {
    await semaphore.acquire(PATIENT);
    semaphore.release();
  }),
  "semaphore: free, blocking": alone(openSemaphore, (semaphore) => {
    semaphore.acquireSync(PATIENT);
    semaphore.release();
  }),
  "event: set, reset, wait": alone(Event.open, async (event) => {
    event.set();
    await event.wait(PATIENT);
    event.waitSync(PATIENT);
    event.reset();
  }),
  "event: ping, pong": {
    answers: (name) => pingPong(`${name}-ping`, `${name}-pong`, false),
    asks: (name) => pingPong(`${name}-pong`, `${name}-ping`, true),
  },
} satisfies Record<string, Pattern>;

export type PatternName = keyof typeof patterns;

function repeat(count: number, operation: (index: number) => unknown): void {
  for (let i = 0; i < count; i++) operation(i);
}

async function oneByOne(count: number, operation: (index: number) => Promise<unknown>) {
  for (let i = 0; i < count; i++) await operation(i);
}

async function inFlight(count: number, operation: () => Promise<unknown>): Promise<void> {
  let started = 0;
  const lane = async () => {
    while (started++ < count) await operation();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

/** Counts what a handler gets. */
class Arrivals {
  #count = 0;
  #wanted = Infinity;
  #done = () => {};

  add(): void {
    this.#count++;
    this.#look();
  }

  /** Resolves when so many more have come. */
  wait(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = count;
    this.#done = resolve;
    this.#look();
    return promise;
  }

  #look(): void {
    if (this.#count < this.#wanted) return;
    this.#count -= this.#wanted;
    this.#wanted = Infinity;
    this.#done();
  }
}

function channel(asking: (open: Channel) => Pick<Side, "run">): Pattern {
  return {
    async answers(name) {
      const open = await Channel.open(name, { onRequest: (it) => it, onMessage() {} });
      return { close: () => open.close() };
    },
    async asks(name) {
      const open = await Channel.open(name, PATIENT);
      const ready = () => open.whenConnected();
      return { ...asking(open), ready, close: () => open.close() };
    },
  };
}

const api = { add: (a: number, b: number) => a + b, note(_number: number) {} };

function rpc(
  asking: (client: Awaited<ReturnType<typeof connect<typeof api>>>) => Pick<Side, "run">,
): Pattern {
  return {
    async answers(name) {
      const server = await serve(name, api);
      return { close: () => server.close() };
    },
    async asks(name) {
      const client = await connect<typeof api>(name, PATIENT);
      return { ...asking(client), close: () => client.close() };
    },
  };
}

async function publisher(name: string): Promise<Side> {
  const open = await Publisher.open(name, { codec: bytes });
  return {
    ready: () => open.ready(1, PATIENT),
    run: (count) => oneByOne(count, () => open.publish(payload, PATIENT)),
    close: () => open.close(),
  };
}

function queue(
  produce: (open: Queue<Uint8Array>, count: number) => Promise<void> | void,
  consume: (open: Queue<Uint8Array>, count: number) => Promise<void> | void,
): Pattern {
  const open = async (name: string, run: typeof produce): Promise<Side> => {
    const queue = await Queue.open(name, { codec: bytes });
    return { run: (count) => run(queue, count), close: () => queue.close() };
  };
  return { answers: (name) => open(name, consume), asks: (name) => open(name, produce) };
}

const Point = struct({ id: u32, rest: u32 });
const openSender = (name: string) => Sender.open(name, { codec: Point });
const openReceiver = (name: string) => Receiver.open(name, { codec: Point });
type PointSender = Awaited<ReturnType<typeof openSender>>;
type PointReceiver = Awaited<ReturnType<typeof openReceiver>>;

function pipe(
  send: (sender: PointSender, count: number) => Promise<void> | void,
  receive: (receiver: PointReceiver, count: number) => Promise<void> | void,
): Pattern {
  return {
    async answers(name) {
      const receiver = await openReceiver(name);
      const ready = () => receiver.whenConnected();
      return { ready, run: (count) => receive(receiver, count), close: () => receiver.close() };
    },
    async asks(name) {
      const sender = await openSender(name);
      const ready = () => sender.whenConnected();
      return { ready, run: (count) => send(sender, count), close: () => sender.close() };
    },
  };
}

type Open<Lock> = (name: string) => Promise<Lock>;

/** Both have it open, one uses it. */
function alone<Lock extends { close(): void }>(
  open: Open<Lock>,
  use: (lock: Lock) => Promise<void> | void,
): Pattern {
  const { asks } = both(open, use);
  return { answers: async (name) => ({ ...await asks(name), run: () => {} }), asks };
}

/** Both use it at the same time. */
function both<Lock extends { close(): void }>(
  open: Open<Lock>,
  use: (lock: Lock) => Promise<void> | void,
): Pattern {
  const side = async (name: string): Promise<Side> => {
    const lock = await open(name);
    const run = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const used = use(lock);
        if (used !== undefined) await used; // a blocking one shall not wait for a microtask
      }
    };
    return { run, close: () => lock.close() };
  };
  return { answers: side, asks: side };
}

/** Its name is the system's, and outlives who has it open. */
async function openSemaphore(name: string): Promise<Semaphore> {
  const semaphore = await Semaphore.open(name, { initial: 2 });
  const close = semaphore.close.bind(semaphore);
  return Object.assign(semaphore, { close: () => (close(), void Semaphore.remove(name)) });
}

async function pingPong(mine: string, other: string, begins: boolean): Promise<Side> {
  const heard = await Event.open(mine, { autoReset: true });
  const told = await Event.open(other, { autoReset: true });
  return {
    async run(count) {
      for (let i = 0; i < count; i++) {
        if (begins) told.set();
        await heard.wait(PATIENT);
        if (!begins) told.set();
      }
    },
    close() {
      heard.close();
      told.close();
    },
  };
}
