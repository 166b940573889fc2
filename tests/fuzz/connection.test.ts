// One side of a live connection is a fuzzer that works on the shared memory itself. The other
// side may lose its partner, and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel, connect, serve } from "../../mod.ts";
import { codecId } from "../../src/codec/codec_id.ts";
import { ConnectionLayout } from "../../src/memory/layout.ts";
import type { Segment } from "../../src/memory/segment.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import { RingProducer } from "../../src/ring/producer.ts";
import { maxPayload, RecordHeader } from "../../src/ring/record.ts";
import { assertEmpty } from "../support/api.ts";
import { fuzz, mutate, onlyOurs, turns } from "../support/fuzz.ts";
import { HostileClient, HostilePartner } from "../support/hostile.ts";
import type { Random } from "../support/random.ts";
import { Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

const CAPACITY = 4096;

/** Where to change memory: more often where it matters. */
function mutateSegment(random: Random, segment: Segment): void {
  const { words } = segment;
  const { a, ringAB, ringBA, name, data } = ConnectionLayout;
  const [from, to] = random.pick([
    [0, 64],
    [a, ringAB],
    [ringAB, ringBA],
    [ringBA, name],
    [data, data + 256],
    [data + CAPACITY, data + CAPACITY + 256],
    [data, data + 2 * CAPACITY],
    [0, words.length * 4],
  ]) as [number, number];
  mutate(random, words, from >> 2, to >> 2);
}

/** Writes a record that is well-formed, with anything in it. */
function writeRandom(random: Random, producer: RingProducer, payloads: Uint8Array[]): void {
  const payload = random.below(2) === 0
    ? random.pick(payloads)
    : random.bytes(random.below(maxPayload(CAPACITY) + 1));
  producer.write(
    RecordHeader.of({
      kind: random.below(random.pick([4, 9, 13, 256])),
      flags: random.below(random.pick([4, 32, 256])),
      method: random.pick([0, 1, random.below(65536), 0xffff]),
      correlation: random.pick([0, 1, 2, random.u32()]),
      extra: random.pick([0, 1, random.u32()]),
    }),
    payload,
  );
}

test("a channel's partner", () =>
  fuzz(async (random, alive) => {
    using scratch = new Scratch();
    const channel = await Channel.open("name", {
      directory: scratch.path,
      capacity: CAPACITY,
      maxMessageBytes: random.pick([100, 1 << 20]),
      sendQueueBytes: random.pick([0, 10_000]),
      borrow: random.below(2) === 0,
      onRequest: (payload) => random.below(2) === 0 ? payload : Promise.resolve(payload?.slice(1)),
      onMessage() {},
      onError: onlyOurs,
    });
    channel.unref();
    const partner = new HostilePartner(scratch, ["channel", "name"]);
    if (random.below(4) === 0) mutateSegment(random, partner.segment);
    partner.answer();
    let producer: RingProducer | undefined;
    try {
      producer = partner.producer();
    } catch (error) {
      onlyOurs(error); // its own end is garbage already
    }
    for (let step = 0; step < 60; step++) {
      alive();
      switch (random.below(7)) {
        case 0:
          mutateSegment(random, partner.segment);
          break;
        case 1:
          for (let i = random.below(20); i > 0; i--) mutateSegment(random, partner.segment);
          break;
        case 2:
          try {
            if (producer !== undefined) writeRandom(random, producer, [new Uint8Array(0)]);
          } catch (error) {
            onlyOurs(error);
          }
          break;
        case 3:
          channel.request(random.bytes(random.below(3000)), { timeout: random.below(20) })
            .catch(onlyOurs);
          break;
        case 4:
          try {
            channel.send(random.bytes(random.below(3000)));
          } catch (error) {
            onlyOurs(error);
          }
          break;
        case 5:
          try {
            channel.requestSync(undefined, { timeout: random.below(3) });
          } catch (error) {
            onlyOurs(error);
          }
          break;
        default:
          partner.ring();
          await turns(random.below(4));
      }
    }
    partner.ring();
    await turns(3);
    if (random.below(2) === 0) {
      partner.die();
      await turns(3);
    }
    await within(channel.close(), "closing", 20_000);
    await turns(2);
    partner[Symbol.dispose]();
    assertEmpty(scratch);
  }));

test("a server's client, beside an honest one", async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  const api = {
    add: (a: number, b: number) => a + b,
    later: (x: unknown) => Promise.resolve(x),
    // Streams of ids that the hostile one invents, and streams that it may break.
    async take(stream: unknown) {
      try {
        for await (const _ of stream as AsyncIterable<unknown>);
      } catch {
        // It is whatever the hostile one says, or no stream at all.
      }
    },
    give: () => new ReadableStream({ pull: (controller) => controller.enqueue(Uint8Array.of(1)) }),
    sink: () => new WritableStream(),
  };
  const payloads = [[1, 2], [], ["x", { y: 1 }], [1, []], "no list"].map((value) =>
    new Uint8Array(messagePack.encode(value))
  );
  // What stands for a stream in MessagePack: [tag, id], and [tag, [id, credit]].
  for (const [tag, id] of [[1, 0], [2, 2], [4, 4], [1, 1]]) {
    payloads.push(new Uint8Array([0x91, 0xd4, 0x6f, 0, 0x92, tag!, id!]));
  }
  payloads.push(new Uint8Array([0x91, 0xd4, 0x6f, 0, 0x92, 3, 0x92, 6, 100]));
  for (const name of ["take", "give", "sink"]) payloads.push(new TextEncoder().encode(name));
  payloads.push(new TextEncoder().encode("add"), new TextEncoder().encode("later"));
  {
    await using server = await serve("name", api, { directory, onError: onlyOurs });
    await using honest = await connect<typeof api>("name", { directory });
    await fuzz(async (random, alive) => {
      const client = new HostileClient(scratch, "name", CAPACITY, codecId("messagepack"));
      if (random.below(3) === 0) mutateSegment(random, client.segment);
      client.announce();
      await turns(2);
      let producer: RingProducer | undefined;
      try {
        const { ringAB, data } = ConnectionLayout;
        producer = new RingProducer(client.segment, ringAB, data, CAPACITY);
      } catch (error) {
        onlyOurs(error);
      }
      for (let step = 0; step < 40; step++) {
        alive();
        const what = random.below(4);
        if (what === 0) mutateSegment(random, client.segment);
        else if (what === 1) await turns(1);
        else {
          try {
            if (producer !== undefined) writeRandom(random, producer, payloads);
          } catch (error) {
            onlyOurs(error);
          }
        }
        client.ring();
      }
      assert.equal(await within(honest.remote.add(2, 3), "an honest call", 20_000), 5);
      if (random.below(2) === 0) client.die();
      client[Symbol.dispose]();
      await turns(2);
      assert.equal(honest.sync.add(1, 1), 2);
    });
    await until(() => server.connections === 1, "the end of the hostile ones");
  }
  assertEmpty(scratch);
});
