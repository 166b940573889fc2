/**
 * Puts the pieces of a large message together again.
 *
 * Memory grows with what really arrives, so a peer can't make us allocate by
 * announcing a size.
 *
 * @module
 */

import type { RecordFields } from "../ring/record.ts";

/** See the module. */
export class Assembly {
  /** The first record of the message. */
  readonly beginning: RecordFields;
  /** Bytes so far. */
  size = 0;
  #pieces: Uint8Array[] | undefined = [];

  constructor(beginning: RecordFields) {
    this.beginning = beginning;
  }

  /** Is it over the limit? Then its pieces are only counted. */
  get isTooLarge(): boolean {
    return this.#pieces === undefined;
  }

  /** Adds a piece; over `limit` bytes all of them are dropped. */
  add(piece: Uint8Array, limit: number): void {
    this.size += piece.length;
    if (this.size > limit) this.#pieces = undefined;
    this.#pieces?.push(piece);
  }

  /** The whole message. */
  join(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.size);
    let at = 0;
    for (const piece of this.#pieces ?? []) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}
