// Queue: four producers and four consumers in eight processes of all runtimes, a million messages,
// each exactly once, and each producer's in order wherever they arrive.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Queue } from "../../mod.ts";
import { filesIn } from "../support/directories.ts";
import { within } from "../support/watchdog.ts";
import { Peer, type Runtime } from "../support/peers.ts";

const EACH = 250_000;
const producers: Runtime[] = ["deno", "bun", "node", "bun"];
const consumers: Runtime[] = ["node", "deno", "bun", "deno"];
const NAME = "million";

test("4 producers, 4 consumers, 1,000,000 messages: each exactly once", async () => {
  const queue = await Queue.open<[number, number]>(NAME);
  const puts = producers.map((runtime) => new Peer(runtime));
  const gets = consumers.map((runtime) => new Peer(runtime));
  try {
    const got = gets.map((peer, index) =>
      peer.run(
        async ({ ipc, use, kept }, name: string, index: number, each: number) => {
          const queue = use(await ipc.Queue.open<[number, number]>(name));
          const seen = kept.seen = Array.from({ length: 4 }, () => new Uint8Array(each));
          const last = [-1, -1, -1, -1];
          let count = 0;
          for (;;) {
            const messages = index % 2 === 0
              ? await queue.dequeueMany(50)
              : [await queue.dequeue()];
            let stops = 0;
            for (const [producer, n] of messages) {
              if (producer < 0) stops++;
              else {
                if (n <= last[producer]!) {
                  throw new Error(`${producer}: ${n} after ${last[producer]}`);
                }
                if (seen[producer]![n]!++) throw new Error(`${producer}: ${n} twice`);
                last[producer] = n;
                count++;
              }
            }
            if (stops === 0) continue;
            while (--stops > 0) await queue.enqueue([-1, 0]);
            return count;
          }
        },
        NAME,
        index,
        EACH,
      )
    );
    await within(
      Promise.all(
        puts.map((peer, index) =>
          peer.run(
            async ({ ipc, use }, name: string, index: number, each: number) => {
              const queue = use(await ipc.Queue.open<[number, number]>(name));
              for (let n = 0; n < each;) {
                if (index % 2 === 0) {
                  const many = Array.from(
                    { length: 50 },
                    (_, i): [number, number] => [index, n + i],
                  );
                  await queue.enqueueMany(many);
                  n += 50;
                } else await queue.enqueue([index, n++]);
              }
            },
            NAME,
            index,
            EACH,
          )
        ),
      ),
      "the producers",
      400_000,
    );
    for (let i = 0; i < 4; i++) await queue.enqueue([-1, 0]);
    const counts = await within(Promise.all(got), "the consumers", 200_000);
    console.log(`consumers got ${counts.join(", ")}`);
    assert.equal(counts.reduce((a, b) => a + b), 4 * EACH);
    // With the right count and the right sum of each producer, and none twice in one consumer.
    const sets = await Promise.all(gets.map((peer) =>
      peer.run(({ kept }) => {
        return kept.seen.map((seen: Uint8Array) => {
          let sum = 0;
          seen.forEach((flag, n) => sum += flag * (n + 1));
          return sum;
        });
      })
    )) as number[][];
    for (let producer = 0; producer < 4; producer++) {
      const sum = sets.reduce((sum, set) => sum + set[producer]!, 0);
      assert.equal(sum, EACH * (EACH + 1) / 2, `the numbers of producer ${producer}`);
    }
    await queue.close();
    await Promise.all([...puts, ...gets].map((peer) => peer.end()));
    assert.deepEqual(filesIn(), []);
  } finally {
    for (const peer of [...puts, ...gets]) peer.kill("SIGKILL");
  }
});
