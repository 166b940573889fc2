// Streams over RPC: web streams and async iterators as arguments and results, of values and of
// bytes, how they end, and that they hold nobody up.

import assert from "node:assert/strict";
import {
  ArgumentError,
  ClosedError,
  CodecError,
  connect,
  json,
  PeerGoneError,
  RpcClient,
  serve,
  TimeoutError,
} from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { sleep } from "../support/remote_functions.ts";
import {
  checkPattern,
  collect,
  counting,
  patternStream,
  serveStreams,
  type StreamApi,
} from "../support/streams.ts";

async function open(t: Cross, options: Parameters<typeof connect>[1] = {}) {
  await serveStreams(t.peer, t.name);
  return await connect<StreamApi>(t.name, options);
}

const sumTo = (n: number) => n * (n - 1) / 2;

crossTest("results: iterators and streams of values, with and without await", async (t) => {
  await using client = await open(t);
  const { remote } = client;
  const numbers = Array.from({ length: 5000 }, (_, index) => index);
  assert.deepEqual(await collect(remote.count(5000)), numbers);
  assert.deepEqual(await collect(await remote.count(5000)), numbers);
  assert.deepEqual(await collect(remote.countStream(5000)), numbers);
  const stream = await remote.countStream(3);
  assert.ok(stream instanceof ReadableStream);
  const reader = stream.getReader();
  assert.deepEqual(await reader.read(), { done: false, value: 0 });
  assert.deepEqual(await Promise.all([reader.read(), reader.read()]), [
    { done: false, value: 1 },
    { done: false, value: 2 },
  ]);
  assert.equal((await reader.read()).done, true);
  await reader.closed;
  const iterator = await remote.count(3);
  assert.deepEqual(
    await Promise.all([iterator.next(), iterator.next(), iterator.next(), iterator.next()]),
    [0, 1, 2].map((value) => ({ done: false, value } as IteratorResult<number>)).concat(
      { done: true, value: undefined },
    ),
    "reads that don't wait for each other are answered in order",
  );
});

crossTest("arguments: iterators, streams, and objects of one's own", async (t) => {
  await using client = await open(t);
  const { remote } = client;
  assert.equal(await remote.sum(counting(5000)), sumTo(5000));
  const own = { [Symbol.asyncIterator]: () => counting(10) };
  assert.equal(await remote.sum(own), sumTo(10));
  const stream = new ReadableStream<number>({
    start(controller) {
      for (let i = 0; i < 100; i++) controller.enqueue(i);
      controller.close();
    },
  });
  assert.equal(await remote.sum(stream), sumTo(100));
  assert.equal(stream.locked, true);
  await assert.rejects(remote.sum(stream), CodecError, "it is being read");
  const twice = counting(3);
  assert.equal(await remote.takeNested({ a: [twice], b: ReadableStream.from([1, 2]) }), 6);
});

crossTest(
  "both ways at once: values of every kind keep their order and their limits",
  async (t) => {
    await using client = await open(t);
    async function* values() {
      for (let i = 0; i < 500; i++) {
        yield i;
        yield { i, text: "x".repeat(i) };
        yield new Uint8Array([i, i + 1]);
        yield undefined;
      }
      yield new Uint8Array(0);
      yield new Uint8Array(300_000).fill(9);
      yield "y".repeat(300_000);
    }
    const sent = await collect(values());
    const received = await collect(client.remote.double(values()));
    assert.equal(received.length, sent.length);
    for (const [index, value] of sent.entries()) {
      assert.deepEqual(received[index], typeof value === "number" ? value * 2 : value);
    }
  },
);

crossTest("bytes: both ways, chunks of any size, for BYOB readers too", async (t) => {
  await using client = await open(t);
  const { remote } = client;
  for (const size of [1, 1000, 8176, 100_000, 3_000_000]) {
    const total = size === 1 ? 3000 : 10_000_000;
    assert.equal(await checkPattern(await remote.bytes(total, size)), total);
    assert.equal(await remote.check(patternStream(total, size)), total);
  }
  assert.equal(await checkPattern(await remote.echo(patternStream(20_000_000))), 20_000_000);
  const reader = (await remote.ownBytes(1_000_000)).getReader({ mode: "byob" });
  let received = 0;
  for (let memory = new Uint8Array(70_000);;) {
    const { done, value } = await reader.read(memory);
    if (done) break;
    for (let i = 0; i < value.length; i += 97) assert.equal(value[i], (received + i) & 0xff);
    received += value.length;
    memory = new Uint8Array(value.buffer, 0, received % 3 === 0 ? 70_000 : 333);
  }
  assert.equal(received, 1_000_000);
});

