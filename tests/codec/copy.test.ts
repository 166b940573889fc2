// What is sent is what the bytes were at the time of the call: of a Uint8Array, of a Node
// Buffer, whose `slice()` copies nothing, and of a codec that uses its memory again.

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bytes,
  Channel,
  Publisher,
  Queue,
  ReadBuffer,
  Receiver,
  RpcClient,
  RpcServer,
  Sender,
  Subscriber,
} from "../../mod.ts";
import type { Codec } from "../../mod.ts";
import { copyBytes } from "../../src/codec/copy.ts";
import { Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

const SIZE = 4000;
const TIME = { timeout: 30_000 };
const kinds: Record<string, (size: number) => Uint8Array> = {
  Uint8Array: (size) => new Uint8Array(size),
  Buffer: (size) => Buffer.alloc(size),
};

/** What each message should hold: its number, in all bytes. */
function check(got: Uint8Array | undefined, n: number): void {
  assert.deepEqual([got?.length, got?.[0], got?.[SIZE - 1]], [SIZE, n & 0xff, n & 0xff]);
}

/** Fills one memory with each number in turn, uses it, and spoils it at the end. */
async function reuse(
  memory: Uint8Array,
  count: number,
  use: (memory: Uint8Array, n: number) => unknown,
): Promise<void> {
  const all: unknown[] = [];
  for (let n = 0; n < count; n++) all.push(use(memory.fill(n & 0xff), n));
  memory.fill(0xee);
  await within(Promise.all(all), "sending");
}

/** A codec with one memory for all its messages. */
function reusing(memory: Uint8Array): Codec {
  return {
    name: "reusing",
    encode: (value) => memory.fill((value as number) & 0xff),
    decode: (payload) => copyBytes(payload),
  };
}

for (const [kind, make] of Object.entries(kinds)) {
  test(`${kind}: a copy has memory of its own`, () => {
    const original = make(8).subarray(2, 6).fill(7);
    const copy = copyBytes(original);
    original.fill(1);
    assert.deepEqual([...copy], [7, 7, 7, 7]);
    assert.equal(copy.buffer.byteLength, 4);
    assert.equal(Object.getPrototypeOf(copy), Uint8Array.prototype);
    const source = make(4).fill(5);
    const read = new ReadBuffer(source).bytes(4);
    source.fill(6);
    assert.deepEqual([...read], [5, 5, 5, 5]);
  });

  test(`${kind}: a channel with a full ring, and without a partner`, async () => {
    using scratch = new Scratch();
    const got: (Uint8Array | undefined)[] = [];
    const options = { directory: scratch.path, capacity: 65536 };
    const a = await Channel.open("name", options);
    await reuse(make(SIZE), 10, (memory) => a.send(memory));
    const b = await Channel.open("name", {
      ...options,
      onMessage: (message) => void got.push(message),
      onRequest: (message) => message,
    });
    await until(() => got.length === 10, "what waited for the partner arrives");
    await reuse(make(SIZE), 100, (memory) => a.send(memory));
    await until(() => got.length === 110, "all arrives");
    for (let n = 0; n < 110; n++) check(got[n], n < 10 ? n : n - 10);
    await reuse(make(SIZE), 100, (memory, n) => {
      return a.request(memory, TIME).then((answer) => check(answer, n));
    });
    await a.close();
    await b.close();
  });

  test(`${kind}: answers of a server that has one memory for all`, async () => {
    using scratch = new Scratch();
    const memory = make(SIZE);
    const options = { directory: scratch.path, capacity: 65536 };
    const server = await RpcServer.open("name", {
      ...options,
      onRequest: (request) => memory.fill(request![0]!),
    });
    const client = await RpcClient.open("name", options);
    await reuse(make(1), 100, async (request, n) => check(await client.request(request, TIME), n));
    await client.close();
    await server.close();
  });

  test(`${kind}: a full queue`, async () => {
    using scratch = new Scratch();
    const options = { codec: bytes, capacity: 1 << 18, directory: scratch.path };
    const queue = await Queue.open("name", options);
    const sent = reuse(make(SIZE), 100, (memory) => queue.enqueue(memory, TIME));
    for (let n = 0; n < 100; n++) check(await queue.dequeue(TIME) as Uint8Array, n);
    await sent;
    const list = Array.from({ length: 100 }, (_, n) => make(SIZE).fill(n));
    const many = queue.enqueueMany(list, TIME);
    for (const each of list) each.fill(0xee);
    for (let n = 0; n < 100; n++) check(await queue.dequeue(TIME) as Uint8Array, n);
    await many;
    await queue.close();
  });

  test(`${kind}: a list that is made on the way, in one memory`, async () => {
    using scratch = new Scratch();
    const queue = await Queue.open("name", { codec: bytes, directory: scratch.path });
    const memory = make(SIZE);
    function* numbers(): Generator<Uint8Array> {
      for (let n = 0; n < 5; n++) yield memory.fill(n);
    }
    await queue.enqueueMany(numbers(), TIME);
    for (let n = 0; n < 5; n++) check(await queue.dequeue(TIME) as Uint8Array, n);
    await queue.close();
    const mine = await Queue.open("mine", { codec: reusing(memory), directory: scratch.path });
    await mine.enqueueMany([0, 1, 2], TIME);
    for (let n = 0; n < 3; n++) check(await mine.dequeue(TIME) as Uint8Array, n);
    await mine.close();
  });

  test(`${kind}: a full pipe, of bytes and of a codec's memory`, async () => {
    using scratch = new Scratch();
    const memory = make(SIZE);
    for (const codec of [bytes, reusing(memory)] as Codec[]) {
      const options = { codec, messageBytes: SIZE, capacity: 4, directory: scratch.path };
      const sender = await Sender.open(codec.name, options);
      const receiver = await Receiver.open(codec.name, { codec, directory: scratch.path });
      const sent = reuse(make(SIZE), 20, (given, n) => {
        return sender.send(codec.name === "bytes" ? given : n, TIME);
      });
      memory.fill(0xee);
      for (let n = 0; n < 20; n++) check(await receiver.receive(TIME) as Uint8Array, n);
      await sent;
      await sender.close();
      await receiver.close();
    }
  });

  test(`${kind}: a topic that is held back`, async () => {
    using scratch = new Scratch();
    const memory = make(SIZE);
    for (const codec of [bytes, reusing(memory)] as Codec[]) {
      const valueOf = (given: Uint8Array, n: number): never =>
        (codec.name === "bytes" ? given : n) as never;
      const options = { codec, directory: scratch.path };
      const publisher = await Publisher.open(codec.name, { ...options, capacity: 16384 });
      const subscriber = await Subscriber.open(codec.name, options);
      await subscriber.ready();
      const sent = reuse(make(SIZE), 20, (given, n) => publisher.publish(valueOf(given, n), TIME));
      memory.fill(0xee);
      for (let n = 0; n < 20; n++) check(await subscriber.receive(TIME) as Uint8Array, n);
      await sent;
      const list = Array.from({ length: 20 }, (_, n) => make(SIZE).fill(n));
      const many = publisher.publishMany(list.map(valueOf), TIME);
      for (const each of list) each.fill(0xee);
      memory.fill(0xee);
      for (let n = 0; n < 20; n++) check(await subscriber.receive(TIME) as Uint8Array, n);
      await many;
      const parts = reuse(make(SIZE), 20, (given) => {
        return publisher.publishParts([given.subarray(0, 1), given], TIME);
      });
      for (let n = 0; n < 20; n++) {
        const [first, second] = await subscriber.receive(TIME) as unknown as Uint8Array[];
        assert.deepEqual([...first!], [n]);
        check(second, n);
      }
      await parts;
      await publisher.close();
      await subscriber.close();
    }
  });
}
