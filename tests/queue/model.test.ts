// Random use of one queue by several members, some of which stop or die in the middle,
// compared with a plain list of messages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkState, Member, MembershipLayout, QUEUE_CHUNKS } from "../../src/memory/layout.ts";
import type { Taken } from "../../src/queue/reader.ts";
import { recoverMember } from "../../src/queue/recover.ts";
import { Random, seed } from "../support/random.ts";
import { type Ends, withEnds } from "./ends.ts";

interface Message {
  state: "ready" | "taken" | "done";
  /** How often was it taken and given back? */
  returns: number;
}
interface Held extends Taken {
  by: Ends;
  id: string;
}

class Model {
  readonly random: Random;
  readonly members: Ends[];
  readonly ghost: Ends;
  readonly messages = new Map<string, Message>();
  readonly taken: Held[] = [];
  /** By producer: the next number, and the last number that anybody got for the first time. */
  readonly next = new Map<string, number>();
  readonly last = new Map<string, number>();
  /** Chunks that the ghost holds, with what they were before; the chunk that it reads. */
  readonly haunted = new Map<number, number>();
  largest: number;

  constructor(members: Ends[], ghost: Ends, random: Random) {
    this.random = random;
    this.members = members;
    this.ghost = ghost;
    this.largest = this.ghost.pool.chunkBytes - 8;
  }

  step(): void {
    const one = this.random.pick(this.members);
    const dice = this.random.below(100);
    if (dice < 40) this.put(one);
    else if (dice < 60) this.claim(one, false);
    else if (dice < 75) this.claim(one, true);
    else if (dice < 88) this.settle();
    else if (dice < 94) this.haunt();
    else if (dice < 96) this.die(one);
    else if (dice < 97) this.exorcise();
    else assert.equal(one.reader.count(), this.ready().length);
  }

  #name(one: Ends, size: number): string {
    const producer = `${this.members.indexOf(one)}`;
    const number = this.next.get(producer) ?? 0;
    this.next.set(producer, number + 1);
    return `${producer}:${number}:`.padEnd(size, ".");
  }

  put(one: Ends): void {
    const { random } = this;
    const size = random.below(3) === 0 ? random.below(this.largest) : random.below(60);
    const before = new Map(this.next);
    const ids = Array.from({ length: 1 + random.below(6) }, () => {
      return this.#name(one, size).slice(0, Math.max(size, 20));
    });
    const payloads = ids.map((id) => new TextEncoder().encode(id));
    const put = one.writer.putMany(payloads, 0);
    for (const id of ids.slice(0, put)) this.messages.set(id, { state: "ready", returns: 0 });
    const producer = `${this.members.indexOf(one)}`;
    this.next.set(producer, (before.get(producer) ?? 0) + put);
  }

  ready(): [string, Message][] {
    return [...this.messages].filter(([, { state }]) => state === "ready");
  }

  claim(one: Ends, keep: boolean): void {
    const id = one.claim(keep);
    if (id === undefined) return assert.deepEqual(this.ready(), [], "there was one");
    const message = this.messages.get(id);
    assert.equal(message?.state, "ready", id);
    assert.equal(one.reader.returns, message!.returns, id);
    if (message!.returns === 0) this.checkOrder(id);
    message!.state = keep ? "taken" : "done";
    const { chunk, position, word } = one.reader;
    if (keep) this.taken.push({ by: one, id, chunk, position, word });
  }

  checkOrder(id: string): void {
    const [producer, number] = id.split(":") as [string, string];
    assert.equal(Number(number), (this.last.get(producer) ?? -1) + 1, id);
    this.last.set(producer, Number(number));
  }

  settle(): void {
    if (this.taken.length === 0) return;
    const [one] = this.taken.splice(this.random.below(this.taken.length), 1);
    const { by, id } = one!;
    const message = this.messages.get(id)!;
    if (this.random.below(2) === 0) {
      by.reader.finish(one!);
      message.state = "done";
    } else {
      by.reader.giveBack(one!);
      message.state = "ready";
      message.returns++;
    }
  }

  /** The ghost stops somewhere: it holds a chunk, or reads one. */
  haunt(): void {
    const { pool, member, segment } = this.ghost;
    const chunk = this.random.below(QUEUE_CHUNKS);
    const at = MembershipLayout.slots + member * Member.bytes + Member.words;
    if (this.random.below(2) === 0) return segment.setU32(at, chunk + 1);
    const state = pool.words[pool.header(chunk, 0)]!;
    if (state !== ChunkState.open && state !== ChunkState.full) return;
    if (this.haunted.size > QUEUE_CHUNKS / 4) return;
    this.haunted.set(chunk, state);
    pool.words[pool.header(chunk, 0)] = ChunkState.filling | (member << 8);
  }

  exorcise(): void {
    recoverMember(this.members[0]!.pool, this.ghost.member, this.members[0]!.member);
    this.haunted.clear();
  }

  /** One dies and another takes its place, and its slot. */
  die(one: Ends): void {
    const helper = this.random.pick(this.members.filter((other) => other !== one));
    recoverMember(helper.pool, one.member, helper.member);
    for (const { by, id } of this.taken) {
      if (by !== one) continue;
      const message = this.messages.get(id)!;
      message.state = "ready";
      message.returns++;
    }
    const left = this.taken.filter(({ by }) => by !== one);
    this.taken.splice(0, this.taken.length, ...left);
  }

  /** Everything comes out, once, and all room is there again. */
  end(): void {
    this.exorcise();
    while (this.taken.length > 0) this.settle();
    while (this.ready().length > 0) this.claim(this.random.pick(this.members), false);
    assert.ok([...this.messages.values()].every(({ state }) => state === "done"));
    const one = this.members[0]!;
    let whole = 0;
    while (one.put("x".repeat(this.largest))) whole++;
    assert.equal(whole, QUEUE_CHUNKS);
    assert.equal(this.members[1]!.drain().length, QUEUE_CHUNKS);
  }
}

for (const [capacity, rounds, steps] of [[4096, 30, 1500], [65536, 8, 2500]] as const) {
  test(`random use, ${capacity} bytes, seed ${seed}`, async () => {
    const random = new Random(seed ^ capacity);
    for (let round = 0; round < rounds; round++) {
      await withEnds(capacity, async (join) => {
        const model = new Model(
          [await join(), await join(), await join(), await join()],
          await join(),
          random,
        );
        for (let step = 0; step < steps; step++) model.step();
        model.end();
      });
    }
  });
}
