/**
 * A message on its way into the ring, in as many pieces as it takes: its body, then its
 * attachments.
 *
 * @module
 */
import { copyBytes } from "../codec/copy.ts";
import type { RingProducer } from "../ring/producer.ts";
import { RecordFlag, RecordHeader, RecordKind } from "../ring/record.ts";
import { attachmentsOf, totalBytes } from "../codec/attachments.ts";

const EMPTY = new Uint8Array(0);

/**
 * Bytes of the first piece of a body that is cut. The second says how long the whole is, so that
 * the rest can be copied to where it stays.
 */
const FIRST_PIECE = 1008;

/** See the module. */
export class OutgoingMessage {
  /** Of its first record. */
  readonly header: RecordHeader;
  /** Bytes that aren't in the ring yet. */
  left: number;
  /** Is some of it in the ring? */
  isBegun = false;
  /** It isn't sent any more: its place in the queue is empty. */
  isWithdrawn = false;
  /** What is left of the present part, and the parts from `#next` on, which are behind it. */
  #rest: Uint8Array;
  #parts: readonly Uint8Array[];
  #next = 0;
  /** Bytes of the present part as a whole. */
  #length: number;
  #isBody = true;

  constructor(header: RecordHeader, payload: Uint8Array | undefined) {
    this.header = RecordHeader.copy(header);
    this.#rest = payload ?? EMPTY;
    this.#parts = (payload && attachmentsOf(payload)) ?? [];
    this.#length = this.#rest.length;
    this.left = totalBytes(payload);
  }

  /** Writes as much as there is room for; true when all is in the ring. */
  write(producer: RingProducer): boolean {
    const record = new RecordHeader();
    for (;;) {
      const rest = this.#rest;
      const to = this.nextBytes(producer.pieceBytes);
      const isLast = to === rest.length && this.#next === this.#parts.length;
      this.#describe(record, isLast);
      if (!producer.write(record, rest, 0, to)) return false;
      this.isBegun = true;
      this.left -= to;
      if (isLast) return true;
      if (to < rest.length) this.#rest = rest.subarray(to);
      else this.#nextPart();
    }
  }

  /** Bytes of the next piece, where the largest has so many. */
  nextBytes(pieceBytes: number): number {
    const { length } = this.#rest;
    return !this.isBegun && length > pieceBytes ? FIRST_PIECE : Math.min(length, pieceBytes);
  }

  #describe(record: RecordHeader, isLast: boolean): void {
    const { kind, flags, method, correlation, extra } = this.header;
    const isPartsFirst = this.#rest.length === this.#length;
    record.kind = this.isBegun ? RecordKind.piece : kind;
    record.flags = isLast ? 0 : RecordFlag.more;
    if (!this.isBegun) record.flags |= flags;
    else if (!this.#isBody && isPartsFirst) record.flags |= RecordFlag.attachment;
    record.method = method;
    record.correlation = correlation;
    record.extra = this.isBegun ? this.#length : extra;
  }

  #nextPart(): void {
    this.#isBody = false;
    this.#rest = this.#parts[this.#next++]!;
    this.#length = this.#rest.length;
  }

  /**
   * It is sent later, and must be what the caller gave now, whatever the caller does with its
   * memory: copies what is left, but the body if it `isOwn`, which nothing else writes to.
   */
  keep(isOwn: boolean): void {
    if (!isOwn || !this.#isBody) this.#rest = copyBytes(this.#rest);
    this.#parts = this.#parts.slice(this.#next).map(copyBytes);
    this.#next = 0;
  }

  /** Takes it back. */
  withdraw(): void {
    this.isWithdrawn = true;
    this.#rest = EMPTY;
    this.#parts = [];
    this.#next = 0;
  }
}
