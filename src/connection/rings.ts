/**
 * The two rings in the segment of a connection.
 *
 * @module
 */
import { CorruptSegmentError } from "../errors.ts";
import { ConnectionLayout, Header, MAX_CAPACITY, MIN_CAPACITY } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import { RingConsumer } from "../ring/consumer.ts";
import { RingProducer } from "../ring/producer.ts";

/**
 * The ends of one side: what it writes into, and what it reads from.
 *
 * @throws {CorruptSegmentError} The segment's capacity or indices make no sense.
 */
export function ringEnds(segment: Segment, side: "a" | "b"): [RingProducer, RingConsumer] {
  const capacity = checkedCapacity(segment);
  const { ringAB, ringBA, data } = ConnectionLayout;
  const out = side === "a" ? ringAB : ringBA;
  const into = side === "a" ? ringBA : ringAB;
  const dataOf = (ring: number): number => ring === ringAB ? data : data + capacity;
  return [
    new RingProducer(segment, out, dataOf(out), capacity),
    new RingConsumer(segment, into, dataOf(into), capacity),
  ];
}

/** The capacity that a segment claims, if its size agrees. */
function checkedCapacity(segment: Segment): number {
  const capacity = segment.u32(Header.capacity);
  const powerOfTwo = capacity >= MIN_CAPACITY && capacity <= MAX_CAPACITY &&
    (capacity & (capacity - 1)) === 0;
  if (!powerOfTwo || segment.bytes.length !== ConnectionLayout.data + 2 * capacity) {
    throw new CorruptSegmentError(
      `${segment.path} claims rings of ${capacity} bytes in ${segment.bytes.length}`,
    );
  }
  return capacity;
}
