/**
 * The ring of a pipe's slots, and its two counters: how many messages were sent
 * (tail) and how many have arrived (head). Both are in shared memory, so either side
 * can end at any time, and the next one goes on where it was.
 *
 * A message, or a batch, is there with one store of the tail. Each side keeps a copy
 * of the other's counter and looks again only when the copy says that there is no
 * room, or no message.
 *
 * @module
 */
import { CorruptSegmentError } from "../errors.ts";
import { Header, PipeLayout } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";

const HEAD = PipeLayout.head >> 2;
const TAIL = PipeLayout.tail >> 2;

/** What both sides know of the ring. */
export class Slots {
  readonly segment: Segment;
  /** Slots; a power of two. */
  readonly capacity: number;
  /** The most bytes of a message. */
  readonly messageBytes: number;
  /** All slots, one behind the other. */
  readonly data: DataView;
  readonly bytes: Uint8Array;
  readonly #stride: number;

  /** What matters for safety is checked; the rest was, when it was opened. */
  constructor(segment: Segment) {
    this.segment = segment;
    this.capacity = segment.u32(Header.capacity);
    this.messageBytes = segment.u32(PipeLayout.messageBytes);
    this.#stride = segment.u32(PipeLayout.stride);
    // Checked here again: between the check and now they may have changed.
    const { capacity } = this;
    const size = capacity * this.#stride;
    if (
      size < 1 || size > segment.bytes.length - PipeLayout.slots ||
      (capacity & (capacity - 1)) !== 0
    ) {
      throw new CorruptSegmentError(`${segment.path} says it has ${this.capacity} slots`);
    }
    const { buffer } = segment.bytes;
    this.data = new DataView(buffer, PipeLayout.slots, size);
    this.bytes = new Uint8Array(buffer, PipeLayout.slots, size);
  }

  /** Where in {@linkcode Slots.data} the message of a number is. */
  offset(position: number): number {
    return (position & (this.capacity - 1)) * this.#stride;
  }

  /** Fills the slots of `count` messages, which are all free, with zeros. */
  clear(position: number, count: number): void {
    const run = Math.min(count, this.contiguous(position));
    const at = this.offset(position);
    this.bytes.fill(0, at, at + run * this.#stride);
    if (run < count) this.bytes.fill(0, 0, (count - run) * this.#stride);
  }

  /** How many follow in memory, from the message of a number on. */
  contiguous(position: number): number {
    return this.capacity - (position & (this.capacity - 1));
  }

  /** Messages that were sent and haven't arrived. */
  get queued(): number {
    return this.check(this.head(), this.tail());
  }

  /** Messages that arrived, ever. */
  head(): number {
    return Atomics.load(this.segment.words, HEAD) >>> 0;
  }

  /** Messages that were sent, ever. */
  tail(): number {
    return Atomics.load(this.segment.words, TAIL) >>> 0;
  }

  /** Checks and returns how many wait. */
  check(head: number, tail: number): number {
    const queued = (tail - head) >>> 0;
    if (queued <= this.capacity) return queued;
    throw new CorruptSegmentError(
      `${this.segment.path} says that ${queued} messages wait in ${this.capacity} slots`,
    );
  }
}

/** The sender's side. */
export class SlotWriter {
  readonly slots: Slots;
  readonly #words: Int32Array;
  #tail: number;
  #head: number;

  constructor(slots: Slots) {
    this.slots = slots;
    this.#words = slots.segment.words;
    this.#tail = slots.tail();
    this.#head = slots.head();
    slots.check(this.#head, this.#tail);
  }

  /** Number of the next message. */
  get position(): number {
    return this.#tail;
  }

  /** Slots that are free, at least `wanted` if there are so many. */
  room(wanted: number): number {
    const { slots } = this;
    const free = slots.capacity - ((this.#tail - this.#head) >>> 0);
    if (free >= wanted) return free;
    this.#head = slots.head();
    return slots.capacity - slots.check(this.#head, this.#tail);
  }

  /** Sends the messages in the next `count` slots. */
  publish(count: number): void {
    this.#tail = (this.#tail + count) >>> 0;
    // ORDER: the messages are written before the tail says that they are there.
    Atomics.store(this.#words, TAIL, this.#tail | 0);
  }
}

/** The receiver's side. */
export class SlotReader {
  readonly slots: Slots;
  readonly #words: Int32Array;
  #tail: number;
  #head: number;

  constructor(slots: Slots) {
    this.slots = slots;
    this.#words = slots.segment.words;
    this.#head = slots.head();
    this.#tail = slots.tail();
    slots.check(this.#head, this.#tail);
  }

  /** Number of the next message. */
  get position(): number {
    return this.#head;
  }

  /** Messages that are there, at least `wanted` if there are so many. */
  available(wanted: number): number {
    const known = (this.#tail - this.#head) >>> 0;
    if (known >= wanted) return known;
    this.#tail = this.slots.tail();
    return this.slots.check(this.#head, this.#tail);
  }

  /** Gives the next `count` slots back: their messages have arrived. */
  release(count: number): void {
    this.#head = (this.#head + count) >>> 0;
    // ORDER: the messages are read before the head gives their slots back.
    Atomics.store(this.#words, HEAD, this.#head | 0);
  }
}
