// Channel for longer: what tests/cross does a few times, many times over.

import assert from "node:assert/strict";
import { Channel } from "../../mod.ts";
import { crossTest, peersEnd } from "../support/cross.ts";
import { openEcho } from "../support/partners.ts";
import { checkBytes, numbered, numberIn } from "../support/payloads.ts";

crossTest("both open at the same time, 500 times", async (t) => {
  const open = (name: string, round: number): Promise<void> =>
    t.peer.run(
      async ({ ipc, kept, assert, payloads: { numbered, numberIn } }, name, round) => {
        const echo = { onRequest: (payload?: Uint8Array) => payload };
        const channel = kept.channel = await ipc.Channel.open(name, echo);
        assert.equal(numberIn(await channel.request(numbered(round))), round);
      },
      name,
      round,
    );
  for (let round = 0; round < 500; round++) {
    // Three times under each name: the one before may not be gone entirely.
    const name = `${t.name}-${Math.floor(round / 3)}`;
    const opened = Channel.open(name, { onRequest: (payload) => payload });
    const [channel] = await Promise.all([opened, open(name, round)]);
    assert.equal(numberIn(await channel.request(numbered(round))), round);
    const close = (): Promise<void> => t.peer.run(({ kept }) => kept.channel.close());
    await Promise.all([channel.close(), close()]);
  }
}, { limit: 120 });

crossTest("100,000 requests, 64 in flight, of mixed sizes", async (t) => {
  await openEcho(t.peer, t.name, { capacity: 65536 });
  await using channel = await Channel.open(t.name);
  const sizes = [4, 64, 8, 500, 16, 3000, 4, 20_000];
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let number = next++; number < 100_000; number = next++) {
      const payload = numbered(number, sizes[number % sizes.length]);
      checkBytes(await channel.request(payload), payload);
    }
  };
  await Promise.all(Array.from({ length: 64 }, caller));
}, { limit: 120 });

crossTest("a million messages in order", async (t) => {
  await t.peer.run(async ({ ipc, use, kept, assert, payloads }, name: string) => {
    kept.expected = 0;
    use(
      await ipc.Channel.open(name, {
        onMessage: (payload) => assert.equal(payloads.numberIn(payload), kept.expected++),
        onRequest: () => payloads.numbered(kept.expected),
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  for (let i = 0; i < 1_000_000; i++) {
    if (!channel.send(numbered(i, 4 + (i & 63)))) await channel.writable;
  }
  assert.equal(numberIn(await channel.request()), 1_000_000);
}, { limit: 120 });

crossTest("100,000 blocking requests with a blocking one inside of each", async (t) => {
  await t.peer.run(async ({ ipc, use, payloads: { numbered, numberIn } }, name: string) => {
    const channel: Awaited<ReturnType<typeof ipc.Channel.open>> = use(
      await ipc.Channel.open(name, {
        onRequest: (payload) => numbered(numberIn(channel.requestSync(payload)) + 1),
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name, {
    onRequest: (payload) => numbered(numberIn(payload) + 1),
  });
  for (let i = 0; i < 100_000; i++) {
    assert.equal(numberIn(channel.requestSync(numbered(i))), i + 2);
  }
}, { limit: 120 });

peersEnd();
