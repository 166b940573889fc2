// The chunks of a queue, one step at a time: order, room, claims, and what death leaves.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ChunkState,
  Member,
  MembershipLayout,
  QUEUE_CHUNKS,
  QueueChunk,
} from "../../src/memory/layout.ts";
import type { Taken } from "../../src/queue/reader.ts";
import { recoverMember } from "../../src/queue/recover.ts";
import { type Ends, withEnds } from "./ends.ts";

/** 64 KiB: chunks of 2 KiB. */
const CAPACITY = 65536;
/** Payload of a message that takes a whole chunk. */
const WHOLE = CAPACITY / QUEUE_CHUNKS - 8;

const state = ({ pool }: Ends, chunk: number): number =>
  pool.words[pool.header(chunk, QueueChunk.state)]!;
const setState = ({ pool }: Ends, chunk: number, value: number): void => {
  pool.words[pool.header(chunk, QueueChunk.state)] = value;
};
const filling = (member: number): number => ChunkState.filling | (member << 8);
const setHazard = ({ segment }: Ends, member: number, hazard: number): void => {
  segment.setU32(MembershipLayout.slots + member * Member.bytes + Member.words, hazard);
};
const takenBy = ({ reader: { chunk, position, word } }: Ends): Taken => ({ chunk, position, word });
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `${from + i}`);

test("messages of one producer stay in order, over all chunks and back to the first", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b] = [await join(), await join()];
    let put = 0;
    let got = 0;
    for (let round = 0; round < 50; round++) {
      while (a.put(`${put}`)) put++;
      for (const text of b.drain()) assert.equal(text, `${got++}`);
      assert.equal(got, put);
    }
    assert.ok(put > 50 * 1000, `${put} small messages`);
  }));

test("a message takes up to a whole chunk; a full queue takes them again when one is done", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b] = [await join(), await join()];
    const large = "x".repeat(WHOLE);
    for (let i = 0; i < QUEUE_CHUNKS; i++) assert.equal(a.put(large), true);
    assert.equal(a.put(large), false);
    assert.equal(a.put(""), false);
    assert.equal(b.claim(), large);
    assert.equal(a.put(""), true);
    assert.equal(a.put(large), false);
    assert.equal(b.drain().length, QUEUE_CHUNKS);
  }));

test("who finds a chunk held goes on to another one, and never back to one before it", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b, c] = [await join(), await join(), await join()];
    assert.ok(a.put("a1"));
    setState(a, 0, filling(b.member)); // b is stopped while it holds the chunk
    assert.ok(a.put("a2"));
    setState(a, 0, ChunkState.open);
    assert.ok(a.put("a3"));
    assert.ok(b.put("b1"), "b has no last chunk: it takes the first");
    assert.deepEqual(c.drain(), ["a1", "b1", "a2", "a3"]);
  }));

test("a message that came into an earlier chunk meanwhile is taken before", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b, c] = [await join(), await join(), await join()];
    a.put("a1");
    setState(a, 0, filling(b.member));
    a.put("a2");
    setState(a, 0, ChunkState.open);
    assert.equal(c.claim(), "a1");
    b.put("b1");
    assert.equal(c.claim(), "b1", "in the first chunk, where nothing was left");
    assert.equal(c.claim(), "a2");
  }));

test("what is taken keeps its room, until it is done", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b] = [await join(), await join()];
    const large = "x".repeat(WHOLE);
    while (a.put(large));
    assert.equal(b.claim(true), large);
    const taken = takenBy(b);
    assert.equal(a.put(large), false);
    b.reader.finish(taken);
    assert.equal(a.put(large), true);
    assert.throws(() => b.reader.finish(taken), { code: "CORRUPT_SEGMENT" });
  }));

