/**
 * Copies of payloads. Small ones share slabs, which are only ever appended to: one
 * allocation serves many of them, and each belongs to who gets it.
 *
 * @module
 */

/** Bytes of a slab: a view that is kept keeps its slab. */
const SLAB = 65536;
/** A payload of this size or more gets memory of its own. */
const LARGE = 4096;
/** Up to this many words a loop is faster than a call of `set`. */
const LOOP_WORDS = 64;

let slab = new Uint8Array(SLAB);
let slabWords = new Int32Array(slab.buffer);
let end = 0;

/**
 * A copy of `length` bytes of shared memory, from a multiple of 4 on. What follows up
 * to the next multiple is read too.
 */
export function takeBytes(
  source: Uint8Array,
  sourceWords: Int32Array,
  from: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  if (length >= LARGE) return new Uint8Array(source.subarray(from, from + length));
  // Whoever got a view may have transferred its buffer, and ours with it.
  if (SLAB - end < length || slab.length === 0) {
    slab = new Uint8Array(SLAB);
    slabWords = new Int32Array(slab.buffer);
    end = 0;
  }
  const start = end;
  const count = (length + 3) >> 2;
  if (count > LOOP_WORDS) slab.set(source.subarray(from, from + length), start);
  else {
    const words = slabWords;
    const at = from >> 2;
    const into = start >> 2;
    for (let i = 0; i < count; i++) words[into + i] = sourceWords[at + i]!;
  }
  // The next one begins where a view of any element type may.
  end = (start + length + 7) & ~7;
  return new Uint8Array(slab.buffer, start, length);
}
