import assert from "node:assert/strict";
import { test } from "node:test";
import { CorruptSegmentError } from "../../src/errors.ts";
import { LagPolicy, PublisherLayout, SubscriberSlot, Wanted } from "../../src/memory/layout.ts";
import { BroadcastConsumer, splitParts } from "../../src/ring/broadcast_consumer.ts";
import { partsLength } from "../../src/ring/broadcast_producer.ts";
import { DATA, slotAt, world } from "../support/broadcast_ring.ts";

test("a subscriber that stands still loses exactly what was dropped", () => {
  using w = world(4096);
  const reader = w.add(0, LagPolicy.dropOldest);
  for (let i = 0; i < 10_000; i++) assert.ok(w.producer.write(Uint8Array.of(i, i >> 8)));
  let got = 0;
  let lost = 0;
  let expected = 0;
  while (reader.next()) {
    lost += reader.lost;
    assert.equal(reader.sequence, expected + reader.lost);
    expected = reader.sequence + 1;
    got++;
  }
  assert.equal(got + lost, 10_000);
  assert.ok(got >= 4096 / 2 / 24, `${got}`);
});

test("laps of 2^32 bytes aren't taken for standing still", () => {
  using w = world(4096);
  const reader = w.add(0, LagPolicy.dropOldest);
  const { words } = w.segment;
  const write = (count: number) => {
    for (let i = 0; i < count; i++) w.producer.write(new Uint8Array(112));
  };
  write(1);
  assert.ok(reader.next());
  assert.ok(!reader.next());
  write(100);
  // As if the publisher had gone around 2^32 bytes: its `oldest` is where the reader stands.
  const oldest = PublisherLayout.oldest >> 2;
  const saved = words[oldest]!;
  words[oldest] = words[(slotAt(0) + SubscriberSlot.head) >> 2]!;
  assert.ok(reader.hasMore());
  words[oldest] = saved;
  assert.ok(reader.next());
  assert.equal(reader.sequence, 1 + reader.lost);
  assert.ok(reader.lost > 0);
});

test("a subscriber of the latest message reads the newest one, and counts the others", () => {
  using w = world(4096);
  const reader = w.add(0, LagPolicy.latest);
  assert.ok(!reader.next());
  let written = 0;
  let read = -1;
  for (const count of [1, 3, 1, 500, 20, 1, 1]) {
    for (let i = 0; i < count; i++) assert.ok(w.producer.write(Uint8Array.of(written++ & 0xff)));
    assert.ok(reader.next());
    assert.equal(reader.sequence, written - 1);
    assert.equal(reader.lost, written - 1 - read - 1);
    assert.deepEqual([...reader.take()], [(written - 1) & 0xff]);
    read = written - 1;
    assert.ok(!reader.next());
  }
});

test("large messages in place hold the publisher until the next one", () => {
  using w = world(65536);
  const reader = w.add(0, LagPolicy.block, 0, { borrow: true });
  const payload = new Uint8Array(16_368);
  for (let i = 0; i < 3; i++) assert.ok(w.producer.write(payload.fill(i + 1)));
  assert.ok(!w.producer.write(payload));
  assert.ok(reader.next());
  const view = reader.take();
  assert.equal(view.buffer, w.segment.bytes.buffer);
  reader.release();
  assert.ok(!w.producer.write(payload), "it is borrowed");
  assert.ok(view.every((byte) => byte === 1));
  assert.ok(reader.next());
  assert.ok(w.producer.write(payload.fill(4)));
  assert.ok(reader.take().every((byte) => byte === 2));
});

test("garbage in the ring is an error, not a crash", () => {
  for (const policy of [LagPolicy.block, LagPolicy.dropOldest]) {
    for (const [offset, value] of [[0, 5000], [0, -1], [4, 9], [8, 77], [12, 1]] as const) {
      using w = world(4096);
      const reader = w.add(0, policy);
      w.producer.write(new Uint8Array(20));
      w.segment.setU32(DATA + offset, value);
      assert.throws(() => reader.next(), CorruptSegmentError);
    }
  }
});

test("parts that don't fit into their message are an error", () => {
  for (const words of [[], [1], [2, 4, 4, 0], [0xffff_ffff, 1], [1, 0xffff_ffff]]) {
    const payload = new Uint8Array(Uint32Array.from(words).buffer);
    assert.throws(() => splitParts(payload), CorruptSegmentError);
  }
  assert.deepEqual(splitParts(new Uint8Array(4)), []);
});

test("parts come as they were given, at any offset", () => {
  const lists = [[], [[]], [[1]], [[], [], []], [[1, 2, 3], [], [4], [5, 6, 7, 8, 9]]];
  for (const list of lists) {
    using w = world(4096);
    const reader = w.add(0);
    const parts = list.map((part) => Uint8Array.from(part));
    assert.ok(w.producer.writeParts(parts, partsLength(parts)));
    assert.ok(w.producer.write(Uint8Array.of(7)));
    assert.ok(reader.next() && reader.isParts);
    const payload = reader.take();
    assert.deepEqual(splitParts(payload).map((part) => [...part]), list);
    const moved = new Uint8Array(payload.length + 3);
    moved.set(payload, 3);
    assert.deepEqual(splitParts(moved.subarray(3)).map((part) => [...part]), list);
    for (let length = 0; length < payload.length; length++) {
      assert.throws(() => splitParts(payload.slice(0, length)), CorruptSegmentError);
    }
    assert.ok(reader.next() && !reader.isParts);
  }
});

