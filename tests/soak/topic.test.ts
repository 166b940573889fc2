// A topic under load: many publishers and subscribers in many processes, every message checked.

import assert from "node:assert/strict";
import { test } from "node:test";
import { uniqueName } from "../support/cross.ts";
import { filesIn } from "../support/directories.ts";
import { within } from "../support/watchdog.ts";
import { Peer, runtimes } from "../support/peers.ts";

const PUBLISHERS = 4;
const SUBSCRIBERS = 8;
const MESSAGES = 1_000_000;

async function processes<T>(count: number, body: (peers: Peer[]) => Promise<T>): Promise<T> {
  const peers = Array.from({ length: count }, (_, i) => new Peer(runtimes[i % 3]!));
  try {
    return await within(body(peers), "a test of topics", 600_000);
  } finally {
    for (const peer of peers) peer.kill("SIGKILL");
    await Promise.all(peers.map((peer) => peer.ended));
  }
}

test(`${PUBLISHERS} publishers, ${SUBSCRIBERS} subscribers, ${MESSAGES} messages each`, async () => {
  const name = uniqueName();
  await processes(PUBLISHERS + SUBSCRIBERS, async (peers) => {
    const publishers = peers.slice(0, PUBLISHERS);
    const subscribers = peers.slice(PUBLISHERS);
    const started = performance.now();
    await Promise.all(
      subscribers.map((peer, i) =>
        peer.run(
          async ({ ipc, use, kept }, name, i, publishers, messages) => {
            const next: number[] = new Array(publishers).fill(0);
            let left = publishers * messages;
            kept.done = Promise.withResolvers();
            /** Checks all of a message: whose it is, its number, and that each byte belongs to it. */
            const check = (message: Uint8Array): void => {
              const from = message[0]!;
              const number = message[1]! | message[2]! << 8 | message[3]! << 16;
              if (number !== next[from]) {
                throw new Error(`publisher ${from}: ${number} where ${next[from]} follows`);
              }
              if (message.length !== 4 + (number & 31)) throw new Error(`${message.length} bytes`);
              for (let at = 4; at < message.length; at++) {
                if (message[at] !== ((number + at) & 0xff)) {
                  throw new Error(`byte ${at} of ${number}`);
                }
              }
              next[from]!++;
              left--;
              if (left === 0) kept.done.resolve();
            };
            const safely = (message: unknown): void => {
              try {
                check(message as Uint8Array);
              } catch (error) {
                kept.done.reject(error);
              }
            };
            kept.done.promise.catch(() => {});
            // Half of them by handler, half by loop.
            const codec = ipc.bytes;
            if (i % 2 === 0) {
              use(await ipc.Subscriber.open(name, { codec, onMessage: safely }));
            } else {
              const subscriber = use(await ipc.Subscriber.open(name, { codec }));
              void (async () => {
                for await (const message of subscriber) safely(message);
              })();
            }
          },
          name,
          i,
          PUBLISHERS,
          MESSAGES,
        )
      ),
    );
    const done = subscribers.map((peer) => peer.run(async ({ kept }) => await kept.done.promise));
    const published = publishers.map((peer, from) =>
      peer.run(
        async ({ ipc, use }, name, from, subscribers, messages) => {
          const capacity = 256 << 10;
          const publisher = use(await ipc.Publisher.open(name, { codec: ipc.bytes, capacity }));
          await publisher.ready(subscribers);
          const buffer = new Uint8Array(64);
          for (let number = 0; number < messages; number++) {
            const message = buffer.subarray(0, 4 + (number & 31));
            message[0] = from;
            message[1] = number;
            message[2] = number >> 8;
            message[3] = number >> 16;
            for (let at = 4; at < message.length; at++) message[at] = number + at;
            await publisher.publish(message);
          }
          return publisher.stats.waits;
        },
        name,
        from,
        SUBSCRIBERS,
        MESSAGES,
      )
    );
    const waits = await Promise.all(published);
    await Promise.all(done);
    const seconds = (performance.now() - started) / 1000;
    console.log(`${seconds.toFixed(1)} s, the publishers waited ${waits.join(", ")} times`);
    await Promise.all(peers.map((peer) => peer.end()));
  });
  assert.deepEqual(filesIn(), []);
});
