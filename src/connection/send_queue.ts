/**
 * What can't go into the ring at once: records that wait for room, in order, and
 * large payloads that travel in pieces.
 *
 * @module
 */
import { copyBytes } from "../codec/copy.ts";
import { BackpressureError } from "../errors.ts";
import type { RingProducer } from "../ring/producer.ts";
import { maxPayload, RecordFlag, RecordHeader, RecordKind } from "../ring/record.ts";

interface Pending {
  readonly header: RecordHeader;
  payload: Uint8Array | undefined;
  /** Bytes of the payload that are in the ring already. */
  sent: number;
}

const EMPTY = new Uint8Array(0);

/** See the module. */
export class SendQueue {
  /** Bytes of payload that wait. */
  queuedBytes = 0;
  /** Times that the ring was full. */
  waits = 0;

  readonly #producer: RingProducer;
  readonly #limit: number;
  readonly #pieceBytes: number;
  #queue: Pending[] = [];
  #first = 0;

  /** `limit`: bytes that may wait. */
  constructor(producer: RingProducer, limit: number) {
    this.#producer = producer;
    this.#limit = limit;
    this.#pieceBytes = maxPayload(producer.capacity);
  }

  /** Does nothing wait? */
  get isEmpty(): boolean {
    return this.#first === this.#queue.length;
  }

  /** Records that wait. */
  get length(): number {
    return this.#queue.length - this.#first;
  }

  /**
   * Sends a record, or lets it wait: true if all of it is in the ring. The payload
   * is copied if it waits. {@linkcode BackpressureError} if too much waits already
   * and `mayOverflow` isn't set; a single message of any size can wait alone.
   */
  post(header: RecordHeader, payload: Uint8Array | undefined, mayOverflow: boolean): boolean {
    const length = payload === undefined ? 0 : payload.length;
    if (this.#first === this.#queue.length && length <= this.#pieceBytes) {
      if (this.#producer.write(header, payload, 0, length)) return true;
    }
    return this.#postSlowly(header, payload, mayOverflow);
  }

  #postSlowly(
    header: RecordHeader,
    payload: Uint8Array | undefined,
    mayOverflow: boolean,
  ): boolean {
    const length = payload?.length ?? 0;
    const overflows = !this.isEmpty && this.queuedBytes + length > this.#limit;
    if (overflows && !mayOverflow) {
      throw new BackpressureError(this.queuedBytes, length, this.#limit);
    }
    const pending: Pending = { header: RecordHeader.copy(header), payload, sent: 0 };
    if (this.isEmpty && this.#writePieces(pending)) return true;
    // What is sent later must be what the caller gave now, whatever it does with its memory.
    if (payload !== undefined) pending.payload = copyBytes(payload);
    this.#queue.push(pending);
    this.queuedBytes += length - pending.sent;
    this.waits++;
    return false;
  }

  /** Writes as much of a message as there is room for; true when all is in the ring. */
  #writePieces(pending: Pending): boolean {
    const { header } = pending;
    const payload = pending.payload ?? EMPTY;
    for (;;) {
      const to = Math.min(pending.sent + this.#pieceBytes, payload.length);
      const more = to < payload.length ? RecordFlag.more : 0;
      const piece = RecordHeader.copy(header);
      if (pending.sent > 0) {
        piece.kind = RecordKind.piece;
        piece.flags = 0;
      }
      piece.flags |= more;
      if (!this.#producer.write(piece, payload, pending.sent, to)) return false;
      pending.sent = to;
      if (more === 0) return true;
    }
  }

  /** Writes what waits, as far as there is room; true if something was written. */
  flush(): boolean {
    let wrote = false;
    while (this.#first < this.#queue.length) {
      const pending = this.#queue[this.#first]!;
      const before = pending.sent;
      const whole = this.#writePieces(pending);
      this.queuedBytes -= pending.sent - before;
      wrote ||= whole || pending.sent > before;
      if (!whole) return wrote;
      this.#first++;
    }
    if (this.#first > 0) {
      this.#queue = [];
      this.#first = 0;
    }
    return wrote;
  }

  /** Is there room for the next piece of what waits? */
  canFlush(): boolean {
    const pending = this.#queue[this.#first];
    if (pending === undefined) return false;
    const left = (pending.payload?.length ?? 0) - pending.sent;
    return this.#producer.hasRoomFor(Math.min(left, this.#pieceBytes));
  }

  /** Forgets what waits and returns how many records that were. */
  discard(): number {
    const { length } = this;
    this.#queue = [];
    this.#first = 0;
    this.queuedBytes = 0;
    return length;
  }
}
