import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteQueue } from "../../src/connection/byte_queue.ts";
import { Random, seed } from "../support/random.ts";

test(`what goes in comes out, in order (seed ${seed})`, () => {
  const random = new Random(seed);
  const queue = new ByteQueue();
  let written = 0;
  let read = 0;
  const check = (bytes: Uint8Array): void => {
    for (const byte of bytes) assert.equal(byte, read++ & 0xff);
  };
  for (let step = 0; step < 3000; step++) {
    const bytes = new Uint8Array(random.below(random.pick([10, 9000])));
    for (let i = 0; i < bytes.length; i++) bytes[i] = written++;
    queue.push(bytes);
    bytes.fill(0);
    if (random.below(2) === 0 && queue.length > 0) {
      check(queue.take());
    } else if (random.below(2) === 0) {
      const target = new Uint8Array(random.below(20_000));
      check(target.subarray(0, queue.copyTo(target)));
    }
    assert.equal(queue.length, written - read);
  }
  while (queue.length > 0) check(queue.take());
  assert.equal(read, written);
});

test("what was taken isn't written again", () => {
  const queue = new ByteQueue();
  queue.push(new Uint8Array(1000).fill(1));
  const first = queue.take();
  for (let i = 0; i < 100; i++) {
    queue.push(new Uint8Array(100_000).fill(2));
    queue.copyTo(new Uint8Array(100_000));
  }
  assert.deepEqual(first, new Uint8Array(1000).fill(1));
});

test("a trickle takes little memory", () => {
  const queue = new ByteQueue();
  for (let i = 0; i < 10; i++) {
    queue.push(new Uint8Array(10));
    assert.ok(queue.take().buffer.byteLength <= 256);
  }
});

test("what is cleared is gone", () => {
  const queue = new ByteQueue();
  queue.push(new Uint8Array(200_000));
  queue.clear();
  assert.equal(queue.length, 0);
  assert.equal(queue.copyTo(new Uint8Array(10)), 0);
  queue.push(new Uint8Array([1, 2]));
  assert.deepEqual([...queue.take()], [1, 2]);
});
