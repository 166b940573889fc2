// Uses the library after all global timers were replaced by fakes that never run anything: see
// faked_timers.test.ts.

import process from "node:process";
import { connect, Publisher, Queue, serve, Subscriber } from "../../mod.ts";

const { setTimeout: realTimeout } = globalThis;
realTimeout(() => {
  console.log("it hangs");
  process.exit(1);
}, 60_000);

const fakes = ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"];
const inert = ["clearTimeout", "clearInterval", "clearImmediate"];
for (const name of [...fakes, ...inert]) {
  Object.defineProperty(globalThis, name, {
    configurable: true,
    value: () => ({ ref() {}, unref() {}, [Symbol.toPrimitive]: () => 1 }),
  });
}
performance.now = () => 5;

const api = { add: (a: number, b: number) => a + b, never: () => new Promise<void>(() => {}) };
const server = await serve("sums", api);
const client = await connect<typeof api>("sums");
console.log("awaited:", await client.remote.add(1, 2));
// Everything sleeps by now, and is woken.
await new Promise((resolve) => realTimeout(resolve, 100));
console.log("parked:", await client.remote.add(2, 3));
const failure = await client.with({ timeout: 50 }).remote.never().catch((error) => error.name);
console.log("timeout:", failure);

const queue = await Queue.open<number>("numbers");
await queue.enqueue(7);
console.log("queue:", await queue.dequeue({ timeout: 10_000 }));
const waited = await queue.dequeue({ timeout: 50 }).catch((error) => error.name);
console.log("queue timeout:", waited);
await queue.close();

const publisher = await Publisher.open<number>("numbers");
const subscriber = await Subscriber.open<number>("numbers");
const next = subscriber.receive({ timeout: 10_000 });
await publisher.publish(9);
console.log("topic:", await next);
await subscriber.close();
await publisher.close();
await client.close();
await server.close();
process.exit(0);
