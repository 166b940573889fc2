/**
 * Takes messages out of a pipe's slots.
 *
 * @module
 */
import { ViewCursor } from "../codec/struct.ts";
import { CorruptSegmentError } from "../errors.ts";
import type { PipeEnd } from "./end.ts";
import { LENGTH_BYTES, refusePromise } from "./options.ts";
import { SlotReader } from "./slots.ts";

const ASYNC_READER =
  "what reads structs in place returned a promise: they are valid until it returns, so read them " +
  "synchronously, or take values with `receiveMany`; none of them has arrived";

/** See the module. */
export class MessageReader<T> {
  readonly #end: PipeEnd;
  readonly #slots: SlotReader;
  /** {@linkcode MessageReader.read} is at work: its slots can't be given to another call. */
  #reading = false;
  /** How many the last call of {@linkcode MessageReader.read}'s handler was shown. */
  shown = 0;

  constructor(end: PipeEnd) {
    this.#end = end;
    this.#slots = new SlotReader(end.slots);
  }

  /** Number of the next message. */
  get position(): number {
    return this.#slots.position;
  }

  /** Messages that are there, at least `wanted` if there are so many; none while some are read. */
  available(wanted: number): number {
    if (this.#reading) return 0;
    try {
      return this.#slots.available(wanted);
    } catch (error) {
      throw this.#end.fail(error);
    }
  }

  /** Takes the next one, which is there. It has arrived also if the codec can't read it. */
  take(): T {
    try {
      return this.peek(0);
    } finally {
      this.release(1);
    }
  }

  /** Takes those that are there. One that can't be read is left, if it isn't the first. */
  takeMany(max: number): T[] {
    const values = this.peekMany(max);
    this.release(values.length);
    return values;
  }

  /** The values of those that are there, which stay. One that can't be read, if first, goes. */
  peekMany(max: number): T[] {
    const count = Math.min(this.available(max), max);
    const values: T[] = [];
    try {
      while (values.length < count) values.push(this.peek(values.length));
    } catch (error) {
      if (values.length > 0 && !(error instanceof CorruptSegmentError)) return values;
      this.release(1);
      throw error;
    }
    return values;
  }

  /** The value of a message, which stays. */
  peek(index: number): T {
    const { slots, shape } = this.#end;
    const at = slots.offset((this.#slots.position + index) >>> 0);
    if (shape.fixed !== undefined) return shape.fixed.decodeFrom(slots.data, at) as T;
    return shape.codec.decode(this.#copy(at)) as T;
  }

  /** A message of a size of its own. The other process can't change the copy. */
  #copy(at: number): Uint8Array {
    const { slots } = this.#end;
    const length = slots.data.getUint32(at, true);
    if (length > slots.messageBytes) {
      throw this.#end.fail(
        new CorruptSegmentError(
          `${slots.segment.path} says that a message has ${length} of at most ${slots.messageBytes} bytes`,
        ),
      );
    }
    const start = at + LENGTH_BYTES;
    return slots.bytes.slice(start, start + length);
  }

  /** Shows those that are there in place; they have arrived when `handler` returns. */
  read(
    view: ViewCursor<unknown>,
    handler: (view: ViewCursor<unknown>, count: number) => unknown,
    max: number,
  ): number {
    const { slots } = this.#end;
    let left = Math.min(this.available(max), max);
    let total = 0;
    while (left > 0) {
      const { position } = this.#slots;
      const run = Math.min(left, slots.contiguous(position));
      ViewCursor.show(view, slots.offset(position), run);
      this.#reading = true;
      this.shown = run;
      try {
        refusePromise(handler(view, run), ASYNC_READER);
      } finally {
        this.#reading = false;
      }
      total += run;
      left -= run;
      if (this.#end.isClosed) break;
      this.release(run);
    }
    return total;
  }

  /** The next ones have arrived: their slots are free, which the sender may wait for. */
  release(count: number): void {
    // A codec may have closed it.
    if (count === 0 || this.#end.isClosed) return;
    this.#slots.release(count);
    this.#end.tell();
  }
}
