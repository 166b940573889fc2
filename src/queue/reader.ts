/**
 * The reading end of a queue.
 *
 * A consumer claims one message at a time, by compare-and-exchange of its state,
 * and never holds one that wasn't asked for. It goes through the chunks in their
 * order, with a cursor of its own in each; when a message became ready again, the
 * cursors of its chunk start anew.
 *
 * Before it trusts what is in a chunk it sets its hazard to it, and looks at the
 * chunk's state then: a chunk with a hazard isn't used again. Without, it only
 * looks whether there is something at all.
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
import { LARGE, Slabs } from "../ring/slab.ts";
import type { MemberTable } from "../membership/member_table.ts";
import { JOB_HEADER, returnedWord, returnsIn, STATE_MASK, takenWord } from "./pool.ts";
import type { ChunkPool } from "./pool.ts";

const CHANGES = QueueLayout.changes >> 2;
const NONE = -1;

/** A message that was taken: where it is, and its state word. */
export interface Taken {
  readonly chunk: number;
  readonly position: number;
  readonly word: number;
}

/** See the module. After a claim its fields hold the message. */
export class ChunkReader {
  /** Where the claimed message is: its chunk, and its position there. */
  chunk = 0;
  position = 0;
  /** Its state word: taken by us, or what it was when it was claimed as done. */
  word = 0;
  /**
   * Was a hazard set on another chunk too since this was last cleared? A producer may
   * have found that one done, but read by us.
   */
  passed = false;
  /** A copy of its payload, of our own. */
  payload: Uint8Array<ArrayBuffer> = new Uint8Array();

  /** How often the claimed message was taken and given back before. */
  get returns(): number {
    return returnsIn(this.word);
  }

  readonly #pool: ChunkPool;
  readonly #slabs = new Slabs();
  readonly #hazard: number;
  readonly #member: number;
  /** Chunks that may have messages for us, in their order. */
  readonly #list = new Int32Array(QUEUE_CHUNKS);
  #listed = 0;
  /** By chunk: its order when we listed it, its rewinds, how far we are, how far all is done. */
  readonly #orders = new Int32Array(QUEUE_CHUNKS);
  readonly #rewinds = new Int32Array(QUEUE_CHUNKS);
  readonly #cursors = new Int32Array(QUEUE_CHUNKS);
  readonly #done = new Int32Array(QUEUE_CHUNKS);
  #changes = 0;
  #hasList = false;
  /** The chunk on which our hazard is. */
  #held = NONE;

  constructor(pool: ChunkPool, members: MemberTable, member: number) {
    this.#pool = pool;
    this.#hazard = members.word(member, Member.words);
    this.#member = member;
  }

