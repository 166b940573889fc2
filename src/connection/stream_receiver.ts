/**
 * The reading end of a stream.
 *
 * Guarantees: what waits here is never more than the window, and one record; who
 * sends more without credit is broken. Nothing is granted before the first read,
 * so a stream that nobody reads costs nothing. What arrived before the end, or
 * before the peer died, can be read before that is told.
 *
 * @module
 */
import { copyBytes } from "../codec/copy.ts";
import { RecordFlag, RecordKind } from "../ring/record.ts";
import { CorruptSegmentError, StreamAbortedError } from "../errors.ts";
import { ByteQueue } from "./byte_queue.ts";
import { ITEM_COST } from "./stream_host.ts";
import type { HasBytes, StreamEnd, StreamHost } from "./stream_host.ts";

interface Item {
  readonly value: unknown;
  readonly cost: number;
}

/** See the module. */
export class StreamReceiver implements StreamEnd, HasBytes {
  readonly id: number;
  readonly #host: StreamHost;
  readonly #exact: boolean;
  readonly #window: number;
  readonly #acknowledges: boolean;
  readonly #bytes = new ByteQueue();
  #items: Item[] = [];
  #first = 0;
  /** What the sender may still send. */
  #balance = 0;
  /** What was read, but not granted again. */
  #consumed = 0;
  #started = false;
  #waiting: PromiseWithResolvers<void> | undefined;
  /** Where the reader that waits wants bytes. */
  #target: Uint8Array | undefined;
  /** Bytes that were put into the target. */
  #filled = 0;
  #dirty = false;
  #state: "open" | "stopped" | "ended" = "open";
  #failure: { readonly error: unknown } | undefined;
  /** Does the sender wait to hear what became of it all? */
  #owes = false;
  #closed: (() => void) | undefined;
  /** Told when it ends with an error, and nothing is left to read. */
  onFailure: ((error: unknown) => void) | undefined;

  /** `acknowledges`: {@linkcode StreamReceiver.finished} tells the sender that all was worked off. */
  constructor(host: StreamHost, id: number, exact: boolean, acknowledges: boolean, window: number) {
    this.#host = host;
    this.id = id;
    this.#exact = exact;
    this.#acknowledges = acknowledges;
    this.#window = window;
  }

  /** Is it over for the reader? Something may be left to read. */
  get isOver(): boolean {
    return this.#state !== "open";
  }

  /** Calls back when it is over, or at once if it is. */
  whenOver(task: () => void): void {
    if (this.isOver) task();
    else this.#closed = task;
  }

  /** Is there something to take? */
  get has(): boolean {
    return this.#first < this.#items.length || this.#bytes.length > 0;
  }

  /** See {@linkcode StreamHost.pause}: before what is there is taken. */
  pause(): Promise<void> | undefined {
    return this.#host.pause();
  }

  /** Throws what the stream failed with, if it did. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Lets the sender begin, though nobody reads yet; returns the credit, which a reference tells. */
  preGrant(): number {
    this.#started = true;
    this.#balance = this.#window;
    return this.#window;
  }

  // ------------------------------------------------------------------- reading

  /** The next value, or the bytes that are there. Only if {@linkcode StreamReceiver.has}. */
  take(): unknown {
    if (this.#first === this.#items.length) {
      const bytes = this.#bytes.take();
      this.#consume(bytes.length);
      return bytes;
    }
    const { value, cost } = this.#items[this.#first]!;
    this.#items[this.#first] = undefined!;
    if (++this.#first === this.#items.length) {
      this.#items = [];
      this.#first = 0;
    }
    this.#consume(cost);
    return value;
  }

  /** Copies bytes that are there into memory of the reader; says how many. */
  fill(target: Uint8Array): number {
    const bytes = this.#bytes.copyTo(target);
    if (bytes > 0) this.#consume(bytes);
    return bytes;
  }

  /**
   * Resolves when there is something to take, or the stream is over; never rejects.
   * With a target, bytes that come are put right into it: the number of them.
   */
  async wait(target?: Uint8Array): Promise<number> {
    if (this.has || this.#state !== "open") return 0;
    this.#filled = 0;
    this.#target = target;
    this.#waiting ??= Promise.withResolvers();
    this.#host.expect();
    try {
      if (!this.#started) {
        this.#started = true;
        this.#grant(this.#window);
      }
      await this.#waiting.promise;
    } finally {
      this.#host.unexpect();
    }
    const filled = this.#filled;
    this.#filled = 0;
    return filled;
  }

  #grant(credit: number): void {
    this.#balance += credit;
    const header = this.#host.header.begin(RecordKind.credit);
    header.correlation = this.id;
    header.extra = credit;
    this.#host.post(header, undefined);
  }

