import assert from "node:assert/strict";
import { test } from "node:test";
import { CorruptSegmentError } from "../../src/errors.ts";
import { ConnectionLayout } from "../../src/memory/layout.ts";
import type { RingConsumer } from "../../src/ring/consumer.ts";
import {
  maxPayload,
  recordBytes,
  RecordFlag,
  RecordHeader,
  RecordKind,
} from "../../src/ring/record.ts";
import { Random } from "../support/random.ts";
import { pattern, TestRing, write } from "../support/ring.ts";

const CAPACITY = 4096;
const LARGE_RING = 65536;
const EMPTY = new Uint8Array(0);

/** All records that are there, as their payloads. */
function drain(consumer: RingConsumer): Uint8Array[] {
  const records: Uint8Array[] = [];
  while (consumer.next()) records.push(consumer.take());
  return records;
}

test("an empty ring has no record", () => {
  using ring = new TestRing(CAPACITY);
  const consumer = ring.consumer();
  assert.equal(consumer.next(), false);
  assert.equal(consumer.hasMore(), false);
});

test("every field arrives", () => {
  using ring = new TestRing(CAPACITY);
  const consumer = ring.consumer();
  ring.producer().write(
    RecordHeader.of({
      kind: 7,
      flags: 0xff,
      method: 0xffff,
      correlation: 0xffff_ffff,
      extra: 0x8000_0001,
    }),
    pattern(5, 1),
    0,
    5,
  );
  assert.equal(consumer.hasMore(), true);
  assert.ok(consumer.next());
  const { kind, flags, method, correlation, extra, length } = consumer;
  assert.deepEqual(
    { kind, flags, method, correlation, extra, length },
    {
      kind: 7,
      flags: 0xff,
      method: 0xffff,
      correlation: 0xffff_ffff,
      extra: 0x8000_0001,
      length: 5,
    },
  );
  assert.deepEqual([...consumer.take()], [...pattern(5, 1)]);
  assert.equal(consumer.next(), false);
});

for (const [capacity, start] of [[CAPACITY, 0], [CAPACITY, 0xffff_f800], [LARGE_RING, 8]]) {
  test(`every payload size, ring of ${capacity} from position ${start}`, () => {
    using ring = new TestRing(capacity!, start);
    const producer = ring.producer();
    const consumer = ring.consumer();
    const max = maxPayload(capacity!);
    for (let length = 0; length <= max; length += length > 6000 && length < max - 40 ? 13 : 1) {
      assert.ok(write(producer, pattern(length, length), length));
      assert.ok(consumer.next());
      assert.equal(consumer.correlation, length);
      assert.ok(equal(consumer.take(), pattern(length, length)), `payload of ${length} bytes`);
      assert.equal(consumer.next(), false);
      assert.equal(producer.isHalfFree(), true, "its room is given back");
    }
  });
}

test("a batch holds many records, whose room is given back when all are read", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  const consumer = ring.consumer();
  for (let i = 0; i < 50; i++) assert.ok(write(producer, pattern(i, i), i));
  let bytes = 0;
  for (let i = 0; i < 50; i++) bytes += recordBytes(i);
  assert.ok(consumer.next());
  for (let i = 0; i < 50; i++) {
    assert.equal(consumer.correlation, i);
    assert.deepEqual([...consumer.take()], [...pattern(i, i)]);
    assert.equal(consumer.hasMore(), i < 49);
    assert.equal(consumer.next(), i < 49);
  }
  assert.equal(ring.head, bytes);
});

test("room is given back before the end when it is an eighth of the ring", () => {
  using ring = new TestRing(LARGE_RING);
  const producer = ring.producer();
  const consumer = ring.consumer();
  let written = 0;
  while (write(producer, pattern(8000, written))) written++;
  for (let i = 0; i < 3; i++) assert.ok(consumer.next());
  assert.ok(ring.head >= recordBytes(8000));
  assert.ok(write(producer, pattern(8000, written)));
});

test("release gives the room of what was read back at once", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  const consumer = ring.consumer();
  assert.ok(write(producer, pattern(8, 1)));
  assert.ok(consumer.next());
  consumer.release();
  assert.equal(ring.head, recordBytes(8));
});

