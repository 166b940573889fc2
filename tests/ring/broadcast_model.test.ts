// The broadcast ring against a plain model: random publishing, reading, joining and leaving, with
// positions that wrap.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LagPolicy, SubscriberSlot } from "../../src/memory/layout.ts";
import type { BroadcastConsumer } from "../../src/ring/broadcast_consumer.ts";
import { splitParts } from "../../src/ring/broadcast_consumer.ts";
import { partsLength } from "../../src/ring/broadcast_producer.ts";
import { indexOf, slotAt, SLOTS, world } from "../support/broadcast_ring.ts";
import { Random, seed } from "../support/random.ts";

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