test("what is small is copied in a batch, and stays when its place is written over", () => {
  using w = world(4096);
  const reader = w.add(0, LagPolicy.block, 0, { borrow: true });
  const taken: Uint8Array[] = [];
  for (let i = 0; i < 3; i++) w.producer.write(Uint8Array.of(i, i, i));
  assert.equal(reader.hasBatch, false);
  assert.ok(reader.hasMore() && reader.next());
  assert.ok(reader.hasBatch && reader.hasMore());
  taken.push(reader.take());
  for (let i = 3; i < 1000; i++) {
    while (reader.next()) taken.push(reader.take());
    assert.ok(!reader.hasMore() && !reader.hasBatch);
    assert.ok(w.producer.write(Uint8Array.of(i, i, i)));
  }
  for (const [i, bytes] of taken.entries()) {
    assert.deepEqual([...bytes], [i & 0xff, i & 0xff, i & 0xff]);
  }
});

test("what can be overtaken is never read in place", () => {
  for (
    const [policy, mayBeOvertaken] of [
      [LagPolicy.dropOldest, false],
      [LagPolicy.disconnect, false],
      [LagPolicy.latest, false],
      [LagPolicy.block, true],
    ] as const
  ) {
    using w = world(65536);
    const reader = w.add(0, policy, 0, { borrow: true, mayBeOvertaken });
    w.producer.write(new Uint8Array(16_000).fill(5));
    assert.ok(reader.next());
    const payload = reader.take();
    assert.notEqual(payload.buffer, w.segment.bytes.buffer);
    w.segment.bytes.fill(9, DATA, DATA + 16_016);
    assert.ok(payload.every((byte) => byte === 5));
  }
});

test("the publisher is told of an eighth of the ring, and of all when nothing is left", () => {
  using w = world(4096);
  const reader = w.add(0);
  const head = (): number => w.segment.u32(slotAt(0) + SubscriberSlot.head);
  for (let i = 0; i < 100; i++) w.producer.write(new Uint8Array(8));
  while (reader.next()) {
    const read = reader.sequence * 24;
    assert.ok(head() >= read - 2 * (4096 / 8) - 24, `${head()} of ${read}`);
  }
  assert.equal(head(), 100 * 24);
});

test("a subscriber that waits says so, and finds out that the publisher does", () => {
  using w = world(4096);
  const reader = w.add(0);
  const waiting = (): number => w.segment.u32(slotAt(0) + SubscriberSlot.waiting);
  assert.equal(waiting(), 0);
  reader.setWaiting();
  assert.equal(waiting(), 1);
  assert.equal(w.segment.u32(PublisherLayout.wanted), Wanted.wake);
  assert.equal(reader.takeRoomWanted(), false);
  w.producer.setWaiting();
  assert.equal(reader.takeRoomWanted(), true);
  assert.equal(reader.takeRoomWanted(), false);
});

test("numbers beyond 2^32", () => {
  using w = world(4096);
  w.add(0);
  const { segment } = w;
  const number = 3 * 2 ** 32 + 0xffff_fffe;
  const put = (at: number, value: number): void => {
    segment.setU32(at, value % 2 ** 32);
    segment.setU32(at + 4, Math.floor(value / 2 ** 32));
  };
  put(slotAt(0) + SubscriberSlot.sequence, number);
  const mode = { policy: LagPolicy.block, mayBeOvertaken: false };
  const reader = new BroadcastConsumer(segment, slotAt(0), DATA, 4096, mode);
  for (let i = 0; i < 3; i++) {
    w.producer.write(new Uint8Array(8));
    put(DATA + i * 24 + 8, number + i);
    assert.ok(reader.next());
    assert.deepEqual([reader.sequence, reader.lost], [number + i, 0]);
  }
});

test("a number out of turn is an error where nothing can be lost", () => {
  for (const [wrong, policy] of [[0, LagPolicy.block], [2, LagPolicy.dropOldest]] as const) {
    using w = world(4096);
    const reader = w.add(0, policy);
    for (let i = 0; i < 2; i++) w.producer.write(new Uint8Array(8));
    w.segment.setU32(DATA + 24 + 8, wrong);
    assert.ok(reader.next());
    assert.throws(() => reader.next(), (error) => {
      assert.ok(error instanceof CorruptSegmentError);
      assert.match(error.message, new RegExp(`has the number ${wrong} where 1 follows`));
      return true;
    });
  }
});

test("numbers that stay behind are an error in the end, not a loop", () => {
  using w = world(4096);
  const reader = w.add(0, LagPolicy.dropOldest);
  const { segment, producer } = w;
  producer.write(new Uint8Array(8));
  assert.ok(reader.next());
  for (let i = 0; i < 1000; i++) producer.write(new Uint8Array(8));
  // All records of the ring say that they are the first one.
  const spoil = (): void => {
    for (let at = DATA; at < DATA + 4096; at += 24) segment.setU32(at + 8, 0);
  };
  assert.throws(() => {
    for (let round = 0; round < 4096; round++) {
      spoil();
      if (reader.next()) assert.fail("the first one again");
      producer.write(new Uint8Array(8));
    }
  }, CorruptSegmentError);
});

test("positions that aren't aligned are an error: of the start, and of the oldest record", () => {
  using w = world(4096);
  w.add(0);
  const mode = { policy: LagPolicy.dropOldest, mayBeOvertaken: true };
  for (const start of [1, 4, 7, 0x7fff_ffff]) {
    w.segment.setU32(slotAt(0) + SubscriberSlot.start, start);
    assert.throws(
      () => new BroadcastConsumer(w.segment, slotAt(0), DATA, 4096, mode),
      CorruptSegmentError,
    );
  }
  const reader = w.add(1, LagPolicy.dropOldest);
  w.segment.setU32(PublisherLayout.oldest, 12);
  assert.throws(() => reader.next(), CorruptSegmentError);
});