test("payloads that were taken never change", () => {
  const random = new Random();
  using ring = new TestRing(LARGE_RING, 0xffff_0000);
  const producer = ring.producer();
  const consumer = ring.consumer();
  const taken: { bytes: Uint8Array; length: number; salt: number }[] = [];
  for (let salt = 0; salt < 2000; salt++) {
    const length = random.below(salt % 10 === 0 ? 9000 : 200);
    assert.ok(write(producer, pattern(length, salt), salt));
    if (salt % 7 !== 0) continue;
    while (consumer.next()) {
      taken.push({ bytes: consumer.take(), length: consumer.length, salt: consumer.correlation });
    }
  }
  ring.data.fill(0xee);
  for (const { bytes, length, salt } of taken) assert.ok(equal(bytes, pattern(length, salt)));
});

test("whoever transfers a payload's memory harms nobody else", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  const consumer = ring.consumer();
  assert.ok(write(producer, pattern(10, 1)));
  assert.ok(consumer.next());
  (consumer.take().buffer as ArrayBuffer).transfer();
  assert.ok(write(producer, pattern(10, 2)));
  assert.ok(consumer.next());
  assert.deepEqual([...consumer.take()], [...pattern(10, 2)]);
});

test("a large payload has memory of its own", () => {
  using ring = new TestRing(LARGE_RING);
  const producer = ring.producer();
  const consumer = ring.consumer();
  assert.ok(write(producer, pattern(4096, 3)));
  assert.ok(consumer.next());
  const payload = consumer.take();
  assert.equal(payload.buffer.byteLength, 4096);
  ring.data.fill(0xee);
  assert.ok(equal(payload, pattern(4096, 3)));
});

test("a payload given in place is the ring itself, until the next", () => {
  using ring = new TestRing(LARGE_RING);
  const producer = ring.producer();
  const consumer = ring.consumer();
  consumer.borrow = true;
  assert.ok(write(producer, pattern(5000, 1)));
  assert.ok(write(producer, pattern(6000, 2)));
  assert.ok(write(producer, pattern(10, 3)));
  assert.ok(consumer.next());
  assert.equal(consumer.take().buffer, ring.segment.bytes.buffer);
  assert.ok(equal(consumer.take(), pattern(5000, 1)));
  consumer.release();
  assert.equal(ring.head, 0, "its room isn't given back yet");
  assert.ok(consumer.next());
  consumer.release();
  assert.ok(ring.head <= recordBytes(5000), "nor is the second's");
  assert.ok(equal(consumer.take(), pattern(6000, 2)));
  assert.ok(consumer.next());
  assert.deepEqual([...consumer.take()], [...pattern(10, 3)]);
  assert.equal(consumer.next(), false);
  assert.equal(ring.head, recordBytes(5000) + recordBytes(6000) + recordBytes(10));
});

test("of what is kept only whole messages are given in place", () => {
  using ring = new TestRing(LARGE_RING);
  const producer = ring.producer();
  const consumer = ring.consumer();
  consumer.borrow = true;
  const payload = pattern(5000, 1);
  for (
    const [kind, flags] of [
      [RecordKind.request, 0],
      [RecordKind.response, 0],
    ] as const
  ) {
    assert.ok(producer.write(RecordHeader.of({ kind, flags }), payload));
    assert.ok(consumer.next());
    assert.notEqual(consumer.take().buffer, ring.segment.bytes.buffer);
  }
});

test("pieces of messages are given in place: they are copied at once to where they belong", () => {
  using ring = new TestRing(LARGE_RING);
  const producer = ring.producer();
  const consumer = ring.consumer();
  const payload = pattern(5000, 1);
  for (
    const [kind, flags] of [
      [RecordKind.message, RecordFlag.more],
      [RecordKind.piece, RecordFlag.more],
      [RecordKind.piece, 0],
    ] as const
  ) {
    assert.ok(producer.write(RecordHeader.of({ kind, flags }), payload));
    assert.ok(consumer.next());
    assert.equal(consumer.take().buffer, ring.segment.bytes.buffer);
    assert.deepEqual(consumer.take(), payload);
  }
});

test("a ring that is given in place can be filled again after each", () => {
  using ring = new TestRing(LARGE_RING, 0xffff_f000);
  const producer = ring.producer();
  const consumer = ring.consumer();
  consumer.borrow = true;
  for (let salt = 0; salt < 200; salt++) {
    const length = 4096 + salt * 50;
    assert.ok(write(producer, pattern(length, salt)));
    assert.ok(consumer.next());
    assert.ok(equal(consumer.take(), pattern(length, salt)));
    assert.equal(consumer.next(), false);
  }
});

