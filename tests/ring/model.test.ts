// Both ends against a list: whatever is written comes out, in order, byte by byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { RingConsumer } from "../../src/ring/consumer.ts";
import { maxPayload, RecordHeader, RecordKind } from "../../src/ring/record.ts";
import { Random, seed } from "../support/random.ts";
import { pattern, TestRing } from "../support/ring.ts";
import { within } from "../support/watchdog.ts";

interface Expected {
  kind: number;
  flags: number;
  method: number;
  extra: number;
  length: number;
  salt: number;
}

const kinds = [RecordKind.request, RecordKind.response, RecordKind.message, RecordKind.piece];

for (const capacity of [4096, 8192, 65536, 1 << 20]) {
  for (const start of [0, 0xffff_8000]) {
    test(`random records through a ring of ${capacity} from ${start} (seed ${seed})`, () => {
      const random = new Random(seed + capacity);
      using ring = new TestRing(capacity, start);
      const producer = ring.producer();
      const consumer = ring.consumer();
      const expected: Expected[] = [];
      for (let salt = 0, bytes = 0; bytes < 40 * capacity && salt < 20_000;) {
        for (let burst = random.below(40); burst > 0; burst--) {
          const length = size(random, capacity);
          const record = {
            kind: random.pick(kinds),
            flags: random.below(8),
            method: random.below(0x10000),
            extra: random.u32(),
            length,
            salt,
          };
          const { kind, flags, method, extra } = record;
          const from = random.below(3);
          const payload = new Uint8Array(from + length + random.below(3));
          payload.set(pattern(length, salt), from);
          if (
            !producer.write(
              RecordHeader.of({ kind, flags, method, correlation: salt, extra }),
              payload,
              from,
              from + length,
            )
          ) {
            break;
          }
          expected.push(record);
          salt++;
          bytes += length;
        }
        consumer.borrow = random.below(2) === 0;
        for (let burst = random.below(40); burst > 0 && consumer.next(); burst--) {
          check(consumer, expected.shift()!);
        }
      }
      while (consumer.next()) check(consumer, expected.shift()!);
      assert.equal(expected.length, 0);
      assert.ok(producer.isHalfFree());
    });
  }
}

function size(random: Random, capacity: number): number {
  const max = maxPayload(capacity);
  return random.pick([0, random.below(64), random.below(1000), max, random.below(max + 1)]) %
    (max + 1);
}

function check(
  record: RingConsumer,
  expected: Expected,
): void {
  assert.equal(record.correlation, expected.salt);
  assert.equal(record.kind, expected.kind);
  assert.equal(record.flags, expected.flags);
  assert.equal(record.method, expected.method);
  assert.equal(record.extra, expected.extra);
  const payload = record.take();
  const wanted = pattern(expected.length, expected.salt);
  assert.equal(payload.length, wanted.length);
  assert.ok(payload.every((byte, i) => byte === wanted[i]), `record ${expected.salt}`);
}

test(`a producer on another thread (seed ${seed})`, async () => {
  const count = 10_000;
  using ring = new TestRing(16384, 0xffff_f000);
  const random = new Random(seed);
  const consumer = ring.consumer();
  const worker = new Worker(new URL("./producer_worker.ts", import.meta.url), {
    workerData: { path: ring.segment.path, capacity: ring.capacity, seed, count },
  });
  const failed = new Promise<never>((_, reject) => worker.once("error", reject));
  failed.catch(() => {});
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  let next = 0;
  while (next < count) {
    for (let looks = 0; looks < 500 && next < count; looks++) {
      if (!consumer.next()) continue;
      const length = random.below(maxPayload(ring.capacity) + 1);
      const payload = consumer.take();
      assert.equal(consumer.correlation, next);
      assert.equal(payload.length, length);
      assert.ok(payload.every((byte) => byte === (next & 0xff)), `record ${next}`);
      next++;
    }
    await within(Promise.race([failed, pause()]), "a turn");
  }
  await within(exited, "the end of the worker");
});

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
