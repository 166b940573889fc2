/**
 * The writing end of a queue.
 *
 * A producer takes hold of a chunk by compare-and-exchange, appends, and lets go.
 * A producer never waits for a chunk that another one holds: it goes on to the next. But
 * never to one with a smaller order than that of its last message, because consumers
 * read in that order, and the messages of one producer stay in theirs.
 *
 * A record counts from the moment its state is stored. A producer that dies in
 * between leaves a chunk with a holder, which recovery gives back.
 *
 * @module
 */
import {
  ChunkState,
  JobState,
  Member,
  QUEUE_CHUNKS,
  QueueChunk,
  QueueLayout,
} from "../memory/layout.ts";
import type { MemberTable } from "../membership/member_table.ts";
import { HOLDER_SHIFT, JOB_HEADER, LEAST_ROOM, STATE_MASK } from "./pool.ts";
import type { ChunkPool } from "./pool.ts";

const CHANGES = QueueLayout.changes >> 2;
const ORDERS = QueueLayout.orders >> 2;
/** A chunk that lacks room for a message stays open for smaller ones if so much of it is free. */
const OPEN_SHARE = 8;
/** Payloads up to this many bytes are copied by a loop, which is faster than a call of `set`. */
const LOOP_BYTES = 24;

/** See the module. */
export class ChunkWriter {
  readonly #pool: ChunkPool;
  readonly #members: MemberTable;
  readonly #filling: number;
  readonly #retired: number;
  /** The chunk of our last message, and what its order was; -1 for none. */
  #last = -1;
  #lastOrder = 0;
  /** Where to append in the chunk that we hold. */
  #end = 0;

  constructor(pool: ChunkPool, members: MemberTable, member: number) {
    this.#pool = pool;
    this.#members = members;
    this.#filling = ChunkState.filling | (member << HOLDER_SHIFT);
    this.#retired = ChunkState.retired | (member << HOLDER_SHIFT);
  }