// ---------------------------------------------------------------- hostile producers

const MAX = maxPayload(CAPACITY);
const bad: { what: string; position?: number; header: number[] }[] = [
  { what: "record over the largest", header: [MAX + 2, 3] },
  { what: "large record over the largest", header: [CAPACITY + 1, 3] },
  { what: "length of 2^32 - 2", header: [0xffff_ffff, 3] },
  { what: "length of 2^32 - 16", header: [0xffff_fff1, 3] },
  { what: "length of 2^31", header: [0x8000_0001, 3] },
  { what: "record over the ring's end", position: 4064, header: [101, 3] },
  { what: "header over the ring's end", position: 4088, header: [1, 3] },
  { what: "pad in the middle", header: [9, 0] },
  { what: "pad of 2^32 - 8", header: [0xffff_fff9, 0] },
  { what: "pad that is too short", position: 4064, header: [17, 0] },
  { what: "pad that is too long", position: 4064, header: [33, 0] },
  { what: "pad of the whole ring", header: [CAPACITY - 8 + 1, 0] },
  { what: "pad larger than any record", position: 2048, header: [2048 - 8 + 1, 0] },
];

for (const { what, position = 0, header } of bad) {
  test(`hostile producer: ${what}`, () => {
    for (const base of [0, 0xffff_f000]) {
      using ring = new TestRing(CAPACITY, base + position);
      const consumer = ring.consumer();
      for (const [i, word] of header.entries()) ring.setWord(position + 4 * i, word);
      assert.throws(() => drain(consumer), CorruptSegmentError);
    }
  });
}

test("hostile producer: garbage behind good records", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  const consumer = ring.consumer();
  assert.ok(write(producer, pattern(10, 1)));
  assert.ok(write(producer, pattern(10, 2)));
  ring.setWord(32, 0x7fff_0000);
  assert.throws(() => drain(consumer), CorruptSegmentError);
});

test("hostile producer: a pad behind a pad", () => {
  using ring = new TestRing(CAPACITY, CAPACITY - 64);
  const consumer = ring.consumer();
  ring.setWord(CAPACITY - 64, 64 - 8 + 1);
  ring.setWord(0, CAPACITY - 8 + 1);
  assert.throws(() => drain(consumer), CorruptSegmentError);
});

test("hostile producer: a ring full of records is read for ever, but each look ends", () => {
  using ring = new TestRing(CAPACITY);
  const consumer = ring.consumer();
  for (let at = 0; at < CAPACITY; at += 16) {
    ring.setWord(at, 1);
    ring.setWord(at + 4, RecordKind.message);
  }
  for (let i = 0; i < 10_000; i++) assert.ok(consumer.next());
});

test("hostile producer: random words give records of the ring's bytes, or the error", () => {
  const random = new Random();
  const OUTSIDE = 0xee;
  for (let round = 0; round < 3000; round++) {
    const start = random.pick([0, 4064, 0xffff_f000, 0xffff_ffe0]);
    using ring = new TestRing(CAPACITY, start);
    ring.segment.bytes.subarray(ConnectionLayout.data + CAPACITY).fill(OUTSIDE);
    for (let i = 0; i < CAPACITY; i += 4) ring.setWord(i, garbage(random));
    const consumer = ring.consumer();
    consumer.borrow = round % 2 === 0;
    try {
      for (let i = 0; i < 1000 && consumer.next(); i++) {
        assert.ok(consumer.length <= MAX);
        assert.equal(consumer.take().length, consumer.length);
        assert.ok(!consumer.take().includes(OUTSIDE), "a payload from outside of the ring");
      }
    } catch (error) {
      assert.ok(error instanceof CorruptSegmentError, String(error));
    }
  }
});

/** Words that look like headers often enough. */
function garbage(random: Random): number {
  const word = random.below(4) === 0 ? random.u32() : random.below(40);
  // The mark of what is outside must not be inside.
  return (word & 0x7f7f_7f7f) >>> 0;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

test("a record of nothing but its header", () => {
  using ring = new TestRing(CAPACITY, 0xffff_fff0);
  const producer = ring.producer();
  const consumer = ring.consumer();
  for (let i = 0; i < 300; i++) assert.equal(write(producer, EMPTY, i), i < 255);
  assert.equal(drain(consumer).length, 255);
});
