/**
 * Puts the pieces of a large message together again, each where it belongs.
 *
 * The second piece says how long the whole is. Memory still grows with what really
 * arrives, so a peer can't make us allocate by announcing a size.
 *
 * @module
 */

import type { RecordFields } from "../ring/record.ts";

/** Memory is made for so many times the bytes that have arrived, if as many are announced. */
const AHEAD = 8;

const EMPTY = new Uint8Array(0);

/** See the module. */
export class Assembly {
  /** The first record of the message. */
  readonly beginning: RecordFields;
  /** Bytes so far. */
  size = 0;
  #whole: Uint8Array<ArrayBuffer> | undefined = EMPTY;

  constructor(beginning: RecordFields) {
    this.beginning = beginning;
  }

  /** Is it over the limit? Then its pieces are only counted. */
  get isTooLarge(): boolean {
    return this.#whole === undefined;
  }

  /**
   * Adds a copy of a piece; over `limit` bytes all of them are dropped. `announced`: bytes of the
   * whole, as the peer says, or 0.
   */
  add(piece: Uint8Array, limit: number, announced = 0): void {
    const at = this.size;
    this.size += piece.length;
    if (this.size > limit) this.#whole = undefined;
    if (this.#whole === undefined) return;
    if (this.size > this.#whole.length) this.#grow(at, announced);
    this.#whole.set(piece, at);
  }

  #grow(used: number, announced: number): void {
    const { size } = this;
    const larger = new Uint8Array(announced >= size ? Math.min(announced, AHEAD * size) : 2 * size);
    larger.set(this.#whole!.subarray(0, used));
    this.#whole = larger;
  }

  /** The whole message, in memory of its own. */
  join(): Uint8Array<ArrayBuffer> {
    const whole = this.#whole ?? EMPTY;
    return whole.length === this.size ? whole : whole.slice(0, this.size);
  }
}