  /** Appends a message; false if there is no room. It is no larger than allowed. */
  put(payload: Uint8Array): boolean {
    const size = (JOB_HEADER + payload.length + 7) & ~7;
    if (!this.#hold(size)) return false;
    this.#append(payload, size);
    this.#letGo();
    return true;
  }

  /** Appends messages from an index on; the index of the first for which there is no room. */
  putMany(payloads: readonly Uint8Array[], from: number): number {
    let next = from;
    while (next < payloads.length) {
      let size = (JOB_HEADER + payloads[next]!.length + 7) & ~7;
      if (!this.#hold(size)) break;
      do {
        this.#append(payloads[next]!, size);
        if (++next === payloads.length) break;
        size = (JOB_HEADER + payloads[next]!.length + 7) & ~7;
      } while (this.#end + size <= this.#pool.chunkBytes);
      this.#letGo();
    }
    return next;
  }

  /** Is there still a chunk that others can append to, where we appended last? */
  get leftRoom(): boolean {
    return this.#pool.chunkBytes - this.#end >= LEAST_ROOM;
  }

  #append(payload: Uint8Array, size: number): void {
    const { words, bytes, chunkBytes } = this.#pool;
    const start = this.#pool.start(this.#last);
    const at = start + this.#end;
    const end = this.#end + size;
    if (end < chunkBytes) Atomics.store(words, (start + end) >> 2, JobState.unwritten);
    const { length } = payload;
    words[(at + 4) >> 2] = length;
    if (length > LOOP_BYTES) bytes.set(payload, at + JOB_HEADER);
    else for (let i = 0; i < length; i++) bytes[at + JOB_HEADER + i] = payload[i]!;
    // ORDER: the message, and that none follows yet, are written before it is ready.
    Atomics.store(words, at >> 2, JobState.ready);
    this.#end = end;
  }

  #letGo(): void {
    const { words, chunkBytes } = this.#pool;
    const header = this.#pool.header(this.#last, 0);
    Atomics.store(words, header + (QueueChunk.end >> 2), this.#end);
    const state = chunkBytes - this.#end < LEAST_ROOM ? ChunkState.full : ChunkState.open;
    Atomics.store(words, header, state);
  }

  /** Takes hold of a chunk with room for so many bytes. */
  #hold(size: number): boolean {
    return (this.#last >= 0 && this.#holdOpen(this.#last, size)) || this.#holdNext(size) ||
      this.#begin();
  }

  #holdOpen(chunk: number, size: number): boolean {
    const { words, chunkBytes } = this.#pool;
    const header = this.#pool.header(chunk, 0);
    const { open, full } = ChunkState;
    if (Atomics.compareExchange(words, header, open, this.#filling) !== open) return false;
    const order = words[header + (QueueChunk.order >> 2)]!;
    if (this.#last < 0 || ((order - this.#lastOrder) | 0) >= 0) {
      this.#end = this.#pool.position(chunk, QueueChunk.end);
      const room = chunkBytes - this.#end;
      if (room >= size) {
        this.#last = chunk;
        this.#lastOrder = order;
        return true;
      }
      Atomics.store(words, header, room < chunkBytes / OPEN_SHARE ? full : open);
      return false;
    }
    Atomics.store(words, header, open);
    return false;
  }

  /** Goes on to the open chunk with the least order that isn't before our last one. */
  #holdNext(size: number): boolean {
    const { words } = this.#pool;
    for (let tried = 0;;) {
      let next = -1;
      let least = 0;
      for (let chunk = 0; chunk < QUEUE_CHUNKS; chunk++) {
        if (chunk === this.#last || (tried & (1 << chunk)) !== 0) continue;
        const header = this.#pool.header(chunk, 0);
        if (words[header] !== ChunkState.open) continue;
        const order = words[header + (QueueChunk.order >> 2)]!;
        if (this.#last >= 0 && ((order - this.#lastOrder) | 0) < 0) continue;
        if (next >= 0 && ((order - least) | 0) >= 0) continue;
        next = chunk;
        least = order;
      }
      if (next < 0) return false;
      if (this.#holdOpen(next, size)) return true;
      tried |= 1 << next;
    }
  }

  /** Begins a chunk: one whose messages are all done, or one that was never used. */
  #begin(): boolean {
    const { words } = this.#pool;
    const { free } = ChunkState;
    for (let chunk = 0; chunk < QUEUE_CHUNKS; chunk++) {
      if (this.#retire(chunk)) return this.#open(chunk);
    }
    for (let chunk = 0; chunk < QUEUE_CHUNKS; chunk++) {
      const header = this.#pool.header(chunk, 0);
      if (Atomics.load(words, header) !== free) continue;
      if (Atomics.compareExchange(words, header, free, this.#filling) === free) {
        return this.#open(chunk);
      }
    }
    return false;
  }

  /**
   * Takes a chunk back whose messages are all done. No member may read in it: one that does
   * sets its hazard first and looks at the state then, and we do it the other way round.
   */
  #retire(chunk: number): boolean {
    const { words } = this.#pool;
    const header = this.#pool.header(chunk, 0);
    const state = Atomics.load(words, header);
    if (state !== ChunkState.full && state !== ChunkState.open) return false;
    if (!this.#mayBeDone(chunk)) return false;
    if (Atomics.compareExchange(words, header, state, this.#filling) !== state) return false;
    const done = this.#pool.doneFrom(chunk, this.#pool.position(chunk, QueueChunk.done));
    if (!this.#pool.isEnd(chunk, done)) {
      Atomics.store(words, header + (QueueChunk.done >> 2), done);
      Atomics.store(words, header, state);
      return false;
    }
    // ORDER: retired, then looked for hazards; a reader sets its hazard, then looks at the state.
    Atomics.store(words, header, this.#retired);
    if (this.#isRead(chunk)) {
      // Not open: a consumer that saw it retired has dropped it, and would miss what came after.
      Atomics.store(words, header, ChunkState.full);
      return false;
    }
    this.#pool.reset(chunk);
    Atomics.store(words, header, this.#filling);
    return true;
  }

  /** A look without holding it, at the first message that wasn't done last time. */
  #mayBeDone(chunk: number): boolean {
    const done = this.#pool.position(chunk, QueueChunk.done);
    if (done >= this.#pool.chunkBytes) return true;
    const state = this.#pool.words[(this.#pool.start(chunk) + done) >> 2]! & STATE_MASK;
    return state === JobState.done || state === JobState.unwritten;
  }

  #isRead(chunk: number): boolean {
    const { words } = this.#pool;
    const { used } = this.#members;
    for (let member = 0; member < used; member++) {
      if (Atomics.load(words, this.#members.word(member, Member.words)) === chunk + 1) return true;
    }
    return false;
  }

  /** Makes a chunk that we hold, and that is empty, the last one; tells the consumers of it. */
  #open(chunk: number): boolean {
    const { words } = this.#pool;
    const order = (Atomics.add(words, ORDERS, 1) + 1) | 0;
    Atomics.store(words, this.#pool.header(chunk, QueueChunk.order), order);
    // ORDER: before there is a record in it: a consumer that finds none has looked at the old list.
    Atomics.add(words, CHANGES, 1);
    this.#last = chunk;
    this.#lastOrder = order;
    this.#end = 0;
    return true;
  }
}
