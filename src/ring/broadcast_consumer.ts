/**
 * A subscriber's end of a broadcast ring.
 *
 * Records are copied out in batches before they are looked at, as in `consumer.ts`.
 * The publisher waits only for subscribers that block, and not for all of these: it
 * may overwrite what the others are copying. It moves `oldest` first, so the copy is
 * whole if, after it, `oldest` isn't beyond its beginning and the publisher hasn't
 * counted us as lagging. Otherwise the copy is thrown away, reading goes on at
 * `oldest`, and the numbers of the records say exactly how many were lost.
 *
 * Guarantees: whatever the publisher writes gives records or a
 * {@linkcode CorruptSegmentError}, never a read outside of the ring, never a loop
 * without an end.
 *
 * @module
 */
import { CorruptSegmentError } from "../errors.ts";
import { LagPolicy, PublisherLayout, SlotState, SubscriberSlot, Wanted } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import { PARTS_FLAG } from "./broadcast_producer.ts";
import { checkAligned, maxPayload, RECORD_HEADER, RecordKind } from "./record.ts";
import type { Slab } from "./slab.ts";
import { LARGE, MAX_BATCH, Slabs } from "./slab.ts";

/** How often to begin anew when the publisher overtakes us again and again; then it is a later poll's turn. */
const TRIES = 64;

/** How to read a ring. */
export interface ReadingMode {
  readonly policy: LagPolicy;
  /** May the publisher overwrite what we haven't read? Always, unless the policy is to block. */
  readonly mayBeOvertaken: boolean;
  /** Large payloads in place, if we can't be overtaken. */
  readonly borrow?: boolean;
}

/** See the module. After {@linkcode BroadcastConsumer.next} its fields hold the message. */
export class BroadcastConsumer {
  /** Number of the message: how many its publisher had published before. */
  sequence = 0;
  /** How many were lost right before it. */
  lost = 0;
  /** Bytes of the payload. */
  length = 0;
  /** Is it a message of several parts? See {@linkcode splitParts}. */
  isParts = false;
  /** We were too slow and wanted to be disconnected then: nothing comes any more. */
  isCut = false;

  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array;
  readonly #slot: number;
  readonly #headWord: number;
  readonly #lagWord: number;
  readonly #policy: LagPolicy;
  readonly #mayBeOvertaken: boolean;
  readonly #borrow: boolean;
  readonly #data: number;
  readonly #capacity: number;
  readonly #mask: number;
  readonly #maxPayload: number;
  readonly #maxBatch: number;
  /** Where the next record that we haven't copied begins. */
  #position: number;
  /** Bytes before it that the publisher doesn't know of yet. */
  #unreleased = 0;
  /** Number of the next record. */
  #expected: number;
  /** The publisher's count of our lagging when we last began anew; 0 in the beginning. */
  #lag = 0;
  /** We began anew: the next record may have any number. */
  #isLost = false;
  #skipped = 0;

  readonly #slabs = new Slabs();
  #slab: Slab | undefined;
  #cursor = 0;
  #batchEnd = 0;
  #payload = 0;
  #large: Uint8Array<ArrayBuffer> | undefined;
  #borrowed = false;

  /**
   * `slot` and `data` are offsets in the segment, which the caller has checked; the
   * publisher has opened the slot.
   */
  constructor(
    segment: Segment,
    slot: number,
    data: number,
    capacity: number,
    { policy, mayBeOvertaken, borrow = false }: ReadingMode,
  ) {
    this.#bytes = segment.bytes;
    this.#words = segment.words;
    this.#slot = slot;
    this.#headWord = (slot + SubscriberSlot.head) >> 2;
    this.#lagWord = (slot + SubscriberSlot.lag) >> 2;
    this.#policy = policy;
    this.#mayBeOvertaken = mayBeOvertaken || policy !== LagPolicy.block;
    this.#borrow = borrow && !this.#mayBeOvertaken;
    this.#data = data;
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#maxPayload = maxPayload(capacity);
    this.#maxBatch = Math.min(MAX_BATCH, capacity >> 3);
    this.#position = checkAligned(
      Atomics.load(this.#words, (slot + SubscriberSlot.start) >> 2),
    );
    this.#expected = this.#number((slot + SubscriberSlot.sequence) >> 2, this.#words);
  }