  /** Tells the sender that no more is wanted, and why, or that all was worked off. */
  #postStop(failure: { readonly error: unknown } | undefined): void {
    const payload = failure === undefined ? undefined : this.#host.encodeError(failure.error);
    const header = this.#host.header.begin(RecordKind.stop);
    header.correlation = this.id;
    this.#host.post(header, payload);
  }

  #consume(cost: number): void {
    this.#consumed += cost;
    if (this.#consumed < this.#window >> 2 || this.#state !== "open") return;
    const credit = this.#consumed;
    this.#consumed = 0;
    this.#grant(credit);
  }

  /** The reader wants no more. After the end it tells a sender that waits to hear of it. */
  stop(reason: unknown): void {
    this.#drop();
    if (this.#state !== "open") {
      this.finished({ error: reason ?? new StreamAbortedError() });
      return;
    }
    // Until the sender's end what comes is dropped.
    this.#settle("stopped");
    this.#postStop(reason === undefined ? undefined : { error: reason });
  }

  /** Stops, and what waits here is told the reason. */
  abort(reason: unknown): void {
    if (this.#state !== "open" && !this.has) return;
    this.stop(reason);
    this.#fail(reason);
  }

  /** Tells the sender that all was worked off, or what went wrong with it after the end. Once. */
  finished(failure?: { readonly error: unknown }): void {
    if (!this.#owes) return;
    this.#owes = false;
    this.#postStop(failure);
  }

  // ------------------------------------------------------------------ arriving

  /** Bytes came; they may be in the ring, and are copied. True if no promise goes on. */
  onBytes(bytes: Uint8Array): boolean {
    this.#charge(bytes.length + (this.#exact ? ITEM_COST : 0));
    if (this.#state !== "open") return true;
    if (this.#exact) return this.#push(copyBytes(bytes), bytes.length + ITEM_COST);
    const rest = this.#fillTarget(bytes);
    if (rest.length > 0) this.#bytes.push(rest);
    if (this.#waiting === undefined) return true;
    if (this.#bytes.isLarge || this.#isTargetFull()) {
      this.#wake();
      return false;
    }
    if (!this.#dirty) {
      this.#dirty = true;
      this.#host.awaitDry(this);
    }
    return true;
  }

  #fillTarget(bytes: Uint8Array): Uint8Array {
    const target = this.#target;
    if (target === undefined) return bytes;
    const room = target.length - this.#filled;
    if (room <= 0) return bytes;
    const fits = bytes.length <= room ? bytes : bytes.subarray(0, room);
    target.set(fits, this.#filled);
    this.#filled += fits.length;
    this.#consume(fits.length);
    return bytes.subarray(fits.length);
  }

  #isTargetFull(): boolean {
    return this.#target !== undefined && this.#filled === this.#target.length;
  }

  /** A value came. True if no promise goes on. */
  onValue(value: unknown, length: number): boolean {
    if (this.#state !== "open") return true;
    return this.#push(value, length + ITEM_COST);
  }

  /** The same, before it is decoded. */
  chargeValue(length: number): void {
    this.#charge(length + ITEM_COST);
  }

  #push(value: unknown, cost: number): boolean {
    if (this.#bytes.length > 0) {
      const before = this.#bytes.take();
      this.#items.push({ value: before, cost: before.length });
    }
    this.#items.push({ value, cost });
    if (this.#waiting === undefined) return true;
    this.#wake();
    return false;
  }

  #charge(cost: number): void {
    if (this.#balance <= 0 && cost > 0) {
      throw new CorruptSegmentError(`data on the stream ${this.id} without credit`);
    }
    this.#balance -= cost;
  }

  /** See {@linkcode HasBytes}. */
  deliver(): void {
    this.#dirty = false;
    // Who waits now may not be the one for whom it was asked.
    if (this.has || this.#filled > 0) this.#wake();
  }

  #wake(): void {
    this.#target = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }

  /** The sender's end. */
  onEnd(flags: number, payload: Uint8Array<ArrayBuffer> | undefined): void {
    this.#host.forget(this.id);
    if (this.#state !== "open") return;
    if ((flags & RecordFlag.error) !== 0) this.#fail(this.#host.decodeError(payload));
    else this.#owes = this.#acknowledges;
    this.#settle("ended");
  }

  /** See {@linkcode StreamEnd}. */
  disconnected(error: Error): void {
    this.#owes = false;
    if (this.#state !== "open") return;
    this.#fail(error);
    this.#settle("ended");
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    if (!this.has && this.#filled === 0) this.onFailure?.(error);
  }

  #settle(state: "stopped" | "ended"): void {
    this.#state = state;
    this.#wake();
    this.#closed?.();
    this.#closed = undefined;
  }

  #drop(): void {
    this.#items = [];
    this.#first = 0;
    this.#bytes.clear();
  }
}
