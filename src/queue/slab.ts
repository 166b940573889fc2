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
/** Up to this many bytes a loop is faster than a call of `set`. */
const LOOP_BYTES = 24;

let slab = new Uint8Array(SLAB);
let end = 0;

/** A copy of `length` bytes of shared memory. */
export function takeBytes(
  source: Uint8Array,
  from: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  if (length >= LARGE) return new Uint8Array(source.subarray(from, from + length));
  // Whoever got a view may have transferred its buffer, and ours with it.
  if (SLAB - end < length || slab.length === 0) {
    slab = new Uint8Array(SLAB);
    end = 0;
  }
  const start = end;
  if (length > LOOP_BYTES) slab.set(source.subarray(from, from + length), start);
  else for (let i = 0; i < length; i++) slab[start + i] = source[from + i]!;
  // The next one begins where a view of any element type may.
  end = (start + length + 7) & ~7;
  return new Uint8Array(slab.buffer, start, length);
}
