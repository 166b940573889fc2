// Shared memory by reference in messages of topics and queues.

import assert from "node:assert/strict";
import { Publisher, Queue, SharedMemory } from "../../mod.ts";
import { crossTest, peersEnd } from "../support/cross.ts";
import { filesIn } from "../support/directories.ts";
import { until } from "../support/watchdog.ts";

const holds = () => filesIn().filter((file) => file.includes("/hold-")).length;

crossTest("a topic passes memory that the publisher keeps open", async (t) => {
  await using publisher = await Publisher.open<{ frame: SharedMemory; at: number }>(t.name);
  await t.peer.run(async ({ ipc, kept, use }, name: string) => {
    kept.seen = [];
    use(
      await ipc.Subscriber.open<{ frame: SharedMemory; at: number }>(name, {
        onMessage: ({ frame, at }) => {
          using used = frame;
          kept.seen.push(used.bytes[at]);
        },
      }),
    );
  }, t.name);
  await publisher.ready();
  using frame = await SharedMemory.create({ size: 100_000 });
  for (let i = 0; i < 20; i++) {
    frame.bytes[i] = i + 1;
    await publisher.publish({ frame, at: i });
  }
  await until(() => t.peer.run(({ kept }) => kept.seen.length === 20));
  const seen = await t.peer.run(({ kept }) => kept.seen as number[]);
  assert.deepEqual(seen, Array.from({ length: 20 }, (_, i) => i + 1));
  assert.equal(holds(), 0);
});

crossTest("a queue passes memory that its sender has closed", async (t) => {
  await using queue = await Queue.open<SharedMemory>(t.name);
  for (let i = 0; i < 5; i++) {
    using memory = await SharedMemory.create({ size: 1000 + i });
    memory.bytes[0] = i;
    await queue.enqueue(memory);
  }
  assert.equal(holds(), 5);
  const got = await t.peer.run(async ({ ipc }, name: string) => {
    await using queue = await ipc.Queue.open<SharedMemory>(name);
    const got: number[][] = [];
    for (let i = 0; i < 5; i++) {
      using memory = await queue.dequeue();
      got.push([memory.size, memory.bytes[0]!]);
    }
    return got;
  }, t.name);
  assert.deepEqual(got, [0, 1, 2, 3, 4].map((i) => [1000 + i, i]));
  assert.equal(holds(), 0);
});

peersEnd();