  #number(at: number, words: Int32Array): number {
    return (words[at]! >>> 0) + (words[at + 1]! >>> 0) * 0x1_0000_0000;
  }

  /** Is the next message already in our own memory? */
  get hasBatch(): boolean {
    return this.#cursor < this.#batchEnd;
  }

  /** Goes on to the next message; false if there is none, or {@linkcode BroadcastConsumer.isCut}. */
  next(): boolean {
    for (;;) {
      let sequence: number;
      if (this.#cursor < this.#batchEnd) {
        sequence = this.#parse();
      } else {
        this.#large = undefined;
        this.#borrowed = false;
        // What was borrowed until now is given back.
        if (this.#unreleased > this.#capacity >> 3) this.release();
        sequence = this.#fetch();
        if (sequence < 0) {
          if (this.#unreleased > 0) this.release();
          return false;
        }
        if (this.#unreleased > this.#capacity >> 3) this.release();
      }
      if (this.#follows(sequence)) return true;
    }
  }

  /** Is it the next one for the user? False if it was read before. */
  #follows(sequence: number): boolean {
    if (sequence !== this.#expected) {
      if (!this.#isLost) {
        throw new CorruptSegmentError(
          `a message has the number ${sequence} where ${this.#expected} follows`,
        );
      }
      if (sequence < this.#expected) {
        if (++this.#skipped > this.#capacity) {
          throw new CorruptSegmentError(`the numbers of messages stay below ${this.#expected}`);
        }
        return false;
      }
    }
    this.lost = sequence - this.#expected;
    this.sequence = sequence;
    this.#expected = sequence + 1;
    this.#isLost = false;
    this.#skipped = 0;
    return true;
  }

  /** The payload, to keep; or a view of the ring, valid until the next one, if it is borrowed. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#large ?? new Uint8Array(this.#slab!.buffer, this.#payload, this.length);
  }

  /** Is there something that wasn't taken yet? */
  hasMore(): boolean {
    return this.#cursor < this.#batchEnd || Atomics.load(this.#words, this.#at()) !== 0 ||
      this.#isLagging();
  }

  /** Tells the publisher how far we have read. */
  release(): void {
    if (this.#borrowed) return;
    this.#unreleased = 0;
    Atomics.store(this.#words, this.#headWord, this.#position);
  }

  /** Is the publisher waiting for us? Then the caller rings it: the flag is cleared. */
  takeRoomWanted(): boolean {
    const at = (this.#slot + SubscriberSlot.roomWanted) >> 2;
    if (Atomics.load(this.#words, at) === 0) return false;
    Atomics.store(this.#words, at, 0);
    return true;
  }

  /** Asks to be told of the next message. Look again after it. */
  setWaiting(): void {
    Atomics.store(this.#words, (this.#slot + SubscriberSlot.waiting) >> 2, 1);
    Atomics.or(this.#words, PublisherLayout.wanted >> 2, Wanted.wake);
  }

  /** Index of the next record's commit word. */
  #at(): number {
    return (this.#data + (this.#position & this.#mask)) >> 2;
  }

  /** Has the publisher gone beyond our position? */
  #isLagging(): boolean {
    if (!this.#mayBeOvertaken) return false;
    const oldest = Atomics.load(this.#words, PublisherLayout.oldest >> 2);
    return ((oldest - this.#position) | 0) > 0 ||
      Atomics.load(this.#words, this.#lagWord) !== this.#lag;
  }

  /** Was what we read from our position on whole until now? */
  #isWhole(): boolean {
    if (!this.#mayBeOvertaken) return true;
    // ORDER: this store between the reads and the look keeps them apart on every processor.
    Atomics.store(this.#words, this.#headWord, this.#position);
    return !this.#isLagging();
  }

  /** Goes on at the oldest record. False if the publisher disconnected us instead. */
  #beginAnew(): boolean {
    const state = Atomics.load(this.#words, (this.#slot + SubscriberSlot.state) >> 2);
    if (this.#policy === LagPolicy.disconnect || state === SlotState.cut) {
      this.isCut = true;
      return false;
    }
    for (let tries = 0; tries < TRIES; tries++) {
      this.#lag = Atomics.load(this.#words, this.#lagWord);
      this.#position = checkAligned(Atomics.load(this.#words, PublisherLayout.oldest >> 2));
      Atomics.store(this.#words, this.#headWord, this.#position);
      // A thread that slept between these lines may have been overtaken by whole laps.
      if (Atomics.load(this.#words, this.#lagWord) === this.#lag) break;
    }
    this.#unreleased = 0;
    this.#isLost = true;
    return true;
  }

  /** Takes what is there from the ring. The number of its first record, or -1. */
  #fetch(): number {
    if (this.isCut) return -1;
    const words = this.#words;
    for (let tries = 0; tries < TRIES; tries++) {
      if (this.#policy === LagPolicy.latest && !this.#skipToNewest()) {
        if (this.isCut) return -1;
        continue;
      }
      const at = this.#at();
      // ORDER: a plain look costs a tenth of an atomic one. What it finds is confirmed by an atomic
      // load, and the record is read after that.
      if (words[at] === 0) {
        if (!this.#isLagging() || !this.#beginAnew()) return -1;
        continue;
      }
      const length = (Atomics.load(words, at) >>> 0) - 1;
      const room = this.#capacity - (this.#position & this.#mask);
      const isPad = (words[at + 1]! & 0xff) === RecordKind.pad;
      const size = isPad ? this.#padSize(length, room) : this.#sizeOf(length, room);
      if (size > 0 && !isPad) {
        const sequence = length >= LARGE
          ? this.#takeLarge(at, length, size)
          : this.#takeBatch(at, this.#extent(at, size, room));
        if (sequence >= 0) return sequence;
      } else if (this.#isWhole()) {
        if (size === 0) {
          throw new CorruptSegmentError(
            `a record of ${length} bytes, ${room} before the ring's end`,
          );
        }
        this.#advance(size);
        continue;
      }
      if (!this.#beginAnew()) return -1;
    }
    return -1;
  }

  /** Moves to the newest record that is there. False if the publisher overtook us meanwhile. */
  #skipToNewest(): boolean {
    const words = this.#words;
    let newest = this.#position;
    let passed = 0;
    while (passed < this.#capacity) {
      const offset = (this.#position + passed) & this.#mask;
      const at = (this.#data + offset) >> 2;
      if (words[at] === 0) break;
      const length = (Atomics.load(words, at) >>> 0) - 1;
      const room = this.#capacity - offset;
      const isPad = (words[at + 1]! & 0xff) === RecordKind.pad;
      const size = isPad ? this.#padSize(length, room) : this.#sizeOf(length, room);
      if (size === 0) break;
      if (!isPad) newest = (this.#position + passed) | 0;
      passed += size;
    }
    if (passed > 0 && !this.#isWhole()) {
      this.#beginAnew();
      return false;
    }
    if (newest !== this.#position) {
      this.#position = newest;
      this.#isLost = true;
    }
    return true;
  }

  /** Bytes of a pad, 0 if it can't be one: no pad is longer than the longest record. */
  #padSize(length: number, room: number): number {
    return length + 8 === room && room <= this.#capacity >> 2 ? room : 0;
  }

  /** Bytes of a record with that payload, 0 if it can't be in `room`. */
  #sizeOf(length: number, room: number): number {
    const size = (RECORD_HEADER + length + 7) & ~7;
    return length < 0 || length > this.#maxPayload || size > room ? 0 : size;
  }

  /** How far small records reach that are there, from a first one of `bytes`. */
  #extent(at: number, bytes: number, room: number): number {
    if (this.#policy === LagPolicy.latest) return bytes;
    const words = this.#words;
    const most = Math.min(room, this.#maxBatch);
    while (bytes < most) {
      const next = at + (bytes >> 2);
      if (words[next] === 0) break;
      const length = (Atomics.load(words, next) >>> 0) - 1;
      if (length >= LARGE || (words[next + 1]! & 0xff) === RecordKind.pad) break;
      const size = this.#sizeOf(length, room - bytes);
      if (size === 0 || bytes + size > most) break;
      bytes += size;
    }
    return bytes;
  }

  /** Copies a large record; its number, or -1 if it was overwritten meanwhile. */
  #takeLarge(at: number, length: number, size: number): number {
    const from = (at << 2) + RECORD_HEADER;
    const kinds = this.#words[at + 1]!;
    const sequence = this.#number(at + 2, this.#words);
    let payload: Uint8Array<ArrayBuffer>;
    if (this.#borrow) {
      payload = new Uint8Array(this.#bytes.buffer, from, length);
    } else {
      payload = new Uint8Array(length);
      payload.set(this.#bytes.subarray(from, from + length));
    }
    if (!this.#isWhole()) return -1;
    this.#setHeader(length, kinds);
    this.#large = payload;
    this.#borrowed = this.#borrow;
    this.#advance(size);
    return sequence;
  }

  /** Copies a batch of small records; the number of the first, or -1 if some were overwritten. */
  #takeBatch(at: number, bytes: number): number {
    const slab = this.#slabs.for(bytes);
    const start = slab.append(this.#bytes, this.#words, at, bytes);
    if (!this.#isWhole()) {
      slab.end = start;
      return -1;
    }
    this.#slab = slab;
    this.#cursor = start;
    this.#batchEnd = slab.end;
    this.#advance(bytes);
    return this.#parse();
  }

  /** Reads the record at the cursor from our copy, which no other process can change. */
  #parse(): number {
    const words = this.#slab!.words;
    const at = this.#cursor >> 2;
    const length = (words[at]! >>> 0) - 1;
    const size = this.#sizeOf(length, this.#batchEnd - this.#cursor);
    if (size === 0) throw new CorruptSegmentError(`a record of ${length} bytes in a batch`);
    this.#payload = this.#cursor + RECORD_HEADER;
    this.#cursor += size;
    this.#setHeader(length, words[at + 1]!);
    return this.#number(at + 2, words);
  }

  #setHeader(length: number, kinds: number): void {
    if ((kinds & 0xff) !== RecordKind.message) {
      throw new CorruptSegmentError(`a record of kind ${kinds & 0xff} in a topic`);
    }
    this.length = length;
    this.isParts = ((kinds >>> 8) & PARTS_FLAG) !== 0;
  }

  #advance(bytes: number): void {
    this.#position = (this.#position + bytes) | 0;
    this.#unreleased += bytes;
  }
}

/** The parts of a payload that was written as several. @throws {CorruptSegmentError} */
export function splitParts(payload: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const { buffer, byteOffset, length } = payload;
  const view = new DataView(buffer, byteOffset, length);
  const count = length < 4 ? -1 : view.getUint32(0, true);
  let at = 4 + 4 * count;
  if (count < 0 || at > length) {
    throw new CorruptSegmentError(`a message of ${length} bytes says it has ${count} parts`);
  }
  const parts = new Array<Uint8Array<ArrayBuffer>>(count);
  for (let i = 0; i < count; i++) {
    const size = view.getUint32(4 + 4 * i, true);
    if (size > length - at) {
      throw new CorruptSegmentError(`part ${i} has ${size} bytes, the message ${length - at} left`);
    }
    parts[i] = new Uint8Array(buffer, byteOffset + at, size);
    at += size;
  }
  return parts;
}
