/**
 * Puts the pieces of a large message together again, each where it belongs: its body, and its
 * attachments.
 *
 * The second piece of the body says how long the whole is, the first of an attachment how long that
 * is. Memory still grows with what really arrives, so a peer can't make us allocate by announcing a
 * size.
 *
 * @module
 */

import type { RecordFields } from "../ring/record.ts";
import { attach } from "../codec/attachments.ts";

/** Memory is made for so many times the bytes that have arrived, if as many are announced. */
const AHEAD = 8;

const EMPTY = new Uint8Array(0);

/** See the module. */
export class Assembly {
  /** The first record of the message. */
  readonly beginning: RecordFields;
  /** Bytes so far. */
  size = 0;
  /** Bytes of the attachment that still have to come; `Infinity` in the body. */
  missing = Infinity;
  /** Has the body ended, or the attachment? */
  isPartWhole = false;
  /** The parts before the present one; `undefined` if it is over the limit. */
  #parts: Uint8Array<ArrayBuffer>[] | undefined = [];
  #part = EMPTY;
  #used = 0;

  constructor(beginning: RecordFields) {
    this.beginning = beginning;
  }

  /** Is it over the limit? Then its pieces are only counted. */
  get isTooLarge(): boolean {
    return this.#parts === undefined;
  }

  /** The pieces that follow are those of an attachment of so many bytes. */
  begin(bytes: number): void {
    this.#parts?.push(this.#finish());
    this.missing = bytes;
    this.isPartWhole = false;
    this.#part = EMPTY;
    this.#used = 0;
  }

  /**
   * Adds a copy of a piece; over `limit` bytes all of them are dropped. `announced`: bytes of the
   * part, as the peer says, or 0.
   */
  add(piece: Uint8Array, limit: number, announced = 0): void {
    this.missing -= piece.length;
    if (this.missing === 0) this.isPartWhole = true;
    this.size += piece.length;
    if (this.size > limit) {
      this.#parts = undefined;
      this.#part = EMPTY;
    }
    if (this.#parts === undefined) return;
    const at = this.#used;
    this.#used += piece.length;
    if (this.#used > this.#part.length) this.#grow(at, Math.min(announced, limit));
    this.#part.set(piece, at);
  }

  #grow(used: number, announced: number): void {
    const needed = this.#used;
    // The bytes of the whole message: it may have many attachments.
    const most = announced >= needed ? Math.min(announced, AHEAD * this.size) : 2 * needed;
    const larger = new Uint8Array(Math.max(needed, most));
    larger.set(this.#part.subarray(0, used));
    this.#part = larger;
  }

  #finish(): Uint8Array<ArrayBuffer> {
    return this.#part.length === this.#used ? this.#part : this.#part.slice(0, this.#used);
  }

  /** The whole message with its attachments, each in memory of its own. */
  join(): Uint8Array<ArrayBuffer> {
    const [body, ...parts] = [...this.#parts ?? [], this.#finish()];
    return parts.length === 0 ? body! : attach(body!, parts);
  }
}
