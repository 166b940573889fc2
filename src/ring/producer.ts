/**
 * The writing end of a one-to-one ring.
 *
 * Guarantees: a record is visible as a whole or not at all (one atomic store),
 * also if this process dies in the middle; nothing that the consumer hasn't read
 * is overwritten, whatever it writes to its words. Allocates nothing, calls no
 * FFI. Doesn't wake the consumer: {@linkcode RingProducer.takeConsumerWaiting}
 * says when that is due.
 *
 * @module
 */
import { CorruptSegmentError } from "../errors.ts";
import { RingWords } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import { checkAligned, maxPayload, RECORD_HEADER, RecordKind, RING_GAP } from "./record.ts";
import type { RecordHeader } from "./record.ts";

/** See the module. */
export class RingProducer {
  #capacity!: number;
  #bytes!: Uint8Array;
  #words!: Int32Array;
  #headWord!: number;
  #consumerWaiting!: number;
  #producerWaiting!: number;
  #data!: number;
  #mask!: number;
  #tail!: number;
  /** The consumer's position when we last looked. */
  #head!: number;

  /** For an empty ring. `words` and `data` are offsets in the segment, which the caller has checked. */
  constructor(segment: Segment, words: number, data: number, capacity: number) {
    this.moveTo(segment, words, data, capacity);
  }

  /** Data bytes of the ring. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The largest payload of a record. */
  get pieceBytes(): number {
    return maxPayload(this.#capacity);
  }

  /** Goes on in another ring, which is empty. */
  moveTo(segment: Segment, words: number, data: number, capacity: number): void {
    this.#bytes = segment.bytes;
    this.#words = segment.words;
    this.#headWord = (words + RingWords.head) >> 2;
    this.#consumerWaiting = (words + RingWords.consumerWaiting) >> 2;
    this.#producerWaiting = (words + RingWords.producerWaiting) >> 2;
    this.#data = data;
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#head = checkAligned(Atomics.load(this.#words, this.#headWord));
    this.#tail = this.#head;
  }

  /**
   * Writes a record and makes it visible; false if there is no room. The payload
   * is `payload[from, to)`, by default all of it, at most {@linkcode maxPayload} bytes.
   */
  write(
    header: RecordHeader,
    payload: Uint8Array | undefined,
    from = 0,
    to: number = payload === undefined ? 0 : payload.length,
  ): boolean {
    const length = to - from;
    const size = (RECORD_HEADER + length + 7) & ~7;
    const words = this.#words;
    const data = this.#data;
    let tail = this.#tail;
    let offset = tail & this.#mask;
    const contiguous = this.#capacity - offset;
    const pad = size <= contiguous ? 0 : contiguous;
    if (!this.#hasRoom(size + pad)) return false;
    if (pad > 0) {
      words[data >> 2] = 0;
      words[((data + offset) >> 2) + 1] = RecordKind.pad;
      Atomics.store(words, (data + offset) >> 2, pad - 7);
      tail += pad;
      offset = 0;
    }
    const at = (data + offset) >> 2;
    tail = (tail + size) | 0;
    this.#tail = tail;
    words[(data + (tail & this.#mask)) >> 2] = 0;
    if (length > 0) {
      const whole = length === payload!.length ? payload! : payload!.subarray(from, to);
      this.#bytes.set(whole, data + offset + RECORD_HEADER);
    }
    words[at + 1] = header.kind | (header.flags << 8) | (header.method << 16);
    words[at + 2] = header.correlation;
    words[at + 3] = header.extra;
    // ORDER: everything above is visible before the commit word is.
    Atomics.store(words, at, length + 1);
    return true;
  }

  #hasRoom(bytes: number): boolean {
    const needed = bytes + RING_GAP;
    if (this.#capacity - ((this.#tail - this.#head) >>> 0) >= needed) return true;
    const head = Atomics.load(this.#words, this.#headWord);
    const used = (this.#tail - head) >>> 0;
    if (used > this.#capacity || (used & 7) !== 0) {
      throw new CorruptSegmentError(
        `the consumer's position is ${used} bytes behind the producer's in a ring of ${this.#capacity}`,
      );
    }
    this.#head = head;
    return this.#capacity - used >= needed;
  }

  /** Is at least half of the ring free? */
  isHalfFree(): boolean {
    return this.#hasRoom(this.#capacity / 2 - RING_GAP);
  }

  /** Is there room for a record with that payload? */
  hasRoomFor(payload: number): boolean {
    const size = (RECORD_HEADER + payload + 7) & ~7;
    const contiguous = this.#capacity - (this.#tail & this.#mask);
    return this.#hasRoom(size <= contiguous ? size : size + contiguous);
  }

  /** Does the consumer rely on being told? Then the caller rings it: the flag is cleared. */
  takeConsumerWaiting(): boolean {
    if (Atomics.load(this.#words, this.#consumerWaiting) === 0) return false;
    Atomics.store(this.#words, this.#consumerWaiting, 0);
    return true;
  }

  /** Asks to be told when there is room again. Look again after it. */
  setWaiting(): void {
    Atomics.store(this.#words, this.#producerWaiting, 1);
  }
}
