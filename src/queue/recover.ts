/**
 * Puts a queue right after a member whose death is proved: what it had taken is
 * ready again, what it was filling can be filled by others, what it was emptying is
 * empty.
 *
 * It runs while others use the queue, under the lock of the folder, and may be cut
 * off and run again: each step leaves what the next attempt understands.
 *
 * @module
 */
import { CorruptSegmentError } from "../errors.ts";
import {
  ChunkState,
  Member,
  MembershipLayout,
  QUEUE_CHUNKS,
  QueueChunk,
  QueueLayout,
} from "../memory/layout.ts";
import { HOLDER_SHIFT, returnedWord, takenWord } from "./pool.ts";
import type { ChunkPool } from "./pool.ts";

/** `self` is the member that does it, which reads nothing at the moment. */
export function recoverMember(pool: ChunkPool, member: number, self: number): void {
  const { words } = pool;
  for (let chunk = 0; chunk < QUEUE_CHUNKS; chunk++) {
    try {
      recoverChunk(pool, chunk, member, self);
    } catch (error) {
      // The users of that chunk are told. The other chunks are recovered.
      if (!(error instanceof CorruptSegmentError)) throw error;
    }
  }
  setHazard(pool, self, 0);
  setHazard(pool, member, 0);
  for (const sleepers of [QueueLayout.wantMessage, QueueLayout.wantRoom]) {
    Atomics.and(words, (sleepers >> 2) + (member >> 5), ~(1 << (member & 31)));
  }
  // Also for what it gave back, or began, and didn't tell any more.
  Atomics.add(words, QueueLayout.changes >> 2, 1);
}

function setHazard({ words }: ChunkPool, member: number, hazard: number): void {
  Atomics.store(
    words,
    (MembershipLayout.slots + member * Member.bytes + Member.words) >> 2,
    hazard,
  );
}

function recoverChunk(pool: ChunkPool, chunk: number, member: number, self: number): void {
  const { words } = pool;
  const header = pool.header(chunk, QueueChunk.state);
  const state = Atomics.load(words, header);
  if (state === (ChunkState.retired | (member << HOLDER_SHIFT))) {
    pool.reset(chunk);
    Atomics.store(words, header, ChunkState.free);
    return;
  }
  if (state === (ChunkState.filling | (member << HOLDER_SHIFT))) letGo(pool, chunk);
  // The chunk isn't used again while our hazard is on it.
  setHazard(pool, self, chunk + 1);
  if (!pool.hasRecords(Atomics.load(words, header))) return;
  giveBack(pool, chunk, member);
  Atomics.add(words, pool.header(chunk, QueueChunk.rewinds), 1);
}

/** Ends the filling of a chunk: what was made ready counts, the rest was never there. */
function letGo(pool: ChunkPool, chunk: number): void {
  const { words } = pool;
  const end = pool.endFrom(chunk, pool.position(chunk, QueueChunk.end));
  Atomics.store(words, pool.header(chunk, QueueChunk.end), end);
  // An empty one may not have got its order yet.
  Atomics.store(words, pool.header(chunk, 0), end === 0 ? ChunkState.free : ChunkState.open);
}

function giveBack(pool: ChunkPool, chunk: number, member: number): void {
  const { words } = pool;
  for (let position = 0; !pool.isEnd(chunk, position);) {
    const at = (pool.start(chunk) + position) >> 2;
    const state = Atomics.load(words, at);
    if (takenWord(state, member) === state) {
      Atomics.compareExchange(words, at, state, returnedWord(state));
    }
    position += pool.sizeAt(chunk, position);
  }
}
