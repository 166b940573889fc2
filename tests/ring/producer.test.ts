import assert from "node:assert/strict";
import { test } from "node:test";
import { CorruptSegmentError } from "../../src/errors.ts";
import {
  maxPayload,
  RECORD_HEADER,
  recordBytes,
  RecordHeader,
  RecordKind,
} from "../../src/ring/record.ts";
import type { RingProducer } from "../../src/ring/producer.ts";
import { pattern, TestRing, write } from "../support/ring.ts";
import { Random } from "../support/random.ts";

const CAPACITY = 4096;
const EMPTY = new Uint8Array(0);
/** Where positions wrap, and around it. */
const STARTS = [0, 16, 4080, 0x7fff_fff0, 0x8000_0000, 0xffff_f000, 0xffff_fff0];

test("a record is in memory as it is drawn", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  ring.data.fill(0xff);
  const payload = pattern(13, 1);
  assert.ok(
    producer.write(
      RecordHeader.of({
        kind: 2,
        flags: 0x81,
        method: 0xfffe,
        correlation: 0xdead_beef,
        extra: 0x1234_5678,
      }),
      payload,
      2,
      13,
    ),
  );
  assert.equal(ring.word(0), 11 + 1);
  assert.equal(ring.word(4), (2 | (0x81 << 8) | (0xfffe << 16)) >>> 0);
  assert.equal(ring.word(8), 0xdead_beef);
  assert.equal(ring.word(12), 0x1234_5678);
  assert.deepEqual([...ring.data.subarray(16, 27)], [...payload.subarray(2)]);
  assert.equal(ring.word(32), 0, "what was behind it isn't taken for a record");
});

test("a record that ends where the ring ends needs no pad", () => {
  using ring = new TestRing(CAPACITY, CAPACITY - 64);
  const producer = ring.producer();
  ring.data.fill(0xff);
  assert.ok(write(producer, pattern(64 - RECORD_HEADER, 0)));
  assert.equal(ring.word(CAPACITY - 64), 64 - RECORD_HEADER + 1);
  assert.equal(ring.word(0), 0);
});

test("a pad fills the end of the ring, of whatever size", () => {
  for (let rest = 8; rest <= 1016; rest += 8) {
    using ring = new TestRing(CAPACITY, CAPACITY - rest);
    const producer = ring.producer();
    ring.data.fill(0xff);
    const length = Math.max(0, rest - RECORD_HEADER + 1);
    assert.ok(write(producer, pattern(length, rest)));
    assert.equal(ring.word(CAPACITY - rest), rest - 8 + 1);
    assert.equal(ring.word(CAPACITY - rest + 4) & 0xff, RecordKind.pad);
    assert.equal(ring.word(0), length + 1);
    assert.equal(ring.word(recordBytes(length)), 0);
  }
});

/** Records of nothing but their header that a ring holds; the gap takes the place of one. */
const MOST = CAPACITY / RECORD_HEADER - 1;

/** Fills a ring and returns where its producer is. */
function fill(producer: RingProducer, start: number): number {
  let written = 0;
  while (write(producer, EMPTY)) written++;
  assert.equal(written, MOST);
  return (start + MOST * RECORD_HEADER) >>> 0;
}

test("a full ring takes nothing and is left as it was", () => {
  for (const start of STARTS) {
    using ring = new TestRing(CAPACITY, start);
    const producer = ring.producer();
    fill(producer, start);
    const before = ring.segment.bytes.slice();
    assert.equal(write(producer, pattern(100, 1)), false);
    assert.equal(producer.hasRoomFor(0), false);
    assert.deepEqual(ring.segment.bytes, before);
    ring.setHead(start + RECORD_HEADER);
    assert.ok(write(producer, EMPTY), "there is room for exactly what was read");
    assert.equal(write(producer, EMPTY), false);
  }
});

test("what isn't read yet is never overwritten, whatever is written", () => {
  const random = new Random();
  for (let round = 0; round < 200; round++) {
    const start = random.pick(STARTS);
    using ring = new TestRing(CAPACITY, start);
    const producer = ring.producer();
    const consumer = ring.consumer();
    const salts: number[] = [];
    for (let salt = 0; write(producer, pattern(random.below(300), salt), salt); salt++) {
      salts.push(salt);
    }
    for (let i = 0; i < 20; i++) assert.equal(write(producer, pattern(300, i)), false);
    for (const salt of salts) {
      assert.ok(consumer.next());
      assert.equal(consumer.correlation, salt);
      assert.deepEqual(consumer.take(), pattern(consumer.length, salt));
    }
    assert.equal(consumer.next(), false);
  }
});

