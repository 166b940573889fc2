/**
 * Slabs: blocks of memory into which small payloads are copied, one after the
 * other, and which are never written again. So many payloads cost one allocation,
 * views of them can be handed out, and a view that is kept keeps its slab.
 *
 * Each reader of a ring has slabs of its own: whatever else is in the buffer of a
 * payload came from the same ring.
 *
 * @module
 */

/**
 * Bytes of the first slab of a reader: there may be thousands that read little.
 */
const FIRST = 4096;
/**
 * Bytes of the largest: large enough to make allocation cheap, small enough that one kept view
 * does little harm.
 */
const LARGEST = 65536;
/** A payload of this size or more gets memory of its own. */
export const LARGE = 4096;
/** The longest batch of records to copy at once: it leaves the producer room to go on. */
export const MAX_BATCH = 16384;
/** Up to this many words a loop is faster than a call of `set`. */
const LOOP_WORDS = 48;

/** See the module. */
export class Slab {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Int32Array<ArrayBuffer>;
  /** Where the next copy goes, a multiple of 8. */
  end = 0;

  constructor(size: number) {
    this.buffer = new ArrayBuffer(size);
    this.bytes = new Uint8Array(this.buffer);
    this.words = new Int32Array(this.buffer);
  }

  /**
   * Copies `length` bytes from the word with index `at`, given the same memory as
   * bytes and as words, and says where they are. Up to 3 bytes more may be copied.
   */
  append(bytes: Uint8Array, words: Int32Array, at: number, length: number): number {
    const start = this.end;
    const count = (length + 3) >> 2;
    if (count > LOOP_WORDS) {
      this.bytes.set(bytes.subarray(at << 2, (at << 2) + length), start);
    } else {
      const target = this.words;
      const into = start >> 2;
      for (let i = 0; i < count; i++) target[into + i] = words[at + i]!;
    }
    this.end = (start + length + 7) & ~7;
    return start;
  }
}

/** The slabs of one reader. */
export class Slabs {
  #current: Slab | undefined;
  #size = FIRST;

  /** A slab with room for `bytes`. */
  for(bytes: number): Slab {
    const current = this.#current;
    // A user may have transferred a view's buffer, and ours with it.
    if (current !== undefined && current.bytes.length - current.end >= bytes) return current;
    while (this.#size < bytes) this.#size *= 2;
    const slab = this.#current = new Slab(this.#size);
    this.#size = Math.min(2 * this.#size, LARGEST);
    return slab;
  }
}
