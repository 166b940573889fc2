import assert from "node:assert/strict";
import { test } from "node:test";
import { LagPolicy, PublisherLayout, SubscriberSlot, Wanted } from "../../src/memory/layout.ts";
import type { BroadcastConsumer } from "../../src/ring/broadcast_consumer.ts";
import type { BroadcastProducer } from "../../src/ring/broadcast_producer.ts";
import { partsLength } from "../../src/ring/broadcast_producer.ts";
import { DATA, slotAt, world } from "../support/broadcast_ring.ts";

test("one who wants it is cut off when it lags, the others aren't", () => {
  using w = world(4096);
  const wants = w.add(0, LagPolicy.disconnect);
  const drops = w.add(1, LagPolicy.dropOldest);
  const keeps = w.add(2, LagPolicy.block);
  for (let i = 0; i < 400; i++) {
    assert.ok(w.producer.write(new Uint8Array(100)));
    assert.ok(keeps.next());
    assert.ok(!keeps.next());
  }
  assert.deepEqual(w.cuts, [[slotAt(0), "lagged"]]);
  assert.ok(!wants.next() && wants.isCut && !wants.next());
  assert.ok(drops.next() && drops.lost > 0);
});

test("a subscriber that blocks is overtaken, told how much it lost, and blocks again", () => {
  using w = world(4096);
  const reader = w.add(0, LagPolicy.block, 0, { mayBeOvertaken: true, borrow: true });
  let written = 0;
  const fill = (): void => {
    while (w.producer.write(new Uint8Array(100).fill(written))) written++;
  };
  fill();
  const held = written;
  assert.deepEqual(w.producer.blocking(), [slotAt(0)]);
  w.producer.overtake(slotAt(0));
  for (; written < held + 1000; written++) {
    assert.ok(w.producer.write(new Uint8Array(100).fill(written)));
  }
  assert.deepEqual(w.producer.blocking(), []);
  let expected = 0;
  let lost = 0;
  while (reader.next()) {
    lost += reader.lost;
    expected += reader.lost;
    assert.equal(reader.sequence, expected++);
    assert.equal(reader.take()[0], reader.sequence & 0xff);
  }
  assert.equal(expected, written);
  assert.ok(lost > 900);
  fill();
  assert.ok(written - expected < 40, "it holds the publisher back again");
  assert.deepEqual(w.producer.blocking(), [slotAt(0)]);
  while (reader.next()) assert.equal(reader.lost, 0);
  fill();
  w.producer.disconnect(slotAt(0));
  assert.deepEqual(w.cuts, [[slotAt(0), "lagged"]]);
  assert.ok(w.producer.write(new Uint8Array(100)));
  while (reader.next());
  assert.ok(reader.isCut);
});

test("a position that can't be cuts a subscriber off, and holds nobody back", () => {
  using w = world(4096);
  w.add(0);
  w.segment.setU32(slotAt(0) + SubscriberSlot.head, 0x1234);
  for (let i = 0; i < 100; i++) assert.ok(w.producer.write(new Uint8Array(100)));
  assert.deepEqual(w.cuts, [[slotAt(0), "corrupt"]]);
});

/** The numbers of all messages that a subscriber can read now. */
function numbers(reader: BroadcastConsumer): number[] {
  const all: number[] = [];
  while (reader.next()) all.push(reader.sequence);
  return all;
}

/** Writes until there is no room; how many messages that were. */
function fill(producer: BroadcastProducer): number {
  for (let written = 0; written < 1000; written++) {
    if (!producer.write(new Uint8Array(100))) return written;
  }
  assert.fail("nothing holds it back");
}

test("the largest payload has room, also where the ring wraps, and one more doesn't", () => {
  for (const start of [0, 8, 2040, -8, -1040]) {
    using w = world(4096, start);
    const { producer } = w;
    const reader = w.add(0);
    assert.ok(producer.maxPayload > 0 && producer.maxPayload < 4096 / 2);
    for (let i = 0; i < 50; i++) {
      assert.ok(producer.write(new Uint8Array(producer.maxPayload).fill(i)), `${start} ${i}`);
      assert.ok(reader.next());
      assert.equal(reader.length, producer.maxPayload);
      assert.ok(reader.take().every((byte) => byte === i));
      assert.ok(!reader.next());
    }
  }
});

test("a reserved record is seen when it is committed, and never if it is given up", () => {
  using w = world(4096);
  const { producer, segment } = w;
  const reader = w.add(0);
  for (let i = 0; i < 300; i++) {
    assert.equal(producer.isReserved, false);
    assert.ok(producer.reserve(100));
    assert.equal(producer.isReserved, true);
    segment.bytes.fill(0xee, producer.payload, producer.payload + 100);
    assert.deepEqual([reader.next(), reader.hasMore()], [false, false]);
    if (i % 3 > 0) {
      producer.cancel();
      assert.equal(producer.sequence, Math.ceil(i / 3));
      continue;
    }
    segment.bytes.fill(i, producer.payload, producer.payload + 100);
    producer.commit();
    assert.ok(reader.next());
    assert.ok(reader.take().every((byte) => byte === (i & 0xff)));
    assert.equal(reader.sequence, i / 3);
  }
});

