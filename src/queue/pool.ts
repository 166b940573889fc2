/**
 * The chunks of a queue, as all its members see them: where they are, what the
 * words say, and the checks without which nothing of it is used.
 *
 * A chunk holds records one behind the other. A record begins at a multiple of 8:
 *
 *     0          4          8
 *     +----------+----------+-----------------
 *     | state    | length   | payload, padded to 8
 *     +----------+----------+-----------------
 *
 * The state of the record behind the last one is 0 ("unwritten").
 *
 * @module
 */
import { ArgumentError, CorruptSegmentError } from "../errors.ts";
import {
  ChunkState,
  Header,
  JobState,
  MAX_CAPACITY,
  MAX_RETURNS,
  MIN_CAPACITY,
  QUEUE_CHUNKS,
  QueueChunk,
  QueueLayout,
  RETURNS_SHIFT,
} from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import { show } from "../options.ts";

/** Bytes of a record before its payload. */
export const JOB_HEADER = 8;
/** The part of a state word that isn't the holder. */
export const STATE_MASK = 0xf;
/** Where the holder begins in a state word. */
export const HOLDER_SHIFT = 8;
/** The part of a record's state word that counts how often it was given back. */
const RETURNS_MASK = MAX_RETURNS << RETURNS_SHIFT;
/** A chunk with less room than this is full: nothing is appended to it any more. */
export const LEAST_ROOM = 16;

/** The state word of a record that is taken by a member; `ready` is its word until then. */
export function takenWord(ready: number, member: number): number {
  return JobState.taken | (member << HOLDER_SHIFT) | (ready & RETURNS_MASK);
}

/** The state word of a record that is given back; `taken` is its word until then. */
export function returnedWord(taken: number): number {
  const returns = Math.min(returnsIn(taken) + 1, MAX_RETURNS);
  return JobState.ready | (returns << RETURNS_SHIFT);
}

/** How often a record was taken and given back. */
export function returnsIn(word: number): number {
  return (word & RETURNS_MASK) >> RETURNS_SHIFT;
}

/** Bytes of headers and chunks behind the membership's own. */
export function queueBytes(capacity: number): number {
  return QUEUE_CHUNKS * QueueChunk.bytes + capacity;
}

/** The largest payload of a message: a thirty-second of the capacity, less its header. */
export function maxMessageBytes(capacity: number): number {
  return capacity / QUEUE_CHUNKS - JOB_HEADER;
}

/** Checks a capacity given by a user. */
export function checkQueueCapacity(capacity: number): number {
  if (isCapacity(capacity)) return capacity;
  throw new ArgumentError(
    `the capacity of a queue is a power of two from ${MIN_CAPACITY} to ${MAX_CAPACITY} bytes, ` +
      `got ${show(capacity)}`,
  );
}

function isCapacity(capacity: number): boolean {
  return Number.isInteger(capacity) && capacity >= MIN_CAPACITY && capacity <= MAX_CAPACITY &&
    (capacity & (capacity - 1)) === 0;
}

/** Checks a segment that exists, before it is joined. */
export function checkQueue(segment: Segment): void {
  const capacity = segment.u32(Header.capacity);
  if (isCapacity(capacity) && segment.size >= QueueLayout.chunks + queueBytes(capacity)) return;
  throw new CorruptSegmentError(
    `${segment.path} has ${segment.size} bytes and says it is a queue of ${capacity}`,
  );
}

/** See the module. */
export class ChunkPool {
  readonly words: Int32Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly capacity: number;
  /** Bytes of a chunk. */
  readonly chunkBytes: number;
  readonly #path: string;

  /** The segment was checked by {@linkcode checkQueue}, or made by us. */
  constructor(segment: Segment) {
    this.words = segment.words;
    this.bytes = segment.bytes;
    this.#path = segment.path;
    const capacity = segment.u32(Header.capacity);
    checkQueue(segment);
    this.capacity = capacity;
    this.chunkBytes = capacity / QUEUE_CHUNKS;
  }

  /** Index of a word of a chunk's header. */
  header(chunk: number, word: number): number {
    return (QueueLayout.chunks + chunk * QueueChunk.bytes + word) >> 2;
  }

  /** Where a chunk's records begin, in bytes from the start of the segment. */
  start(chunk: number): number {
    return QueueLayout.data + chunk * this.chunkBytes;
  }

  /**
   * Bytes of the record at a position in a chunk. The caller holds the chunk, or its
   * hazard is set on it: otherwise what is there may be another record by now.
   */
  sizeAt(chunk: number, position: number): number {
    const length = this.words[(this.start(chunk) + position + 4) >> 2]! >>> 0;
    // Compared before it is rounded up, which would wrap.
    if (length <= this.chunkBytes - position - JOB_HEADER) return (JOB_HEADER + length + 7) & ~7;
    throw this.corrupt(
      `a record of ${length} bytes at ${position} in a chunk of ${this.chunkBytes}`,
    );
  }

  /** Where the records end that were written behind a position. */
  endFrom(chunk: number, position: number): number {
    const start = this.start(chunk);
    while (
      position < this.chunkBytes && Atomics.load(this.words, (start + position) >> 2) !== 0
    ) {
      position += this.sizeAt(chunk, position);
    }
    return position;
  }

  /** How far the records behind a position are done, without a gap. */
  doneFrom(chunk: number, position: number): number {
    const start = this.start(chunk);
    while (
      position < this.chunkBytes &&
      (Atomics.load(this.words, (start + position) >> 2) & STATE_MASK) === JobState.done
    ) {
      position += this.sizeAt(chunk, position);
    }
    return position;
  }

  /** Is there no record at a position, and so none behind it? */
  isEnd(chunk: number, position: number): boolean {
    return position >= this.chunkBytes ||
      Atomics.load(this.words, (this.start(chunk) + position) >> 2) === JobState.unwritten;
  }

  /** A position of a chunk's header, which must be within it. */
  position(chunk: number, word: number): number {
    const position = Atomics.load(this.words, this.header(chunk, word));
    if ((position & 7) === 0 && position >= 0 && position <= this.chunkBytes) return position;
    throw this.corrupt(`position ${position} in a chunk of ${this.chunkBytes} bytes`);
  }

  /** Makes a chunk empty. The caller holds it, retired, and no member reads in it. */
  reset(chunk: number): void {
    const { words } = this;
    Atomics.store(words, this.header(chunk, QueueChunk.end), 0);
    Atomics.store(words, this.header(chunk, QueueChunk.done), 0);
    Atomics.store(words, this.start(chunk) >> 2, JobState.unwritten);
  }

  /** Can a chunk in this state have records? */
  hasRecords(state: number): boolean {
    const bare = state & STATE_MASK;
    return bare !== ChunkState.free && bare !== ChunkState.retired;
  }

  /** The error for something that no correct process writes. */
  corrupt(what: string): CorruptSegmentError {
    return new CorruptSegmentError(`${what}, in ${this.#path}`);
  }
}