test("what is given back comes first, marked, to whoever asks", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b, c] = [await join(), await join(), await join()];
    for (const text of numbers(0, 500)) a.put(text);
    assert.equal(b.claim(true), "0");
    const taken = takenBy(b);
    assert.deepEqual(c.drain(), numbers(1, 500));
    b.reader.giveBack(taken);
    a.put("500");
    assert.equal(c.claim(true), "0");
    assert.equal(c.reader.returns, 1);
    c.reader.giveBack(takenBy(c));
    assert.equal(b.claim(), "0");
    assert.equal(b.reader.returns, 2);
    assert.equal(b.claim(), "500");
    assert.equal(b.reader.returns, 0);
  }));

test("how often a message was given back is counted, up to a largest number", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b, c] = [await join(), await join(), await join()];
    a.put("a");
    for (let returns = 0; returns < 40_000; returns++) {
      assert.equal(b.claim(true), "a");
      assert.equal(b.reader.returns, Math.min(returns, 32767));
      if (returns % 1000 === 0) recoverMember(c.pool, b.member, c.member);
      else b.reader.giveBack(takenBy(b));
    }
    assert.equal(b.claim(true), "a");
    b.reader.finish(takenBy(b));
    assert.equal(c.claim(), undefined);
  }));

test("a chunk that somebody reads isn't used again, others are", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b] = [await join(), await join()];
    const large = "x".repeat(WHOLE);
    while (a.put(large));
    assert.equal(b.drain().length, QUEUE_CHUNKS);
    setHazard(a, b.member, 6); // b is stopped while it reads chunk 5
    let put = 0;
    while (a.put(large)) put++;
    assert.equal(put, QUEUE_CHUNKS - 1);
    setHazard(a, b.member, 0);
    assert.equal(a.put(large), true);
    assert.equal(b.drain().length, QUEUE_CHUNKS);
  }));

test("death while filling: what was made ready counts, the rest was never there", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b, c] = [await join(), await join(), await join()];
    for (const text of numbers(0, 20)) a.put(text);
    // As if a had died after its third message, before it wrote where the records end.
    setState(a, 0, filling(a.member));
    a.pool.words[a.pool.header(0, QueueChunk.end)] = 48;
    recoverMember(b.pool, a.member, b.member);
    assert.equal(a.pool.words[a.pool.header(0, QueueChunk.end)], 20 * 16);
    recoverMember(b.pool, a.member, b.member);
    b.put("b");
    assert.deepEqual(c.drain(), [...numbers(0, 20), "b"]);
  }));

test("death while beginning or retiring a chunk: it is free", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b] = [await join(), await join()];
    setState(a, 3, filling(a.member));
    setState(a, 4, ChunkState.retired | (a.member << 8));
    recoverMember(b.pool, a.member, b.member);
    assert.equal(state(a, 3), ChunkState.free);
    assert.equal(state(a, 4), ChunkState.free);
    let put = 0;
    while (b.put("x".repeat(WHOLE))) put++;
    assert.equal(put, QUEUE_CHUNKS);
  }));

test("death with messages taken: they are ready, marked, and done only once", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b, c] = [await join(), await join(), await join()];
    for (const text of numbers(0, 300)) a.put(text);
    for (let i = 0; i < 100; i++) assert.equal(b.claim(true), `${2 * i}`, `${c.claim()}`);
    setHazard(b, b.member, 1);
    recoverMember(c.pool, b.member, c.member);
    recoverMember(c.pool, b.member, c.member);
    for (let i = 0; i < 100; i++) {
      assert.equal(c.claim(), `${2 * i}`);
      assert.equal(c.reader.returns, 1);
    }
    assert.deepEqual(c.drain(), numbers(200, 300));
    while (a.put("x".repeat(WHOLE)));
    assert.equal(c.drain().length, QUEUE_CHUNKS, "no room is lost");
  }));

test("messages are counted", () =>
  withEnds(CAPACITY, async (join) => {
    const [a, b] = [await join(), await join()];
    assert.equal(b.reader.count(), 0);
    for (const text of numbers(0, 1000)) a.put(text);
    assert.equal(b.reader.count(), 1000);
    b.claim();
    b.claim(true);
    assert.equal(b.reader.count(), 998);
    assert.equal(b.reader.hasMessage(), true);
    b.reader.release();
  }));
