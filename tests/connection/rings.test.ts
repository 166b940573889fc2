import assert from "node:assert/strict";
import { test } from "node:test";
import { ringEnds } from "../../src/connection/rings.ts";
import { CorruptSegmentError } from "../../src/errors.ts";
import {
  ConnectionLayout,
  connectionPages,
  Header,
  MAX_CAPACITY,
  MIN_CAPACITY,
  RingWords,
} from "../../src/memory/layout.ts";
import type { Segment } from "../../src/memory/segment.ts";
import type { RingConsumer } from "../../src/ring/consumer.ts";
import { pattern, write } from "../support/ring.ts";
import { Scratch } from "../support/scratch.ts";

const CAPACITY = 2 * MIN_CAPACITY;

function make(scratch: Scratch, capacity = CAPACITY): Segment {
  return scratch.segment("rings", { pages: connectionPages(capacity), capacity });
}

/** What a ring holds. */
function read(consumer: RingConsumer): Uint8Array[] {
  const payloads = [];
  while (consumer.next()) payloads.push(consumer.take());
  return payloads;
}

test("each side reads what the other writes, and nothing of its own", () => {
  using scratch = new Scratch();
  const segment = make(scratch);
  const [toB, fromB] = ringEnds(segment, "a");
  const [toA, fromA] = ringEnds(segment, "b");
  // As much as fits, so that rings that overlapped would show it.
  const sent: Uint8Array[][] = [[], []];
  for (const [salt, producer] of [toB, toA].entries()) {
    for (let i = 0;; i++) {
      const payload = pattern(100, 1000 * salt + i);
      if (!write(producer, payload)) break;
      sent[salt]!.push(payload);
    }
    assert.ok(sent[salt]!.length > CAPACITY / 150);
  }
  assert.deepEqual(read(fromA), sent[0]);
  assert.deepEqual(read(fromB), sent[1]);
  segment.close();
});

test("capacities that no rings of the segment have are corrupt", () => {
  using scratch = new Scratch();
  const segment = make(scratch);
  const bad = [0, 1, MIN_CAPACITY / 2, MIN_CAPACITY, CAPACITY - 1, CAPACITY + 8, 3 * MIN_CAPACITY];
  for (const capacity of [...bad, 2 * CAPACITY, MAX_CAPACITY, 2 * MAX_CAPACITY, 0xffff_ffff]) {
    segment.setU32(Header.capacity, capacity);
    for (const side of ["a", "b"] as const) {
      assert.throws(() => ringEnds(segment, side), (error) => {
        assert.ok(error instanceof CorruptSegmentError);
        assert.match(error.message, new RegExp(`rings of ${capacity} bytes in \\d+`));
        return true;
      });
    }
  }
  segment.setU32(Header.capacity, CAPACITY);
  ringEnds(segment, "a");
  segment.close();
});

test("a position that no ring has is corrupt, for the side that begins there", () => {
  using scratch = new Scratch();
  const segment = make(scratch);
  for (const ring of [ConnectionLayout.ringAB, ConnectionLayout.ringBA]) {
    segment.setU32(ring + RingWords.head, 4);
    for (const side of ["a", "b"] as const) {
      assert.throws(() => ringEnds(segment, side), CorruptSegmentError);
    }
    segment.setU32(ring + RingWords.head, 0);
  }
  ringEnds(segment, "b");
  segment.close();
});
