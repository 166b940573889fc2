// Leaving a loop, closing, and forgetting: what the obvious program does, and that it holds nobody back.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import {
  BackpressureError,
  bytes,
  ClosedError,
  CodecError,
  json,
  Publisher,
  Subscriber,
} from "../../mod.ts";
import { nativePath } from "../../src/memory/directory.ts";
import { assertEmpty } from "../support/api.ts";
import { native, Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

test("leaving the loop closes a subscriber, which holds nobody back then", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const publisher = await Publisher.open<number>("name", { directory, capacity: 4096 });
  for (const way of ["break", "throw", "return"] as const) {
    const subscriber = await Subscriber.open<number>("name", { directory });
    await publisher.publish(1);
    const loop = async (): Promise<void> => {
      for await (const value of subscriber) {
        assert.equal(value, 1);
        if (way === "break") break;
        if (way === "throw") throw new Error("thrown");
        return;
      }
    };
    if (way === "throw") await assert.rejects(loop(), /thrown/);
    else await loop();
    assert.equal(subscriber.isClosed, true);
    for (let n = 0; n < 1000; n++) await within(publisher.publish(n), "publish");
  }
  await publisher.close();
  assertEmpty(scratch);
});

test("a loop that ends by an error closes the subscriber, too", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const publisher = await Publisher.open("name", { directory, codec: json });
  const subscriber = await Subscriber.open("name", { directory, codec: json });
  const kept = await Subscriber.open("name", { directory, codec: json });
  using loan = await publisher.loan(1);
  loan.bytes.fill(0x7b);
  loan.publish();
  await publisher.publish(2);
  await assert.rejects(
    async () => {
      for await (const _ of subscriber);
    },
    CodecError,
  );
  assert.equal(subscriber.isClosed, true);
  const values = kept.values({ keepOpen: true });
  await assert.rejects(values.next(), CodecError);
  assert.deepEqual(await values.next(), { done: true, value: undefined });
  assert.equal(kept.isClosed, false);
  assert.equal(await kept.receive(), 2);
  await kept.close();
  await publisher.close();
  assertEmpty(scratch);
});

test("with keepOpen a loop can be left and another one goes on where it stopped", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const publisher = await Publisher.open<number>("name", { directory });
  const subscriber = await Subscriber.open<number>("name", { directory });
  assert.throws(() => subscriber.values({ keepopen: true } as never), /no option `keepopen`/);
  for (let n = 0; n < 10; n++) await publisher.publish(n);
  for await (const value of subscriber.values({ keepOpen: true })) if (value === 4) break;
  assert.equal(subscriber.isClosed, false);
  const rest: number[] = [];
  for await (const value of subscriber) {
    rest.push(value);
    if (value === 9) break;
  }
  assert.deepEqual(rest, [5, 6, 7, 8, 9]);
  assert.equal(subscriber.isClosed, true);
  await publisher.close();
  assertEmpty(scratch);
});

test("a subscriber closes while another process holds the lock of the topic", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const publisher = await Publisher.open<number>("name", { directory, capacity: 4096 });
  const subscriber = await Subscriber.open<number>("name", { directory });
  await subscriber.ready();
  const lock = native.shim.cw_directory_lock(nativePath(scratch.at("topic", "name")), 0);
  assert.ok(lock >= 0);
  await subscriber.close();
  for (let n = 0; n < 1000; n++) await within(publisher.publish(n), "publish");
  const abort = new AbortController();
  const opening = [
    Subscriber.open("name", { directory, signal: abort.signal }),
    Publisher.open("name", { directory, signal: abort.signal }),
  ];
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await until(() => turns > 10, "turns of the event loop");
  clearInterval(timer);
  abort.abort(new Error("enough"));
  for (const each of opening) await assert.rejects(each, /enough/);
  native.shim.cw_directory_unlock(lock);
  await publisher.close();
  assertEmpty(scratch);
});

test("what waits to be published is bounded, and a loop that awaits never meets the bound", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const options = { directory, codec: bytes };
  const publisher = await Publisher.open("name", {
    ...options,
    capacity: 4096,
    sendQueueBytes: 10_000,
  });
  const subscriber = await Subscriber.open("name", options);
  await subscriber.ready();
  while (publisher.tryPublish(new Uint8Array(500)));
  // Memory that waits is copied, also a Buffer's.
  const memory = Buffer.alloc(500, 1);
  const waiting: Promise<void>[] = [publisher.publish(memory)];
  waiting.push(publisher.publishParts([memory, Buffer.alloc(1)]));
  memory.fill(2);
  let refused: unknown;
  for (let n = 0; n < 100 && refused === undefined; n++) {
    const promise = publisher.publish(new Uint8Array(500));
    promise.catch((error) => refused = error);
    waiting.push(promise);
    await Promise.resolve();
    await Promise.resolve();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.ok(refused instanceof BackpressureError, String(refused));
  assert.equal(refused.limit, 10_000);
  assert.match(refused.message, /maxLag/);
  const accepted = waiting.slice(0, -1);
  assert.ok(accepted.length >= 10 && accepted.length <= 20, `${accepted.length}`);
  const received: Promise<unknown>[] = [];
  const { messagesSent: messages } = publisher.stats;
  for (let n = 0; n < messages + accepted.length; n++) received.push(subscriber.receive());
  const all = await Promise.all(received);
  await Promise.all(accepted);
  const first = all[messages] as Uint8Array;
  assert.ok(first.every((byte) => byte === 1));
  const [part] = all[messages + 1] as unknown as Uint8Array[];
  assert.ok(part!.every((byte) => byte === 1));
  const loop = (async () => {
    for (let n = 0; n < 500; n++) await publisher.publish(new Uint8Array(500));
  })();
  for (let n = 0; n < 500; n++) await subscriber.receive();
  await loop;
  await subscriber.close();
  await publisher.close();
  assertEmpty(scratch);
});

