/**
 * The writing end of a broadcast ring: one publisher writes each record once, any
 * number of subscribers read it.
 *
 * Records are those of `record.ts`. Each carries its number, 53 bits of it: the low
 * word in `correlation`, the high one in `extra`. A subscriber has a slot, and in it
 * a position of its own and a policy for the time when it lags.
 *
 * Guarantees: a record is visible as a whole or not at all; nothing that a subscriber
 * with the policy "block" hasn't read is overwritten; `oldest` is written *before*
 * anything behind it is overwritten, so that the others copy first, look at `oldest`
 * then, and know whether the copy is whole. Allocates nothing, calls no FFI.
 *
 * The slots are looked at only once per good part of the ring, not per record, so
 * that eight subscribers cost a publisher about what one does.
 *
 * @module
 */
import { LagPolicy, PublisherLayout, SubscriberSlot, Wanted } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import { maxPayload, RECORD_HEADER, RecordKind, RING_GAP } from "./record.ts";

/** The payload is several parts, whose lengths come first. */
export const PARTS_FLAG = 8;

/** Landmarks in a ring's span; see {@linkcode BroadcastProducer}. */
const LANDMARKS = 16;

/** Why a subscriber is cut off. */
export type CutReason = "lagged" | "corrupt";

/** A subscriber, as the producer sees it. */
interface Reader {
  readonly slot: number;
  readonly policy: LagPolicy;
  /** Its policy is to block, but it doesn't until it has caught up. */
  isOvertaken: boolean;
}

/** See the module. */
export class BroadcastProducer {
  /** Data bytes of the ring. */
  readonly capacity: number;
  /** The largest payload. */
  readonly maxPayload: number;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #data: number;
  readonly #mask: number;
  readonly #onCut: (slot: number, reason: CutReason) => void;
  readonly #readers: Reader[] = [];
  #tail: number;
  /** Number of the next record. */
  #sequence = 0;
  #low = 0;
  #high = 0;

  // Landmarks: positions of records, an eighth of the ring or more apart, with their
  // numbers. `oldest` goes from one to the next. They are ours alone, so nothing that
  // others write into the ring can lead us astray.
  readonly #landmarks = new Int32Array(LANDMARKS);
  readonly #numbers = new Float64Array(LANDMARKS);
  #firstLandmark = 0;
  #landmarkCount = 0;

  /** The position of the oldest record that is whole, as in shared memory. */
  #oldest: number;
  /** The least position of a subscriber that holds us back, when we last looked. */
  #leastHead: number;
  /** Where we last looked at the slots. */
  #lookedAt: number;
  /** Where `oldest` had to go, when there was last too little room. */
  #target = 0;

  /** Where the reserved record's header is; -1 if there is none. */
  #reserved = -1;
  #reservedLength = 0;
  #reservedSize = 0;

