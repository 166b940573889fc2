// A queue whose memory somebody else writes garbage into: every call ends, with a message, with
// nothing, or with an error of ours, and what it gives is within the memory.

import { test } from "node:test";
import { bytes } from "../../src/codec/bytes.ts";
import { Kind, MembershipLayout, QueueLayout } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { Queue } from "../../src/queue/queue.ts";
import { fuzz, fuzzSeed, mutate, onlyOurs } from "../support/fuzz.ts";
import type { Random } from "../support/random.ts";
import { native, Scratch } from "../support/scratch.ts";

const CAPACITY = 4096;
type Bytes = Uint8Array<ArrayBuffer>;

/** One call of anything that doesn't wait. */
function call(random: Random, queue: Queue<Bytes>, held: { ack(): void; reject(): void }[]): void {
  switch (random.below(9)) {
    case 0:
    case 1:
      return void queue.tryEnqueue(random.bytes(random.below(120)));
    case 2:
      return void queue.tryEnqueueMany([random.bytes(8), random.bytes(100), random.bytes(0)]);
    case 3:
      return void queue.tryDequeue();
    case 4:
      return void queue.tryDequeueMany(1 + random.below(50));
    case 5: {
      const delivery = queue.tryTake();
      if (delivery !== undefined) held.push(delivery);
      return;
    }
    case 6:
      return held.shift()?.ack();
    case 7:
      return held.pop()?.reject();
    case 8:
      return void queue.size;
  }
}

test(`garbage in a queue, seed ${fuzzSeed}`, () =>
  fuzz(async (random, alive) => {
    using scratch = new Scratch();
    const open = (): Promise<Queue<Bytes>> =>
      Queue.open<Bytes>("fuzzed", { directory: scratch.path, capacity: CAPACITY, codec: bytes });
    const queues = [await open(), await open()];
    const segment = Segment.open(native, scratch.at("queue/fuzzed/shared"), Kind.queue)!;
    const waits: Promise<unknown>[] = [];
    const held: { ack(): void; reject(): void }[] = [];
    // Not the members' nodes and sources: whom to ring is fuzzed in node.test.ts.
    const parts = [
      [MembershipLayout.words, MembershipLayout.name],
      [QueueLayout.chunks, QueueLayout.data],
      [QueueLayout.data, QueueLayout.data + CAPACITY],
    ] as const;
    for (let step = 0; step < 300; step++) {
      alive();
      const [from, to] = random.pick(parts);
      if (random.below(3) === 0) mutate(random, segment.words, from >> 2, to >> 2);
      try {
        call(random, random.pick(queues), held);
      } catch (error) {
        onlyOurs(error);
      }
      if (random.below(20) > 0) continue;
      const queue = random.pick(queues);
      const wait = random.below(2) === 0
        ? queue.dequeue({ timeout: 1 })
        : queue.enqueue(random.bytes(60), { timeout: 1 });
      waits.push(wait.catch(onlyOurs));
      if (random.below(4) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(waits);
    for (const queue of queues) await queue.close();
    segment.close();
  }));