test("a publisher that is closed while it publishes a long list says so", async () => {
  using scratch = new Scratch();
  const publisher = await Publisher.open<number>("name", { directory: scratch.path });
  function* endless(): Generator<number> {
    for (;;) yield 1;
  }
  const publishing = publisher.publishMany(endless());
  setTimeout(() => publisher.close(), 5);
  await assert.rejects(within(publishing, "the end"), ClosedError);
  assertEmpty(scratch);
});

test("a publish that fails and was forgotten is reported, and ends nothing", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const publisher = await Publisher.open<number>("name", { directory, onError, capacity: 4096 });
  const subscriber = await Subscriber.open<number>("name", { directory });
  await subscriber.ready();
  while (publisher.tryPublish(1));
  publisher.publish(2, { timeout: 1 });
  let count = 0;
  publisher.publish(3, { timeout: 1 }).then(() => count++);
  const awaited = publisher.publish(4, { timeout: 1 });
  await assert.rejects(awaited, { code: "TIMEOUT" });
  await until(() => errors.length === 2, "two reports");
  await subscriber.close();
  await publisher.close();
  publisher.publish(5);
  await assert.rejects(publisher.publish(6), ClosedError);
  await until(() => errors.length === 3, "the third report");
  assert.ok(errors[2] instanceof ClosedError);
  assert.equal(count, 0);
  assertEmpty(scratch);
});

test("callbacks that throw end nothing, and come after open has resolved", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const events: string[] = [];
  const failing = (name: string) => (): never => {
    events.push(name);
    throw new Error(name);
  };
  const onError = failing("onError");
  const common = { directory, onError, onConnect: failing("on"), onDisconnect: failing("off") };
  const first = await Subscriber.open<number>("name", {
    ...common,
    onLag: "latest",
    onMessage: failing("message"),
    onLost: failing("lost"),
  });
  const publisher = await Publisher.open<number>("name", common);
  assert.deepEqual(events.filter((event) => event === "on"), []);
  await publisher.ready();
  await first.ready();
  await publisher.publishMany([1, 2, 3]);
  await until(() => events.includes("lost") && events.includes("message"), "messages");
  const before = events.length;
  await publisher.publish(4);
  await until(() => events.length > before, "one more");
  await first.close();
  await until(() => events.includes("off"), "it is told");
  await publisher.close();
  assertEmpty(scratch);
});

test("handlers run in the context in which they were given", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const store = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const note = (): void => void seen.push(store.getStore());
  const subscriber = await store.run(
    "subscriber",
    () => Subscriber.open("name", { directory, onMessage: note, onConnect: note }),
  );
  const publisher = await store.run(
    "publisher",
    () => Publisher.open("name", { directory, onConnect: note }),
  );
  await store.run("publishing", async () => {
    await publisher.ready();
    await publisher.publish(1);
    assert.equal(store.getStore(), "publishing");
  });
  await until(() => seen.length === 3, "all three");
  assert.deepEqual(seen.toSorted(), ["publisher", "subscriber", "subscriber"]);
  await subscriber.close();
  await publisher.close();
  assertEmpty(scratch);
});

/** Counts how often a timer of 10 ms fires beside a loop that always has work. */
async function ticksBeside(work: () => unknown): Promise<number> {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const end = performance.now() + 20_000;
  while (ticks < 5 && performance.now() < end) await work();
  clearInterval(timer);
  return ticks;
}

test("timers run beside loops over a backlog", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const options = { directory, codec: bytes };
  const publisher = await Publisher.open("name", options);
  const subscriber = await Subscriber.open("name", options);
  await subscriber.ready();
  const more = (): void => {
    while (publisher.tryPublish(new Uint8Array(1000)));
  };
  const loop = subscriber.values({ keepOpen: true });
  assert.equal(await ticksBeside(() => (more(), loop.next())), 5);
  assert.equal(await ticksBeside(() => (more(), subscriber.receive())), 5);
  await subscriber.close();
  assert.equal(await ticksBeside(() => publisher.publish(new Uint8Array(1000))), 5);
  const many = Array.from({ length: 100 }, () => new Uint8Array(100));
  assert.equal(await ticksBeside(() => publisher.publishMany(many)), 5);
  await publisher.close();
  assertEmpty(scratch);
});

test("timers run beside a handler that always has a message", async () => {
  using scratch = new Scratch();
  const options = { directory: scratch.path, codec: bytes };
  const publisher = await Publisher.open("name", options);
  const done = Promise.withResolvers<void>();
  let ticks = 0;
  const end = performance.now() + 20_000;
  const subscriber = await Subscriber.open("name", {
    ...options,
    onMessage() {
      if (ticks >= 5 || performance.now() > end) return done.resolve();
      while (publisher.tryPublish(new Uint8Array(1000)));
    },
  });
  const timer = setInterval(() => ticks++, 10);
  await publisher.publish(new Uint8Array(1));
  await done.promise;
  clearInterval(timer);
  assert.equal(ticks, 5);
  await subscriber.close();
  await publisher.close();
  assertEmpty(scratch);
});
