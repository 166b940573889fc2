/**
 * Bytes that arrived and wait for a reader, joined to few large chunks.
 *
 * A chunk is handed over with its whole buffer, which is never written again. How
 * large they are follows from what was taken the last time: a trickle doesn't
 * allocate large ones, a flood doesn't make many. For a reader that brings its own
 * memory nothing is allocated in the long run: chunks are used again.
 *
 * @module
 */

/** The least and the greatest size of a chunk's buffer. Larger ones are slower to allocate. */
const MIN_CHUNK = 256;
const MAX_CHUNK = 64 << 10;

/** Emptied chunks to keep: those of a usual window. */
const MAX_SPARES = 16;

const NONE = new Uint8Array(0);

/** See the module. */
export class ByteQueue {
  /** Bytes that wait. */
  length = 0;
  /** Full chunks. */
  #full: Uint8Array<ArrayBuffer>[] = [];
  #chunk: Uint8Array<ArrayBuffer> = NONE;
  /** Where the first byte of the first chunk that wasn't taken is. */
  #from = 0;
  #end = 0;
  #size = MIN_CHUNK;
  /** Chunks that were emptied, and can be filled again. */
  #spares: Uint8Array<ArrayBuffer>[] = [];

  /** Is there so much that a reader should get it now? */
  get isLarge(): boolean {
    return this.length >= MAX_CHUNK;
  }

  /** Appends a copy. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#end === this.#chunk.length) this.#next(bytes.length - at);
      const room = this.#chunk.length - this.#end;
      const part = at === 0 && bytes.length <= room ? bytes : bytes.subarray(at, at + room);
      this.#chunk.set(part, this.#end);
      this.#end += part.length;
      at += part.length;
    }
    this.length += bytes.length;
  }

  #next(bytes: number): void {
    if (this.#end > 0) {
      this.#full.push(this.#chunk);
      // There was more than one chunk for a single read.
      this.#size = Math.min(MAX_CHUNK, this.#size * 2);
    }
    this.#chunk = this.#spares.pop() ??
      new Uint8Array(Math.max(this.#size, Math.min(bytes, MAX_CHUNK)));
    this.#end = 0;
  }

  /** Takes the first chunk. Only if there are bytes. */
  take(): Uint8Array<ArrayBuffer> {
    const from = this.#from;
    this.#from = 0;
    const full = this.#full.shift();
    if (full !== undefined) {
      this.length -= full.length - from;
      return full.subarray(from);
    }
    const taken = this.#chunk.subarray(from, this.#end);
    this.length = 0;
    // A little more than the last time, or half as much.
    this.#size = Math.max(MIN_CHUNK, Math.min(MAX_CHUNK, taken.length + (taken.length >> 1)));
    this.#chunk = NONE;
    this.#end = 0;
    return taken;
  }

  /** Moves as many bytes as fit; says how many. */
  copyTo(target: Uint8Array): number {
    let copied = 0;
    while (copied < target.length && this.length > 0) {
      const first = this.#full[0];
      const there = first ?? this.#chunk.subarray(0, this.#end);
      const part = there.subarray(this.#from, this.#from + target.length - copied);
      target.set(part, copied);
      copied += part.length;
      this.length -= part.length;
      this.#from += part.length;
      if (this.#from < there.length) break;
      this.#from = 0;
      if (first === undefined) this.#end = 0;
      else this.#recycle(this.#full.shift()!);
    }
    return copied;
  }

  #recycle(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#spares.length < MAX_SPARES) this.#spares.push(chunk);
  }

  /** Forgets all. */
  clear(): void {
    this.length = 0;
    this.#full = [];
    this.#spares = [];
    this.#chunk = NONE;
    this.#from = 0;
    this.#end = 0;
  }
}