test("a record that would need a pad and its own room is refused as a whole", () => {
  using ring = new TestRing(CAPACITY, 32);
  const producer = ring.producer();
  // Up to 16 bytes before the end of the ring; 32 more are free at its beginning.
  for (let at = 32; at < CAPACITY - 16; at += RECORD_HEADER) assert.ok(write(producer, EMPTY));
  const before = ring.segment.bytes.slice();
  assert.equal(write(producer, pattern(9, 1)), false, "16 of pad, 32 and the gap");
  assert.deepEqual(ring.segment.bytes, before);
  assert.ok(write(producer, pattern(8, 1)), "16 of pad, 24 and the gap");
  assert.equal(write(producer, EMPTY), false);
});

test("hasRoomFor says what write does", () => {
  const random = new Random();
  using ring = new TestRing(CAPACITY, 0xffff_0000);
  const producer = ring.producer();
  const consumer = ring.consumer();
  for (let i = 0; i < 20_000; i++) {
    const length = random.below(maxPayload(CAPACITY) + 1);
    const expected = producer.hasRoomFor(length);
    assert.equal(write(producer, pattern(length, i)), expected);
    for (let reads = random.below(3); reads > 0; reads--) consumer.next();
  }
});

test("a head that can't be is CorruptSegmentError, and nothing is written", () => {
  const bad = (tail: number): number[] => [
    tail + 8, // ahead of the producer
    tail - CAPACITY - 8, // more behind than the ring is long
    tail + 1, // no multiple of 8
    tail - 4,
    tail + 0x8000_0000,
  ];
  for (const start of STARTS) {
    for (let which = 0; which < 5; which++) {
      using ring = new TestRing(CAPACITY, start);
      const producer = ring.producer();
      const tail = fill(producer, start);
      ring.setHead(bad(tail)[which]!);
      const before = ring.segment.bytes.slice();
      assert.throws(() => write(producer, EMPTY), CorruptSegmentError);
      assert.throws(() => producer.hasRoomFor(0), CorruptSegmentError);
      assert.deepEqual(ring.segment.bytes, before);
    }
  }
});

test("a head that goes back costs room, and overwrites nothing", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  fill(producer, 0);
  ring.setHead(960);
  assert.ok(write(producer, EMPTY));
  ring.setHead(480);
  const before = ring.segment.bytes.slice();
  assert.throws(() => {
    while (write(producer, EMPTY));
  }, CorruptSegmentError);
  // What was free by the first word of the consumer may be used, and nothing else.
  assert.deepEqual(ring.data.subarray(960), before.subarray(4096 + 960, 4096 + CAPACITY));
});

test("a position that is no multiple of 8 is refused from the start", () => {
  for (const head of [1, 4, 4092, 0xffff_fffc]) {
    using ring = new TestRing(CAPACITY, head);
    assert.throws(() => ring.producer(), CorruptSegmentError);
    assert.throws(() => ring.consumer(), CorruptSegmentError);
  }
});

test("isHalfFree when the consumer has read half of the ring", () => {
  for (const start of STARTS) {
    using ring = new TestRing(CAPACITY, start);
    const producer = ring.producer();
    assert.ok(producer.isHalfFree());
    const tail = fill(producer, start);
    ring.setHead(tail - CAPACITY / 2 - 8);
    assert.equal(producer.isHalfFree(), false);
    ring.setHead(tail - CAPACITY / 2);
    assert.ok(producer.isHalfFree());
  }
});

test("the consumer's flag is taken once, the producer's is set", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  const consumer = ring.consumer();
  assert.equal(producer.takeConsumerWaiting(), false);
  consumer.setWaiting();
  assert.equal(producer.takeConsumerWaiting(), true);
  assert.equal(producer.takeConsumerWaiting(), false);
  assert.equal(consumer.takeProducerWaiting(), false);
  producer.setWaiting();
  assert.equal(consumer.takeProducerWaiting(), true);
  assert.equal(consumer.takeProducerWaiting(), false);
});

test("a closed segment is an exception, not a crash", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  const consumer = ring.consumer();
  ring.segment.close();
  assert.throws(() => write(producer, EMPTY), TypeError);
  assert.throws(() => consumer.next(), TypeError);
  assert.throws(() => producer.takeConsumerWaiting(), TypeError);
});