test("a subscriber begins with the last messages, or as many as are whole", () => {
  using w = world(4096);
  const { producer } = w;
  assert.deepEqual(numbers(w.add(0, LagPolicy.block, 10)), []);
  producer.remove(slotAt(0));
  for (let i = 0; i < 5; i++) producer.write(new Uint8Array(8));
  for (const [history, expected] of [[0, []], [1, [4]], [3, [2, 3, 4]], [9, [0, 1, 2, 3, 4]]]) {
    assert.deepEqual(numbers(w.add(1, LagPolicy.block, history as number)), expected);
    producer.remove(slotAt(1));
  }
  for (let i = 5; i < 1000; i++) producer.write(new Uint8Array(8));
  const all = numbers(w.add(2, LagPolicy.block, Infinity));
  producer.remove(slotAt(2));
  assert.equal(all.at(-1), 999);
  assert.deepEqual(all, all.map((_, i) => 1000 - all.length + i));
  assert.ok(all.length * 24 > 4096 / 4, "what a quarter of the ring holds is there");
  assert.ok(producer.reserve(8));
  assert.deepEqual(numbers(w.add(3, LagPolicy.block, 5)), [], "not while one is reserved");
  producer.commit();
});

test("a ring that was spoilt has no history, and goes on", () => {
  using w = world(4096);
  const { producer, segment } = w;
  for (let i = 0; i < 20; i++) producer.write(new Uint8Array(8));
  segment.setU32(DATA + 24, 0xffff_fff0);
  const reader = w.add(0, LagPolicy.block, 15);
  assert.deepEqual(numbers(reader), []);
  producer.write(new Uint8Array(8));
  assert.deepEqual(numbers(reader), [20]);
});

test("a subscriber that was removed holds nothing back, and neither do those that don't block", () => {
  using w = world(4096);
  const { producer } = w;
  w.add(0, LagPolicy.block);
  w.add(1, LagPolicy.dropOldest);
  w.add(2, LagPolicy.latest);
  const written = fill(producer);
  assert.ok(written > 10 && written < 40);
  assert.deepEqual(producer.blocking(), [slotAt(0)]);
  assert.equal(producer.sequence, written);
  // Neither of these is one that blocks.
  producer.overtake(slotAt(1));
  producer.overtake(slotAt(5));
  producer.disconnect(slotAt(5));
  producer.remove(slotAt(5));
  assert.equal(producer.write(new Uint8Array(100)), false);
  producer.remove(slotAt(0));
  for (let i = 0; i < 1000; i++) assert.ok(producer.write(new Uint8Array(100)));
  assert.deepEqual(producer.blocking(), []);
  assert.deepEqual(w.cuts, []);
});

test("the slowest that blocks counts, and all that hold it back are named", () => {
  using w = world(4096);
  const { producer } = w;
  const [fast, slow, slower] = [0, 1, 2].map((slot) => w.add(slot));
  fill(producer);
  numbers(fast!);
  assert.deepEqual(producer.blocking(), [slotAt(1), slotAt(2)]);
  assert.equal(producer.write(new Uint8Array(100)), false);
  numbers(slow!);
  assert.equal(producer.write(new Uint8Array(100)), false);
  assert.deepEqual(producer.blocking(), [slotAt(2)]);
  numbers(slower!);
  assert.ok(producer.write(new Uint8Array(100)));
});

test("it asks only those that block for room", () => {
  using w = world(4096);
  const policies = [LagPolicy.block, LagPolicy.dropOldest, LagPolicy.disconnect, LagPolicy.latest];
  for (const [slot, policy] of policies.entries()) w.add(slot, policy);
  w.producer.setWaiting();
  const asked = policies.map((_, slot) => w.segment.u32(slotAt(slot) + SubscriberSlot.roomWanted));
  assert.deepEqual(asked, [1, 0, 0, 0]);
  // The next one that has this slot isn't asked for what was wanted before.
  w.producer.remove(slotAt(0));
  w.add(0);
  assert.equal(w.segment.u32(slotAt(0) + SubscriberSlot.roomWanted), 0);
});

test("what is wanted is taken bit by bit", () => {
  using w = world(4096);
  const { producer, segment } = w;
  assert.deepEqual([producer.isWanted, producer.wantsLook], [false, false]);
  segment.setU32(PublisherLayout.wanted, Wanted.wake | Wanted.look);
  assert.deepEqual([producer.isWanted, producer.wantsLook], [true, true]);
  assert.equal(producer.takeWanted(Wanted.look), Wanted.look);
  assert.equal(producer.takeWanted(Wanted.look), 0);
  assert.deepEqual([producer.isWanted, producer.wantsLook], [true, false]);
  assert.equal(producer.takeWanted(Wanted.wake | Wanted.look), Wanted.wake);
  assert.equal(producer.isWanted, false);
});

test("the length of parts is what they take", () => {
  assert.equal(partsLength([]), 4);
  assert.equal(partsLength([new Uint8Array(0)]), 8);
  assert.equal(partsLength([new Uint8Array(3), new Uint8Array(9)]), 4 + 8 + 12);
});