  /** `data` is an offset in the segment. `start`: its first position, for tests. */
  constructor(
    segment: Segment,
    data: number,
    capacity: number,
    onCut: (slot: number, reason: CutReason) => void,
    start = 0,
  ) {
    this.#bytes = segment.bytes;
    this.#words = segment.words;
    this.#data = data;
    this.capacity = capacity;
    this.maxPayload = maxPayload(capacity);
    this.#mask = capacity - 1;
    this.#onCut = onCut;
    this.#tail =
      this.#oldest =
      this.#leastHead =
      this.#lookedAt =
        start | 0;
    Atomics.store(this.#words, PublisherLayout.oldest >> 2, this.#oldest);
    this.#mark();
  }

  /** Number of the next record: how many there were. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Is a record reserved and not committed? */
  get isReserved(): boolean {
    return this.#reserved >= 0;
  }

  /**
   * Writes a record; false if it has no room, because a subscriber holds us back. The
   * payload isn't larger than {@linkcode BroadcastProducer.maxPayload}.
   */
  write(payload: Uint8Array): boolean {
    const length = payload.length;
    if (!this.reserve(length)) return false;
    if (length > 0) this.#bytes.set(payload, this.payload);
    this.commit();
    return true;
  }

  /** Writes a record of several parts; `length` is that of {@linkcode partsLength}. */
  writeParts(parts: readonly Uint8Array[], length: number): boolean {
    if (!this.reserve(length)) return false;
    const bytes = this.#bytes;
    let at = this.payload;
    this.#words[at >> 2] = parts.length;
    for (let i = 0; i < parts.length; i++) this.#words[(at >> 2) + 1 + i] = parts[i]!.length;
    at += 4 + 4 * parts.length;
    for (let i = 0; i < parts.length; i++) {
      bytes.set(parts[i]!, at);
      at += parts[i]!.length;
    }
    this.commit(PARTS_FLAG);
    return true;
  }

  /** Offset of the reserved record's payload in the segment. */
  get payload(): number {
    return this.#reserved + RECORD_HEADER;
  }

  /** Takes room for a record. It isn't visible until {@linkcode BroadcastProducer.commit}. */
  reserve(length: number): boolean {
    const size = (RECORD_HEADER + length + 7) & ~7;
    const offset = this.#tail & this.#mask;
    const contiguous = this.capacity - offset;
    const pad = size <= contiguous ? 0 : contiguous;
    if (
      ((this.#tail - this.#oldest) >>> 0) + pad + size + RING_GAP > this.capacity &&
      !this.#makeRoom(pad + size)
    ) return false;
    const words = this.#words;
    const data = this.#data;
    if (pad > 0) {
      words[data >> 2] = 0;
      words[((data + offset) >> 2) + 1] = RecordKind.pad;
      Atomics.store(words, (data + offset) >> 2, pad - 7);
      this.#tail = (this.#tail + pad) | 0;
      this.#reserved = data;
    } else {
      this.#reserved = data + offset;
    }
    this.#reservedLength = length;
    this.#reservedSize = size;
    return true;
  }

  /** Makes the reserved record visible, by one atomic store. */
  commit(flags = 0): void {
    const words = this.#words;
    const at = this.#reserved >> 2;
    if (((this.#tail - this.#lastLandmark()) >>> 0) >= this.capacity >> 3) this.#mark();
    this.#tail = (this.#tail + this.#reservedSize) | 0;
    words[(this.#data + (this.#tail & this.#mask)) >> 2] = 0;
    words[at + 1] = RecordKind.message | (flags << 8);
    words[at + 2] = this.#low;
    words[at + 3] = this.#high;
    this.#reserved = -1;
    this.#sequence++;
    this.#low = (this.#low + 1) | 0;
    if (this.#low === 0) this.#high++;
    Atomics.store(words, at, this.#reservedLength + 1);
  }

  /** Gives the reserved record up. */
  cancel(): void {
    this.#reserved = -1;
  }

  /** Is there something to do for subscribers? */
  get isWanted(): boolean {
    return Atomics.load(this.#words, PublisherLayout.wanted >> 2) !== 0;
  }

  /** What there is to do, {@linkcode Wanted} bits, which are cleared. */
  takeWanted(bits: number): number {
    return Atomics.and(this.#words, PublisherLayout.wanted >> 2, ~bits) & bits;
  }

  /** A plain look at the same, a tenth of the cost: for before a record is written. */
  get wantsLook(): boolean {
    return (this.#words[PublisherLayout.wanted >> 2]! & Wanted.look) !== 0;
  }

  /**
   * Lets a subscriber begin with the last `history` records, or as many of them as are
   * whole. Its slot's `start`, `sequence` and `head` are written; the caller opens it.
   */
  add(slot: number, policy: LagPolicy, history: number): void {
    const { position, sequence } = this.#locate(history);
    const words = this.#words;
    words[(slot + SubscriberSlot.start) >> 2] = position;
    words[(slot + SubscriberSlot.sequence) >> 2] = sequence | 0;
    words[(slot + SubscriberSlot.sequence + 4) >> 2] = Math.floor(sequence / 0x1_0000_0000);
    words[(slot + SubscriberSlot.lag) >> 2] = 0;
    words[(slot + SubscriberSlot.roomWanted) >> 2] = 0;
    Atomics.store(words, (slot + SubscriberSlot.head) >> 2, position);
    this.#readers.push({ slot, policy, isOvertaken: false });
    this.#forget();
  }

  /** Counts no longer on a subscriber's position. */
  remove(slot: number): void {
    const at = this.#readers.findIndex((reader) => reader.slot === slot);
    if (at >= 0) this.#readers.splice(at, 1);
    this.#forget();
  }

  /**
   * Doesn't wait for a subscriber that blocks until it has caught up. It loses what is
   * overwritten meanwhile, and finds out how much. Only for a subscriber that expects it.
   */
  overtake(slot: number): void {
    const reader = this.#readers.find((reader) => reader.slot === slot);
    if (reader === undefined || reader.policy !== LagPolicy.block) return;
    reader.isOvertaken = true;
    Atomics.add(this.#words, (slot + SubscriberSlot.lag) >> 2, 1);
    this.#forget();
  }

  /** Disconnects a subscriber that expects it: it lags. */
  disconnect(slot: number): void {
    const at = this.#readers.findIndex((reader) => reader.slot === slot);
    if (at >= 0) this.#cut(at, "lagged");
    this.#forget();
  }

  /** What we know of the slots is no longer true. */
  #forget(): void {
    this.#leastHead = this.#oldest;
  }

  /** Asks those that hold us back to ring when they have read on. Look again after it. */
  setWaiting(): void {
    for (const { slot, policy } of this.#readers) {
      if (policy === LagPolicy.block) {
        Atomics.store(this.#words, (slot + SubscriberSlot.roomWanted) >> 2, 1);
      }
    }
  }

  /** The slots of the subscribers that hold back what had no room. */
  blocking(): number[] {
    const slots: number[] = [];
    for (const { slot, policy, isOvertaken } of this.#readers) {
      if (policy !== LagPolicy.block || isOvertaken) continue;
      const head = Atomics.load(this.#words, (slot + SubscriberSlot.head) >> 2);
      if (((this.#target - head) | 0) > 0) slots.push(slot);
    }
    return slots;
  }

  /** Frees room for `bytes` behind the tail, if no subscriber holds us back. */
  #makeRoom(bytes: number): boolean {
    // Before landmarks are dropped: so there is one near the tail.
    if (((this.#tail - this.#lastLandmark()) >>> 0) >= this.capacity >> 3) this.#mark();
    const needed = (this.#tail + bytes + RING_GAP - this.capacity) | 0;
    let drop = 0;
    let target = this.#oldest;
    while (((needed - target) | 0) > 0) {
      drop++;
      target = drop < this.#landmarkCount ? this.#landmark(drop) : this.#tail;
    }
    this.#target = target;
    if (!this.#mayDrop(target)) return false;
    for (; drop > 0 && this.#landmarkCount > 1; drop--) {
      this.#firstLandmark = (this.#firstLandmark + 1) & (LANDMARKS - 1);
      this.#landmarkCount--;
    }
    if (drop > 0) {
      this.#landmarkCount = 0;
      this.#mark();
    }
    this.#oldest = target;
    Atomics.store(this.#words, PublisherLayout.oldest >> 2, target);
    // A store and a load that are both sequentially consistent keep what is written next
    // from becoming visible before `oldest`, also on weakly ordered processors.
    Atomics.load(this.#words, PublisherLayout.oldest >> 2);
    return true;
  }

  /** May `oldest` go to `target`? Looks at the slots if what we know doesn't say so. */
  #mayDrop(target: number): boolean {
    const isStale = ((this.#tail - this.#lookedAt) >>> 0) >= this.capacity >> 1;
    if (!isStale && ((target - this.#leastHead) | 0) <= 0) return true;
    this.#leastHead = this.#leastBlocking(target);
    if (((target - this.#leastHead) | 0) > 0) return false;
    this.#markLagging(target);
    this.#lookedAt = this.#tail;
    return true;
  }

  /** The least position of the subscribers that block; those that were overtaken are behind `target`. */
  #leastBlocking(target: number): number {
    let least = this.#tail;
    for (let i = this.#readers.length - 1; i >= 0; i--) {
      const reader = this.#readers[i]!;
      if (reader.policy !== LagPolicy.block) continue;
      const head = Atomics.load(this.#words, (reader.slot + SubscriberSlot.head) >> 2);
      if (reader.isOvertaken && ((target - head) | 0) > 0) continue;
      reader.isOvertaken = false;
      const used = (this.#tail - head) >>> 0;
      if (used > this.capacity || (used & 7) !== 0) this.#cut(i, "corrupt");
      else if (((least - head) | 0) > 0) least = head;
    }
    return least;
  }

  /**
   * Counts the others that are behind `target` as lagging, so that a position which wraps
   * around is never taken for a valid one; disconnects those that want it.
   */
  #markLagging(target: number): void {
    const kept = (this.#tail - target) >>> 0;
    for (let i = this.#readers.length - 1; i >= 0; i--) {
      const { slot, policy, isOvertaken } = this.#readers[i]!;
      if (policy === LagPolicy.block && !isOvertaken) continue;
      const head = Atomics.load(this.#words, (slot + SubscriberSlot.head) >> 2);
      if (((this.#tail - head) >>> 0) <= kept) continue;
      if (policy === LagPolicy.disconnect) this.#cut(i, "lagged");
      else Atomics.add(this.#words, (slot + SubscriberSlot.lag) >> 2, 1);
    }
  }

  /** Forgets a subscriber. `onCut` writes its state. */
  #cut(index: number, reason: CutReason): void {
    const { slot } = this.#readers[index]!;
    this.#readers.splice(index, 1);
    this.#onCut(slot, reason);
    // ORDER: a subscriber that sees the new count finds that it was cut, and why.
    if (reason === "lagged") Atomics.add(this.#words, (slot + SubscriberSlot.lag) >> 2, 1);
  }

  #landmark(index: number): number {
    return this.#landmarks[(this.#firstLandmark + index) & (LANDMARKS - 1)]!;
  }

  #numberOfLandmark(index: number): number {
    if (index >= this.#landmarkCount) return -1;
    return this.#numbers[(this.#firstLandmark + index) & (LANDMARKS - 1)]!;
  }

  #lastLandmark(): number {
    return this.#landmark(this.#landmarkCount - 1);
  }

  /** The next record is a landmark. */
  #mark(): void {
    const at = (this.#firstLandmark + this.#landmarkCount) & (LANDMARKS - 1);
    this.#landmarks[at] = this.#tail;
    this.#numbers[at] = this.#sequence;
    this.#landmarkCount++;
  }

  /** Where the last `count` records begin, or as many of them as are whole. */
  #locate(count: number): { position: number; sequence: number } {
    const end = { position: this.#tail, sequence: this.#sequence };
    if (this.#reserved >= 0 || count === 0) return end;
    const wanted = Math.max(this.#sequence - count, this.#numberOfLandmark(0));
    let from = 0;
    while (from + 1 < this.#landmarkCount && this.#numberOfLandmark(from + 1) <= wanted) from++;
    let position = this.#landmark(from);
    let sequence = this.#numberOfLandmark(from);
    while (sequence < wanted) {
      const size = this.#sizeAt(position);
      // Another process wrote into our ring: there is no history any more.
      if (size === 0) return end;
      if (!this.#isPad(position)) sequence++;
      position = (position + size) | 0;
    }
    return { position, sequence };
  }

  #isPad(position: number): boolean {
    const at = (this.#data + (position & this.#mask)) >> 2;
    return (this.#words[at + 1]! & 0xff) === RecordKind.pad;
  }

  /** Bytes of the record or pad at a position; 0 if it can't be one. */
  #sizeAt(position: number): number {
    const offset = position & this.#mask;
    const length = (this.#words[(this.#data + offset) >> 2]! >>> 0) - 1;
    const toEnd = this.capacity - offset;
    const size = this.#isPad(position) ? toEnd : (RECORD_HEADER + length + 7) & ~7;
    const fits = length >= 0 && length <= this.maxPayload + RECORD_HEADER && size <= toEnd &&
      size <= ((this.#tail - position) >>> 0);
    return fits ? size : 0;
  }
}

/** Bytes of the payload of a record of several parts. */
export function partsLength(parts: readonly Uint8Array[]): number {
  let length = 4 + 4 * parts.length;
  for (let i = 0; i < parts.length; i++) length += parts[i]!.length;
  return length;
}
