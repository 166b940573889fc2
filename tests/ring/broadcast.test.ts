// The broadcast ring against a plain model: random publishing, reading, joining and leaving, with
// positions that wrap.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CorruptSegmentError } from "../../src/errors.ts";
import { LagPolicy, PublisherLayout, SlotState, SubscriberSlot } from "../../src/memory/layout.ts";
import { publisherData } from "../../src/memory/layout.ts";
import type { Segment } from "../../src/memory/segment.ts";
import { BroadcastConsumer, splitParts } from "../../src/ring/broadcast_consumer.ts";
import { BroadcastProducer, partsLength } from "../../src/ring/broadcast_producer.ts";
import { Random, seed } from "../support/random.ts";
import { Scratch } from "../support/scratch.ts";

const SLOTS = 8;
const DATA = publisherData(SLOTS);

function slotAt(index: number): number {
  return PublisherLayout.table + index * SubscriberSlot.bytes;
}

function indexOf(slot: number): number {
  return (slot - PublisherLayout.table) / SubscriberSlot.bytes;
}

interface World extends Disposable {
  segment: Segment;
  producer: BroadcastProducer;
  cuts: [slot: number, reason: string][];
  add(
    slot: number,
    policy?: LagPolicy,
    history?: number,
    how?: { borrow?: boolean; mayBeOvertaken?: boolean },
  ): BroadcastConsumer;
}

function world(capacity: number, start = 0): World {
  const scratch = new Scratch();
  const segment = scratch.segment("ring", { pages: (DATA + capacity) / 4096 });
  const cuts: World["cuts"] = [];
  const onCut = (slot: number, reason: string): void => {
    cuts.push([slot, reason]);
    segment.setU32(slot + SubscriberSlot.state, SlotState.cut);
  };
  const producer = new BroadcastProducer(segment, DATA, capacity, onCut, start);
  return {
    segment,
    producer,
    cuts,
    add(index, policy = LagPolicy.block, history = 0, how = {}) {
      const { borrow = false, mayBeOvertaken = false } = how;
      producer.add(slotAt(index), policy, history);
      segment.setU32(slotAt(index) + SubscriberSlot.state, SlotState.open);
      const mode = { policy, borrow, mayBeOvertaken };
      return new BroadcastConsumer(segment, slotAt(index), DATA, capacity, mode);
    },
    [Symbol.dispose]() {
      segment.close();
      scratch[Symbol.dispose]();
    },
  };
}

/** The payload of a message: of its number alone. */
function payloadOf(sequence: number, most: number): Uint8Array {
  const random = new Random(sequence * 7 + 1);
  const length = random.below(random.pick([8, 64, 200, most + 1]));
  return new Uint8Array(length).map((_, i) => sequence + i * 31);
}

function same(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] !== expected[i]) assert.fail(`byte ${i} is ${actual[i]}, not ${expected[i]}`);
  }
}

interface Reader {
  consumer: BroadcastConsumer;
  policy: LagPolicy;
  /** The publisher doesn't wait for it for ever. */
  mayBeOvertaken: boolean;
  expected: number;
  lost: number;
  /** Reads rarely, so that it is overtaken. */
  isSlow: boolean;
}

