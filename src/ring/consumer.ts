/**
 * The reading end of a one-to-one ring.
 *
 * Records are copied out in batches, into memory of our own, before they are
 * handled. So a record can't change after it was checked, and one copy serves many small
 * records. Payloads are views of the copy and belong to the caller; the copy is
 * never written again.
 *
 * Guarantees: whatever the producer writes gives records or a
 * {@linkcode CorruptSegmentError}, never a read outside of the ring.
 *
 * @module
 */
import { CorruptSegmentError } from "../errors.ts";
import { RingWords } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import { checkAligned, maxPayload, RECORD_HEADER, RecordFlag, RecordKind } from "./record.ts";
import type { Slab } from "./slab.ts";
import { LARGE, MAX_BATCH, Slabs } from "./slab.ts";

/** See the module. After {@linkcode RingConsumer.next} its fields hold the record. */
export class RingConsumer {
  kind = 0;
  flags = 0;
  method = 0;
  correlation = 0;
  extra = 0;
  /** Bytes of the payload. */
  length = 0;
  /**
   * Give large payloads of messages in place: {@linkcode RingConsumer.take} then
   * returns a view of the ring that is valid until {@linkcode RingConsumer.next}.
   * Bytes of a stream and pieces of messages are always given so: they are copied to where
   * they belong.
   */
  borrow = false;

  #bytes!: Uint8Array<ArrayBuffer>;
  #words!: Int32Array;
  #headWord!: number;
  #consumerWaiting!: number;
  #producerWaiting!: number;
  #data!: number;
  #capacity!: number;
  #mask!: number;
  #maxPayload!: number;
  /** Where the next record that we haven't copied begins. */
  #head!: number;
  /** Bytes before it that the producer hasn't got back yet. */
  #unreleased = 0;

  /** Where the batch is. */
  readonly #slabs = new Slabs();
  #slab: Slab | undefined;
  /** The records of the batch that are not handled yet: `[cursor, batchEnd)`. */
  #cursor = 0;
  #batchEnd = 0;
  #payload = 0;
  /** The payload of a large record. */
  #large: Uint8Array<ArrayBuffer> | undefined;
  /** The large record was given in place: the producer can't have it back yet. */
  #borrowed = false;

  /** `words` and `data` are offsets in the segment, which the caller has checked. */
  constructor(segment: Segment, words: number, data: number, capacity: number) {
    this.moveTo(segment, words, data, capacity);
  }

  /** Goes on in another ring. What lies behind the present record in this one is never read. */
  moveTo(segment: Segment, words: number, data: number, capacity: number): void {
    this.#cursor = this.#batchEnd = 0;
    this.#unreleased = 0;
    this.#bytes = segment.bytes;
    this.#words = segment.words;
    this.#headWord = (words + RingWords.head) >> 2;
    this.#consumerWaiting = (words + RingWords.consumerWaiting) >> 2;
    this.#producerWaiting = (words + RingWords.producerWaiting) >> 2;
    this.#data = data;
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#maxPayload = maxPayload(capacity);
    this.#head = checkAligned(Atomics.load(this.#words, this.#headWord));
  }

