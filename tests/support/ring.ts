/**
 * Both ends of a ring in real shared memory.
 */
import { ConnectionLayout, connectionPages, RingWords } from "../../src/memory/layout.ts";
import type { Segment } from "../../src/memory/segment.ts";
import { RingConsumer } from "../../src/ring/consumer.ts";
import { RingProducer } from "../../src/ring/producer.ts";
import { RecordHeader, RecordKind } from "../../src/ring/record.ts";
import { Scratch } from "./scratch.ts";

/** A ring from a to b. */
export class TestRing implements Disposable {
  readonly capacity: number;
  readonly segment: Segment;
  readonly #scratch = new Scratch();

  /** `start`: the position at which both ends begin. */
  constructor(capacity: number, start = 0) {
    this.capacity = capacity;
    this.segment = this.#scratch.segment("ring", { pages: connectionPages(capacity), capacity });
    this.setHead(start);
  }

  producer(): RingProducer {
    const { ringAB, data } = ConnectionLayout;
    return new RingProducer(this.segment, ringAB, data, this.capacity);
  }

  consumer(): RingConsumer {
    const { ringAB, data } = ConnectionLayout;
    return new RingConsumer(this.segment, ringAB, data, this.capacity);
  }

  get head(): number {
    return this.segment.u32(ConnectionLayout.ringAB + RingWords.head);
  }

  setHead(value: number): void {
    this.segment.setU32(ConnectionLayout.ringAB + RingWords.head, value);
  }

  /** The data of the ring. */
  get data(): Uint8Array {
    return this.segment.bytes.subarray(
      ConnectionLayout.data,
      ConnectionLayout.data + this.capacity,
    );
  }

  /** A 32-bit word of the data. */
  word(offset: number): number {
    return this.segment.u32(ConnectionLayout.data + offset);
  }

  setWord(offset: number, value: number): void {
    this.segment.setU32(ConnectionLayout.data + offset, value);
  }

  [Symbol.dispose](): void {
    this.segment.close();
    this.#scratch[Symbol.dispose]();
  }
}

/** Writes a message; false if the ring is full. */
export function write(producer: RingProducer, payload: Uint8Array, correlation = 0): boolean {
  return producer.write(RecordHeader.of({ kind: RecordKind.message, correlation }), payload);
}

/** Bytes that depend on where they are and on what they belong to. */
export function pattern(length: number, salt: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + salt * 13 + (i >>> 8);
  return bytes;
}