crossTest("nested in objects, lists, maps, and in values of other streams", async (t) => {
  await using client = await open(t);
  const { list, map } = await client.remote.nested();
  assert.deepEqual(await collect(list[0]), ["a", "b"]);
  assert.deepEqual(await collect(list[1].deep), [1]);
  const inner: number[][] = [];
  for await (const value of map.get("x")!) inner.push(await collect(value.inner));
  assert.deepEqual(inner, [[0, 1], [0, 1, 2]]);
});

crossTest("writable streams, as results and as arguments", async (t) => {
  await using client = await open(t);
  const { stream, written } = await client.remote.sink();
  const writer = stream.getWriter();
  for (let i = 0; i < 1000; i++) await writer.write(i % 2 === 0 ? i : { i });
  await writer.close();
  const there = await written();
  assert.equal(there.length, 1000);
  assert.deepEqual(there.slice(998), [998, { i: 999 }]);
  const here: unknown[] = [];
  let closed = false;
  const own = new WritableStream({
    write: (chunk) => void here.push(chunk),
    close: () => void (closed = true),
  });
  await client.remote.writeTo(own, 1000);
  assert.equal(closed, true, "closing waits until the stream is closed");
  assert.deepEqual(here, Array.from({ length: 1000 }, (_, index) => index));
});

crossTest("writable streams: errors on both sides", async (t) => {
  await using client = await open(t);
  const failing = await client.remote.sink({ failAt: 3 });
  const writer = failing.stream.getWriter();
  await assert.rejects(
    (async () => {
      for (;;) await writer.write(1);
    })(),
    { name: "RangeError", message: "not the one after 3" },
  );
  const unclosable = (await client.remote.sink({ failClose: true })).stream.getWriter();
  await unclosable.write(1);
  await assert.rejects(unclosable.close(), { message: "can't be closed" });
  const aborted = await client.remote.sink();
  await aborted.stream.abort(new Error("enough of it"));
  await assert.rejects(aborted.written(), { message: "enough of it" });
  const reason = Promise.withResolvers<unknown>();
  await client.remote.abortAfterOne(new WritableStream({ abort: (why) => reason.resolve(why) }));
  assert.equal((await reason.promise as Error).message, "changed my mind");
});

crossTest("break, return and cancel reach the other side, in both directions", async (t) => {
  await using client = await open(t);
  const { remote } = client;
  for await (const value of remote.count(Infinity)) if (value === 10) break;
  await until(async () => (await remote.events()).join() === "signal,returned");
  await (await remote.countStream(1e9)).cancel("enough");
  await until(async () => (await remote.events()).includes("cancelled: enough"));
  const bytes = (await remote.bytes(1e12, 1000)).getReader();
  await bytes.read();
  await bytes.cancel(new Error("full"));
  await until(async () => (await remote.events()).includes("cancelled: full"));
  const events: string[] = [];
  assert.equal(await remote.readOne(counting(Infinity, events)), 0);
  await until(() => events.length > 0);
  assert.deepEqual(events, ["returned"]);
  let reason: unknown = "none";
  const stream = new ReadableStream({
    pull: (controller) => controller.enqueue(1),
    cancel: (why) => void (reason = why),
  });
  assert.equal(await remote.readOne(stream), 1);
  await until(() => reason !== "none");
});

