/**
 * Slabs for broadcast rings: blocks of memory into which batches of small records are
 * copied, one after the other, and which are never written again. Views of them
 * can be handed out; a view that is kept keeps its slab.
 *
 * @module
 */

/** Bytes of a slab: allocation gets cheap, and little is kept by accident. */
export const SLAB = 65536;

/** See the module. */
export class Slab {
  readonly buffer = new ArrayBuffer(SLAB);
  readonly bytes = new Uint8Array(this.buffer);
  readonly words = new Int32Array(this.buffer);
  /** Where the next batch goes. */
  end = 0;
}

let current: Slab | undefined;

/** A slab with room for `bytes`; all rings of the thread share it. */
export function slabFor(bytes: number): Slab {
  // Whoever got a view may have transferred its buffer, and ours with it.
  if (current === undefined || SLAB - current.end < bytes || current.bytes.length === 0) {
    current = new Slab();
  }
  return current;
}