  /**
   * Goes on to the next record; false if there is none. Room is given back when
   * there is nothing more to read, or when it is an eighth of the ring.
   */
  next(): boolean {
    if (this.#cursor < this.#batchEnd) {
      this.#parse();
      return true;
    }
    this.#large = undefined;
    this.#borrowed = false;
    if (this.#unreleased > this.#capacity >> 3) this.release();
    if (this.#fetch()) return true;
    if (this.#unreleased > 0) this.release();
    return false;
  }

  /** Data bytes of the ring. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Bytes of a message's pieces, all but the last. */
  get pieceBytes(): number {
    return this.#maxPayload;
  }

  /** The payload of the record, to keep (unless {@linkcode RingConsumer.borrow} is set). */
  take(): Uint8Array<ArrayBuffer> {
    return this.#large ?? new Uint8Array(this.#slab!.buffer, this.#payload, this.length);
  }

  /** Has the producer written something that wasn't taken yet? */
  hasMore(): boolean {
    return this.#cursor < this.#batchEnd || Atomics.load(this.#words, this.#at()) !== 0;
  }

  /** Gives the producer the room back of all that was read. */
  release(): void {
    if (this.#borrowed) return;
    this.#unreleased = 0;
    Atomics.store(this.#words, this.#headWord, this.#head);
  }

  /** Index of the next record's commit word. */
  #at(): number {
    return (this.#data + (this.#head & this.#mask)) >> 2;
  }

  /** Asks to be told of the next record. Look again after it. */
  setWaiting(): void {
    Atomics.store(this.#words, this.#consumerWaiting, 1);
  }

  /** Does the producer rely on being told of room? Then the caller rings it: the flag is cleared. */
  takeProducerWaiting(): boolean {
    if (Atomics.load(this.#words, this.#producerWaiting) === 0) return false;
    Atomics.store(this.#words, this.#producerWaiting, 0);
    return true;
  }

  /** Reads the record at the cursor from our copy, which no other process can change. */
  #parse(): void {
    const words = this.#slab!.words;
    const at = this.#cursor >> 2;
    const length = (words[at]! >>> 0) - 1;
    this.#payload = this.#cursor + RECORD_HEADER;
    this.#cursor += this.#checkedSize(length, this.#batchEnd - this.#cursor);
    this.#setHeader(length, words[at + 1]!, words[at + 2]!, words[at + 3]!);
  }

  #setHeader(length: number, kinds: number, correlation: number, extra: number): void {
    this.length = length;
    this.kind = kinds & 0xff;
    this.flags = (kinds >>> 8) & 0xff;
    this.method = kinds >>> 16;
    this.correlation = correlation >>> 0;
    this.extra = extra >>> 0;
  }

  /** Bytes of a record with that payload, if they can be in `room`. */
  #checkedSize(length: number, room: number): number {
    const size = (RECORD_HEADER + length + 7) & ~7;
    if (length < 0 || length > this.#maxPayload || size > room) {
      throw new CorruptSegmentError(
        `a record of ${length} bytes where ${room} are left (at most ${this.#maxPayload} are allowed)`,
      );
    }
    return size;
  }

  /** Takes what is there from the ring, and goes on to its first record. */
  #fetch(): boolean {
    const words = this.#words;
    for (;;) {
      const at = this.#at();
      // ORDER: a plain look costs a tenth of an atomic one. What it finds is confirmed by an atomic
      // load, and the record is read after that.
      if (words[at] === 0) return false;
      const commit = Atomics.load(words, at);
      const length = (commit >>> 0) - 1;
      const offset = this.#head & this.#mask;
      const room = this.#capacity - offset;
      const kinds = words[at + 1]!;
      if ((kinds & 0xff) === RecordKind.pad) {
        this.#skipPad(length, room);
      } else if (length >= LARGE) {
        this.#takeLarge(at, length, kinds, room);
        return true;
      } else {
        const bytes = this.#extent(at, this.#checkedSize(length, room), room);
        this.#takeBatch(at, bytes);
        this.#parse();
        return true;
      }
    }
  }

  #skipPad(length: number, room: number): void {
    // No record is longer than a quarter of the ring, so no pad is: a pad behind a pad would
    // lead around the ring for ever.
    if (length + 8 !== room || room > this.#capacity >> 2) {
      throw new CorruptSegmentError(`a pad of ${length} bytes, ${room} before the ring's end`);
    }
    this.#advance(room);
  }

  /** How far small records reach that are there, from a first one of `bytes`. */
  #extent(at: number, bytes: number, room: number): number {
    const words = this.#words;
    const most = Math.min(room, MAX_BATCH);
    while (bytes < most) {
      const next = at + (bytes >> 2);
      if (words[next] === 0) break;
      const length = (Atomics.load(words, next) >>> 0) - 1;
      if (length >= LARGE || (words[next + 1]! & 0xff) === RecordKind.pad) break;
      const size = this.#checkedSize(length, room - bytes);
      if (bytes + size > most) break;
      bytes += size;
    }
    return bytes;
  }

  #takeLarge(at: number, length: number, kinds: number, room: number): void {
    const size = this.#checkedSize(length, room);
    this.#setHeader(length, kinds, this.#words[at + 2]!, this.#words[at + 3]!);
    const from = (at << 2) + RECORD_HEADER;
    if (this.#isLent()) {
      this.#large = new Uint8Array(this.#bytes.buffer, from, length);
      this.#borrowed = true;
    } else {
      this.#large = new Uint8Array(length);
      this.#large.set(this.#bytes.subarray(from, from + length));
    }
    this.#advance(size);
  }

  #isLent(): boolean {
    if ((this.flags & RecordFlag.more) !== 0 || this.kind === RecordKind.piece) return true;
    if (this.kind === RecordKind.data) return (this.flags & RecordFlag.value) === 0;
    return this.borrow && this.kind === RecordKind.message;
  }

  /** Copies a batch of small records. */
  #takeBatch(at: number, bytes: number): void {
    const slab = this.#slabs.for(bytes);
    this.#slab = slab;
    this.#cursor = slab.append(this.#bytes, this.#words, at, bytes);
    this.#batchEnd = slab.end;
    this.#advance(bytes);
  }

  #advance(bytes: number): void {
    this.#head = (this.#head + bytes) | 0;
    this.#unreleased += bytes;
  }
}