crossTest("errors reach the reader, after what came before them, in both directions", async (t) => {
  await using client = await open(t);
  const seen: number[] = [];
  await assert.rejects(
    (async () => {
      for await (const value of client.remote.countAndFail(3)) seen.push(value);
    })(),
    (error: TypeError & { at: number }) => {
      assert.ok(error instanceof TypeError);
      assert.equal(error.message, "no more");
      assert.match(error.stack ?? "", /countAndFail/);
      assert.ok(error.cause instanceof RangeError);
      assert.equal(error.at, 3);
      return true;
    },
  );
  assert.deepEqual(seen, [0, 1, 2]);
  async function* failing() {
    yield 1;
    yield 2;
    throw new RangeError("mine");
  }
  const { sum, error } = await client.remote.sumUntilError(failing());
  assert.equal(sum, 3);
  assert.equal(error.name, "RangeError");
  assert.equal(error.message, "mine");
  async function* symbols() {
    yield Symbol("no codec carries it") as unknown as number;
  }
  assert.match((await client.remote.sumUntilError(symbols())).error.message, /can't be sent/);
});

crossTest("a call that fails or is given up takes its streams with it", async (t) => {
  await using client = await open(t);
  const events: string[] = [];
  await assert.rejects(client.remote.fail(counting(5, events)), { message: "not that one" });
  let reason: unknown;
  const stream = () =>
    new ReadableStream<number>({
      cancel: (why) => void (reason = why),
    });
  await assert.rejects(client.with({ timeout: 20 }).remote.hang(stream()), TimeoutError);
  // The method knows the deadline too, and may be the first to let go of the stream.
  await until(() => reason instanceof Error);
  reason = undefined;
  const controller = new AbortController();
  const call = client.with({ signal: controller.signal }).remote.hang(stream());
  controller.abort(new Error("no longer"));
  await assert.rejects(call, { message: "no longer" });
  await until(() => (reason as Error | undefined)?.message === "no longer");
});

crossTest("the signal of the call ends its streams after the answer, too", async (t) => {
  await using client = await open(t);
  const controller = new AbortController();
  const calls = client.with({ signal: controller.signal }).remote;
  const events: string[] = [];
  assert.equal(await calls.ignore(counting(5, events)), 1);
  const iterator = await calls.count(Infinity);
  assert.equal((await iterator.next()).value, 0);
  const stalled = (await calls.stall()).getReader();
  const reading = assert.rejects(stalled.read(), { message: "over" });
  controller.abort(new Error("over"));
  await reading;
  await assert.rejects(iterator.next(), { message: "over" });
  await until(async () => {
    const there = await client.remote.events();
    return there.includes("returned") && there.includes("stalled: over");
  });
});

crossTest("a slow reader holds its writer back, on both sides", async (t) => {
  const window = 64 << 10;
  await serveStreams(t.peer, t.name);
  await using client = await connect<StreamApi>(t.name, { streamWindowBytes: window });
  const reader = (await client.remote.bytes(1e12, 10_000)).getReader();
  await reader.read();
  await sleep(50);
  const produced = await client.remote.produced();
  assert.ok(produced <= 2 * window + 100_000, `${produced} bytes were produced`);
  await sleep(50);
  assert.equal(await client.remote.produced(), produced);
  await reader.cancel();
  const values = await client.remote.count(Infinity);
  await values.next();
  await sleep(50);
  const counted = await client.remote.produced();
  assert.ok(counted <= window / 256 + 10, `${counted} values were produced`);
  await values.return?.();
  let taken = 0;
  async function* own() {
    for (;;) {
      taken += 10_000;
      yield new Uint8Array(10_000);
    }
  }
  await client.remote.ignore(own());
  await sleep(20);
  assert.equal(taken, 0, "nobody reads it, so nothing is made");
});

crossTest("a stalled stream holds nobody up, whoever stalls", async (t) => {
  await using client = await open(t, { capacity: 4096 });
  const { remote } = client;
  const unread = (await remote.bytes(1e12, 100_000)).getReader();
  await unread.read();
  const silent = (await remote.stall()).getReader();
  const waiting = silent.read();
  await remote.ignore(patternStream(1e12));
  const { stream } = await remote.sink();
  for (let i = 0; i < 200; i++) assert.equal(await remote.add(i, 1), i + 1);
  assert.equal(client.sync.add(1, 2), 3);
  assert.equal(await checkPattern(await remote.bytes(1_000_000, 5000)), 1_000_000);
  assert.equal(await remote.sum(counting(2000)), sumTo(2000));
  await stream.abort();
  await silent.cancel();
  assert.equal((await waiting).done, true);
  await unread.cancel();
});

crossTest("two hundred streams at once, of values and bytes, both ways", async (t) => {
  await using client = await open(t);
  const { remote } = client;
  const results = Array.from({ length: 200 }, async (_, index) => {
    switch (index % 4) {
      case 0:
        return (await collect(remote.count(200))).length === 200;
      case 1:
        return await remote.sum(counting(200)) === sumTo(200);
      case 2:
        return await checkPattern(await remote.bytes(300_000, 7000)) === 300_000;
      default:
        return await remote.check(patternStream(300_000, 7000)) === 300_000;
    }
  });
  assert.deepEqual(await Promise.all(results), Array(200).fill(true));
});

crossTest("a peer is killed in the middle: readers and writers are told", async (t) => {
  const server = t.start();
  await serveStreams(server, t.name);
  await using client = await connect<StreamApi>(t.name, { reconnect: false });
  const { remote } = client;
  const iterator = await remote.count(1e9);
  await iterator.next();
  const stalled = (await remote.stall()).getReader();
  const reading = assert.rejects(stalled.read(), PeerGoneError);
  const writer = (await remote.sink()).stream.getWriter();
  await writer.write(1);
  const events: string[] = [];
  async function* own() {
    events.push("started");
    yield* counting(Infinity, events);
  }
  const counted = remote.sum(own());
  counted.catch(() => {});
  await until(() => events.includes("started"));
  server.kill("SIGKILL");
  await reading;
  await assert.rejects(counted, PeerGoneError);
  await assert.rejects(
    (async () => {
      for (;;) await iterator.next();
    })(),
    PeerGoneError,
  );
  await assert.rejects(writer.write(2), PeerGoneError);
  await assert.rejects(writer.closed, PeerGoneError);
  await until(() => events.includes("returned"));
  await server.ended;
});

crossTest("a client is killed in the middle: the server's streams end", async (t) => {
  const events: string[] = [];
  const ended = Promise.withResolvers<unknown>();
  await using server = await serve(t.name, {
    count: () => counting(1e9, events),
    drain: async (stream: AsyncIterable<number>) => {
      try {
        for await (const _ of stream);
      } catch (error) {
        ended.resolve(error);
      }
    },
  });
  const client = t.start();
  await client.run(async ({ ipc, kept }, name: string) => {
    const client = await ipc.connect<
      { count(): AsyncIterable<number>; drain(stream: AsyncIterable<number>): Promise<void> }
    >(name);
    kept.iterator = await client.remote.count();
    await kept.iterator.next();
    async function* forever() {
      for (;;) yield 1;
    }
    client.remote.drain(forever()).catch(() => {});
    await client.remote.count();
  }, t.name);
  client.kill("SIGKILL");
  assert.ok(await ended.promise instanceof PeerGoneError);
  await until(() => events.includes("returned"));
  await until(() => server.connections === 0);
});

crossTest("closing the client ends its streams", async (t) => {
  const client = await open(t);
  const stalled = (await client.remote.stall()).getReader();
  const reading = assert.rejects(stalled.read(), ClosedError);
  const events: string[] = [];
  await client.remote.ignore(counting(3, events));
  await client.close();
  await reading;
  await using second = await connect<StreamApi>(t.name);
  await until(async () => (await second.remote.events()).some((each) => /^stalled: /.test(each)));
});

crossTest("streams that nobody holds any longer are stopped", async (t) => {
  // The peer can collect garbage, the test's process may not be able to.
  let stopped = 0;
  await using _server = await serve(`${t.name}-back`, {
    give: () => counting(1e9, { push: () => ++stopped } as unknown as string[]),
    stopped: () => stopped,
  });
  await t.peer.run(async ({ ipc, use, kept, sleep, collectGarbage }, name: string) => {
    kept.client = use(
      await ipc.connect<{ give(): AsyncIterable<number>; stopped(): number }>(name),
    );
    await (async () => {
      for (let i = 0; i < 20; i++) await (await kept.client.remote.give()).next();
    })();
    for (let tries = 0; tries < 200; tries++) {
      await collectGarbage();
      // What the stack or a register still holds may stay.
      if (await kept.client.remote.stopped() >= 15) return;
      await sleep(5);
    }
    throw new Error(`only ${await kept.client.remote.stopped()} of 20 were stopped`);
  }, `${t.name}-back`);
});

crossTest("a read that waits keeps a process alive, an idle stream doesn't", async (t) => {
  const stalled = () => new ReadableStream({ start() {} });
  const server = await serve(t.name, { stall: stalled, take: (stream: unknown) => void stream });
  const idle = t.start();
  await idle.run(async ({ ipc, kept }, name: string) => {
    const client = await ipc.connect<Pick<StreamApi, "stall"> & { take(s: unknown): void }>(name);
    kept.stream = await client.remote.stall();
    await client.remote.take(new ReadableStream({ start() {} }));
  }, t.name);
  idle.leave();
  assert.deepEqual(await idle.ended, { code: 0, signal: null });
  const reading = t.start();
  await reading.run(async ({ ipc }, name: string) => {
    const client = await ipc.connect<Pick<StreamApi, "stall">>(name, { reconnect: false });
    const reader = (await client.remote.stall()).getReader();
    reader.read().catch(() => {});
  }, t.name);
  reading.leave();
  const early = await Promise.race([sleep(200), reading.ended]);
  assert.equal(early, undefined, "it ended");
  await server.close();
  assert.deepEqual(await reading.ended, { code: 0, signal: null });
});

crossTest("blocking calls: a stream as result, none as argument", async (t) => {
  await using client = await open(t);
  const iterator = client.sync.count(3);
  assert.deepEqual(await collect(iterator), [0, 1, 2]);
  const events: string[] = [];
  assert.throws(() => client.sync.sum(counting(3, events)), ArgumentError);
  assert.equal(client.sync.add(1, 2), 3);
});

crossTest("functions take and give streams", async (t) => {
  const server = t.name;
  await t.peer.run(async ({ ipc, use }, name: string) => {
    use(
      await ipc.serve(name, {
        async through(make: (n: number) => Promise<AsyncIterable<number>>) {
          let sum = 0;
          for await (const each of await make(100)) sum += each;
          return sum;
        },
      }),
    );
  }, server);
  await using client = await connect<
    { through(make: (n: number) => AsyncIterable<number>): Promise<number> }
  >(server);
  assert.equal(await client.remote.through((n) => counting(n)), sumTo(100));
});

crossTest("the JSON codec carries no streams, and says so", async (t) => {
  await t.peer.run(async ({ ipc, use }, name: string) => {
    use(
      await ipc.serve(name, {
        take: () => 1,
        give: () => new ReadableStream(),
      }, { codec: ipc.json }),
    );
  }, t.name);
  await using client = await connect<
    { take(stream: unknown): number; give(): ReadableStream }
  >(t.name, { codec: json });
  await assert.rejects(client.remote.take(counting(1)), CodecError);
  await assert.rejects(client.remote.give(), { code: "CODEC" });
});

crossTest("RpcServer and RpcClient: bytes, nothing, or a stream, each way", async (t) => {
  await t.peer.run(async ({ ipc, use }, name: string) => {
    use(
      await ipc.RpcServer.open(name, {
        onRequest(payload) {
          if (payload === undefined) return undefined;
          if (payload.length === 1) throw new Error("one byte is too little");
          return new ReadableStream({
            start(controller) {
              for (let i = 0; i < 100; i++) controller.enqueue(payload);
              controller.close();
            },
          });
        },
        async onStream(stream) {
          const reader = stream.getReader();
          const first = await reader.read();
          if (first.done) return undefined;
          reader.releaseLock();
          async function* again() {
            yield first.value!;
            yield* stream;
          }
          return first.value.length < 10 ? first.value : again();
        },
      }),
    );
  }, t.name);
  await using client = await RpcClient.open(t.name);
  assert.equal(await client.request(), undefined);
  assert.equal(await client.stream(), undefined);
  assert.equal((await client.request(new Uint8Array(1000)))?.length, 100_000, "joined");
  let received = 0;
  for await (const bytes of (await client.stream(new Uint8Array(1000)))!) received += bytes.length;
  assert.equal(received, 100_000);
  await assert.rejects(client.request(new Uint8Array(1)), { message: "one byte is too little" });
  assert.equal(await checkPattern((await client.stream(patternStream(5_000_000)))!), 5_000_000);
  async function* one() {
    yield new Uint8Array([1, 2, 3]);
  }
  assert.deepEqual([...(await client.request(one()))!], [1, 2, 3]);
  assert.equal(await client.request(new ReadableStream({ start: (c) => c.close() })), undefined);
  assert.throws(() => client.requestSync(new Uint8Array(5)), ArgumentError);
  await using small = await RpcClient.open(t.name, { maxMessageBytes: 50_000 });
  await assert.rejects(small.request(new Uint8Array(1000)), { code: "MESSAGE_TOO_LARGE" });
  async function* noBytes() {
    yield "text" as unknown as Uint8Array;
  }
  await assert.rejects(client.request(noBytes()), { code: "CODEC" });
});

peersEnd();