for (const capacity of [4096, 16384]) {
  for (const start of [0, -64, -5000, 0x7fff_fff8]) {
    test(`random operations: capacity ${capacity}, start ${start} (seed ${seed})`, () => {
      using w = world(capacity, start);
      const random = new Random(seed + capacity + start);
      const { producer } = w;
      const most = producer.maxPayload;
      const readers: (Reader | undefined)[] = new Array(SLOTS);
      let parts = 0;
      /** Bytes of records since each message, to know what must still be there. */
      const sizes: number[] = [];
      const bytesSince = (sequence: number): number => {
        let bytes = 0;
        for (let i = sequence; i < sizes.length; i++) bytes += sizes[i]!;
        return bytes;
      };

      const join = (slot: number): void => {
        const policy = random.pick(Object.values(LagPolicy));
        const mayBeOvertaken = random.below(2) === 0;
        const history = random.pick([0, 0, 1, 5, 1000]);
        const consumer = w.add(slot, policy, history, { mayBeOvertaken });
        const { segment } = w;
        const first = segment.u32(slotAt(slot) + SubscriberSlot.sequence);
        const now = producer.sequence;
        assert.ok(first <= now && first >= now - history, `${first} of ${now}, ${history}`);
        // What a quarter of the ring holds is always there.
        if (first > 0 && first > now - history) assert.ok(bytesSince(first - 1) > capacity / 4);
        readers[slot] = {
          consumer,
          policy,
          mayBeOvertaken,
          expected: first,
          lost: 0,
          isSlow: random.below(2) === 0,
        };
      };

      const read = (slot: number, reader: Reader): void => {
        const { consumer, policy } = reader;
        for (let n = random.below(30); n > 0; n--) {
          if (!consumer.next()) {
            if (consumer.isCut) {
              assert.ok(policy === LagPolicy.disconnect || reader.mayBeOvertaken);
              assert.ok(bytesSince(reader.expected) > capacity / 4);
              producer.remove(slotAt(slot));
              readers[slot] = undefined;
            } else {
              assert.equal(reader.expected, producer.sequence);
              assert.equal(consumer.hasMore(), false);
            }
            return;
          }
          const { sequence, lost } = consumer;
          assert.equal(sequence, reader.expected + lost);
          if (policy === LagPolicy.latest) assert.equal(sequence, producer.sequence - 1);
          if (policy === LagPolicy.disconnect) assert.equal(lost, 0);
          if (policy === LagPolicy.block && !reader.mayBeOvertaken) assert.equal(lost, 0);
          reader.lost += lost;
          reader.expected = sequence + 1;
          const payload = consumer.take();
          assert.equal(payload.length, consumer.length);
          if (consumer.isParts) {
            const [a, b, c] = splitParts(payload);
            assert.equal(a!.length, 0);
            same(b!, payloadOf(sequence, most >> 1));
            same(c!, Uint8Array.of(1, 2, 3));
          } else {
            same(payload, payloadOf(sequence, most));
          }
        }
      };

      const write = (): void => {
        const { sequence } = producer;
        const payload = payloadOf(sequence, most);
        const list = [new Uint8Array(0), payloadOf(sequence, most >> 1), Uint8Array.of(1, 2, 3)];
        let written: boolean;
        let size = payload.length;
        switch (random.below(4)) {
          case 0: {
            size = partsLength(list);
            written = producer.writeParts(list, size);
            if (written) parts++;
            break;
          }
          case 1: {
            written = producer.reserve(payload.length);
            if (!written) break;
            w.segment.bytes.fill(0xee, producer.payload, producer.payload + payload.length);
            if (random.below(3) === 0) return producer.cancel();
            w.segment.bytes.set(payload, producer.payload);
            producer.commit();
            break;
          }
          default:
            written = producer.write(payload);
        }
        if (written) {
          sizes.push(16 + size);
          assert.equal(producer.sequence, sequence + 1);
          return;
        }
        // Somebody holds it back, and by a good part of the ring.
        const held = readers.filter((r) => r?.policy === LagPolicy.block);
        assert.ok(held.length > 0, "nobody holds it back");
        const blocking = producer.blocking();
        assert.ok(blocking.length > 0 && blocking.length <= held.length);
        const over = blocking.filter((slot) => readers[indexOf(slot)]!.mayBeOvertaken);
        for (const slot of over) {
          if (random.below(3) > 0) producer.overtake(slot);
          else producer.disconnect(slot);
        }
        if (over.length < blocking.length || producer.isReserved) return;
        assert.ok(producer.write(payload), "nothing holds it back any more");
        sizes.push(16 + payload.length);
      };

      for (let step = 0; step < 6000; step++) {
        const slot = random.below(SLOTS);
        const reader = readers[slot];
        const action = random.below(100);
        if (action < 3 && reader === undefined) {
          if (!producer.isReserved) join(slot);
        } else if (action < 5 && reader !== undefined) {
          producer.remove(slotAt(slot));
          readers[slot] = undefined;
        } else if (action < 45) {
          if (reader !== undefined && (!reader.isSlow || random.below(20) === 0)) {
            read(slot, reader);
          }
        } else {
          write();
        }
      }
      assert.ok(producer.sequence > 500 && parts > 50);
      assert.ok(w.cuts.every(([, reason]) => reason === "lagged"));
    });
  }
}

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

test("a position that can't be cuts a subscriber off, and holds nobody back", () => {
  using w = world(4096);
  w.add(0);
  w.segment.setU32(slotAt(0) + SubscriberSlot.head, 0x1234);
  for (let i = 0; i < 100; i++) assert.ok(w.producer.write(new Uint8Array(100)));
  assert.deepEqual(w.cuts, [[slotAt(0), "corrupt"]]);
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