  /**
   * Claims the next message: as done, or as taken until it is finished or given back.
   * Call {@linkcode ChunkReader.release} after the last one.
   */
  claim(keep: boolean): boolean {
    const { words } = this.#pool;
    for (;;) {
      const found = this.#find();
      if (found === NONE) return false;
      const chunk = this.#list[found]!;
      const position = this.#cursors[chunk]!;
      const at = (this.#pool.start(chunk) + position) >> 2;
      const state = Atomics.load(words, at);
      if ((state & STATE_MASK) !== JobState.ready || this.#isLate(found)) continue;
      // Checked before it is claimed: when it throws, nothing is held.
      const size = this.#pool.sizeAt(chunk, position);
      const next = keep ? takenWord(state, this.#member) : JobState.done;
      if (Atomics.compareExchange(words, at, state, next) !== state) continue;
      this.#cursors[chunk] = position + size;
      this.chunk = chunk;
      this.position = position;
      this.word = keep ? next : state;
      this.#copy(chunk, position, size);
      return true;
    }
  }

  /** Is there a message for any consumer? Call {@linkcode ChunkReader.release} after it. */
  hasMessage(): boolean {
    return this.#find() !== NONE;
  }

  /** Lets the chunk go that was read; chunks with no hazard can be used again. */
  release(): void {
    if (this.#held === NONE) return;
    this.#held = NONE;
    Atomics.store(this.#pool.words, this.#hazard, 0);
  }

  /** Are all messages done in the chunk that was read last? Call release() after it. */
  isChunkDone(chunk: number): boolean {
    if (!this.#hold(chunk)) return true;
    const done = this.#pool.doneFrom(chunk, this.#done[chunk]!);
    this.#done[chunk] = done;
    return this.#pool.isEnd(chunk, done);
  }

  /** A message that was taken is done. */
  finish(taken: Taken): void {
    this.#settle(taken, JobState.done);
  }

  /** A message that was taken goes to the next consumer, before all that came after it. */
  giveBack(taken: Taken): void {
    const { chunk, word } = taken;
    this.#settle(taken, returnedWord(word));
    const { words } = this.#pool;
    Atomics.add(words, this.#pool.header(chunk, QueueChunk.rewinds), 1);
    Atomics.add(words, CHANGES, 1);
  }

  #settle({ chunk, position, word }: Taken, next: number): void {
    const at = (this.#pool.start(chunk) + position) >> 2;
    const found = Atomics.compareExchange(this.#pool.words, at, word, next);
    if (found === word) return;
    throw this.#pool.corrupt(`a message that we hold has the state ${found}, not ${word}`);
  }

  /**
   * Messages that wait, as far as one can count what changes meanwhile. It goes
   * through all of them.
   */
  count(): number {
    let count = 0;
    try {
      for (let chunk = 0; chunk < QUEUE_CHUNKS; chunk++) {
        if (this.#holdAny(chunk)) count += this.#countIn(chunk);
      }
    } finally {
      this.release();
    }
    return count;
  }

  #countIn(chunk: number): number {
    const start = this.#pool.start(chunk);
    let count = 0;
    for (let position = 0; !this.#pool.isEnd(chunk, position);) {
      const state = Atomics.load(this.#pool.words, (start + position) >> 2);
      if ((state & STATE_MASK) === JobState.ready) count++;
      position += this.#pool.sizeAt(chunk, position);
    }
    return count;
  }

  #copy(chunk: number, position: number, size: number): void {
    const from = this.#pool.start(chunk) + position + JOB_HEADER;
    // Read once more, it may have changed if another process is hostile: it can't be longer.
    const length = Math.min(this.#pool.words[(from - 4) >> 2]! >>> 0, size - JOB_HEADER);
    const { bytes, words } = this.#pool;
    if (length >= LARGE) {
      this.payload = new Uint8Array(bytes.subarray(from, from + length));
      return;
    }
    const slab = this.#slabs.for(length);
    this.payload = new Uint8Array(
      slab.buffer,
      slab.append(bytes, words, from >> 2, length),
      length,
    );
  }

  /**
   * The index in the list of the first chunk with a message that is ready, at its
   * cursor; our hazard is on it.
   */
  #find(): number {
    const { words, chunkBytes } = this.#pool;
    if (!this.#hasList || Atomics.load(words, CHANGES) !== this.#changes) this.#refresh();
    for (let i = 0; i < this.#listed; i++) {
      const chunk = this.#list[i]!;
      const cursor = this.#cursors[chunk]!;
      const at = (this.#pool.start(chunk) + cursor) >> 2;
      if (cursor >= chunkBytes || words[at] === JobState.unwritten) {
        if (this.#isOver(chunk, cursor)) this.#drop(i--);
      } else if (!this.#hold(chunk)) {
        // Its messages are all done. Should it be begun anew, `changes` will tell.
        this.#drop(i--);
      } else if (this.#advance(chunk)) {
        return i;
      } else {
        this.passed = true;
      }
    }
    return NONE;
  }

  /** Goes on to a message that is ready; false if there is none. */
  #advance(chunk: number): boolean {
    const { words, chunkBytes } = this.#pool;
    const start = this.#pool.start(chunk);
    let cursor = this.#cursors[chunk]!;
    let ready = false;
    while (cursor < chunkBytes) {
      const word = Atomics.load(words, (start + cursor) >> 2);
      const state = word & STATE_MASK;
      ready = state === JobState.ready;
      if (ready || word === JobState.unwritten) break;
      if (state !== JobState.taken && state !== JobState.done) {
        throw this.#pool.corrupt(`a message with the state ${word}`);
      }
      cursor += this.#pool.sizeAt(chunk, cursor);
    }
    this.#cursors[chunk] = cursor;
    return ready;
  }

  /** Is there nothing more to come in a chunk in which nothing is left? */
  #isOver(chunk: number, cursor: number): boolean {
    const { words } = this.#pool;
    const state = Atomics.load(words, this.#pool.header(chunk, QueueChunk.state));
    return state === ChunkState.full && this.#pool.isEnd(chunk, cursor);
  }

  /**
   * Did something come, before what was found at an index, since we looked there? The
   * producer that put it there may have gone on and put what was found.
   */
  #isLate(found: number): boolean {
    const { words, chunkBytes } = this.#pool;
    if (Atomics.load(words, CHANGES) !== this.#changes) return true;
    for (let i = 0; i < found; i++) {
      const chunk = this.#list[i]!;
      const cursor = this.#cursors[chunk]!;
      if (cursor >= chunkBytes) continue;
      if (words[(this.#pool.start(chunk) + cursor) >> 2] !== JobState.unwritten) return true;
    }
    return false;
  }

  #drop(index: number): void {
    this.#list.copyWithin(index, index + 1, this.#listed--);
  }

  /** Sets our hazard on a chunk; false if it isn't the one any more that we listed. */
  #hold(chunk: number): boolean {
    if (this.#held === chunk) return true;
    if (!this.#holdAny(chunk)) return false;
    if (this.#isListed(chunk)) return true;
    this.release();
    return false;
  }

  #isListed(chunk: number): boolean {
    const order = Atomics.load(this.#pool.words, this.#pool.header(chunk, QueueChunk.order));
    return order === this.#orders[chunk];
  }

  #holdAny(chunk: number): boolean {
    const { words } = this.#pool;
    if (this.#held !== NONE) this.passed = true;
    // ORDER: the hazard, then the state: a writer that retires the chunk does it the other way round.
    Atomics.store(words, this.#hazard, chunk + 1);
    this.#held = NONE;
    const state = Atomics.load(words, this.#pool.header(chunk, QueueChunk.state));
    if (this.#pool.hasRecords(state)) {
      this.#held = chunk;
      return true;
    }
    Atomics.store(words, this.#hazard, 0);
    this.passed = true;
    return false;
  }

  /** Lists the chunks that may have messages, by their order. */
  #refresh(): void {
    const { words } = this.#pool;
    this.#changes = Atomics.load(words, CHANGES);
    this.#listed = 0;
    for (let chunk = 0; chunk < QUEUE_CHUNKS; chunk++) {
      const header = this.#pool.header(chunk, 0);
      if (!this.#pool.hasRecords(Atomics.load(words, header))) continue;
      const order = Atomics.load(words, header + (QueueChunk.order >> 2));
      const rewinds = Atomics.load(words, header + (QueueChunk.rewinds >> 2));
      const isNew = !this.#hasList || order !== this.#orders[chunk];
      if (isNew) this.#done[chunk] = 0;
      if (isNew || rewinds !== this.#rewinds[chunk]) this.#cursors[chunk] = 0;
      this.#orders[chunk] = order;
      this.#rewinds[chunk] = rewinds;
      this.#insert(chunk, order);
    }
    this.#hasList = true;
  }

  #insert(chunk: number, order: number): void {
    let i = this.#listed++;
    while (i > 0 && ((this.#orders[this.#list[i - 1]!]! - order) | 0) > 0) {
      this.#list[i] = this.#list[--i]!;
    }
    this.#list[i] = chunk;
  }
}
