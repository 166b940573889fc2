// Publishers and subscribers, while somebody writes garbage into what they share.

import fs from "node:fs";
import { test } from "node:test";
import { bytes, Publisher, Subscriber } from "../../mod.ts";
import { Kind, PublisherLayout, SubscriberSlot } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { fuzz, mutate, onlyOurs, turns } from "../support/fuzz.ts";
import type { Random } from "../support/random.ts";
import { native, Scratch } from "../support/scratch.ts";

const CAPACITY = 4096;
const SLOTS = 4;

/** The file of the only publisher, or subscriber. */
function mapped(scratch: Scratch, prefix: string, kind: Kind): Segment {
  const folder = scratch.at("topic", "fuzz");
  const file = fs.readdirSync(folder).find((name) => name.startsWith(prefix))!;
  return Segment.open(native, `${folder}/${file}`, kind)!;
}

/** Where garbage goes: mostly to the words that matter. */
function aim(random: Random): [from: number, to: number] {
  const { table, oldest, source } = PublisherLayout;
  const data = 2 * 4096;
  const slot = table + random.below(SLOTS) * SubscriberSlot.bytes;
  switch (random.below(4)) {
    case 0:
      return [slot >> 2, (slot + SubscriberSlot.bytes) >> 2];
    case 1:
      return [oldest >> 2, (oldest >> 2) + 1];
    case 2:
      return [source >> 2, table >> 2];
    default:
      return [data >> 2, (data + CAPACITY) >> 2];
  }
}

async function round(random: Random, alive: () => void): Promise<void> {
  using scratch = new Scratch();
  const directory = scratch.path;
  const onError = onlyOurs;
  const publisher = await Publisher.open<Uint8Array>("fuzz", {
    codec: bytes,
    maxLag: random.pick([0, 1, Infinity]),
    lagAction: random.pick(["disconnect", "drop-oldest"] as const),
    capacity: CAPACITY,
    maxSubscribers: SLOTS,
    directory,
    onError,
  });
  const attacked = mapped(scratch, "publisher-", Kind.publisher);
  const subscribers: Subscriber<Uint8Array>[] = [];
  const open = async (): Promise<void> => {
    const onLag = random.pick(["block", "drop-oldest", "disconnect", "latest"] as const);
    const history = random.pick([0, 1, 100]);
    const common = { codec: bytes, directory, onError, onLag, history };
    const options = random.below(2) === 0
      ? common
      : { ...common, onMessage: () => {}, borrow: random.below(2) === 0 };
    subscribers.push(await Subscriber.open("fuzz", options as typeof common));
  };
  const publish = (): unknown => {
    const size = random.below(random.pick([10, 200, 1009]));
    switch (random.below(5)) {
      case 0:
        return publisher.publishParts([new Uint8Array(size >> 1)], { timeout: 1 });
      case 1: {
        using loan = publisher.tryLoan(size);
        if (random.below(2) === 0) loan?.publish();
        return undefined;
      }
      case 2:
        return publisher.publishSync(new Uint8Array(size), { timeout: 1 });
      case 3:
        return publisher.publish(new Uint8Array(size), { timeout: 1 });
      default:
        return publisher.tryPublish(new Uint8Array(size));
    }
  };
  const receive = (): unknown => {
    const subscriber = random.pick(subscribers);
    return random.below(2) === 0 ? subscriber.tryReceive() : subscriber.receiveSync({ timeout: 1 });
  };
  try {
    for (let step = 0; step < 300; step++) {
      alive();
      try {
        const action = random.below(20);
        if (action === 0 || subscribers.length === 0) await open();
        else if (action === 1) {
          await subscribers.splice(random.below(subscribers.length), 1)[0]!.close();
        } else if (action < 4) mutate(random, attacked.words, ...aim(random));
        else if (action < 5) await turns(2);
        else if (action < 13) await publish();
        else await receive();
      } catch (error) {
        onlyOurs(error);
      }
    }
  } finally {
    alive();
    attacked.close();
    for (const each of subscribers) await each.close();
    alive();
    // Garbage may say that somebody was invited who never comes: nobody waits for that here.
    await publisher.close();
    alive();
  }
}

test("garbage in a publisher's slots, words and ring is an error, never a hang", async () => {
  await fuzz(round);
});

test("garbage in a publisher that is opened, and in a subscriber's registration", async () => {
  await fuzz(async (random, alive) => {
    using scratch = new Scratch();
    const directory = scratch.path;
    const onError = onlyOurs;
    const subscriber = await Subscriber.open("fuzz", { codec: bytes, directory, onError });
    const registration = mapped(scratch, "subscriber-", Kind.member);
    for (let n = random.below(4); n > 0; n--) mutate(random, registration.words, 12, 128);
    const publisher = await Publisher.open("fuzz", {
      codec: bytes,
      capacity: CAPACITY,
      directory,
      onError,
    });
    const attacked = mapped(scratch, "publisher-", Kind.publisher);
    for (let n = random.below(3); n > 0; n--) mutate(random, attacked.words, 0, 128);
    alive();
    try {
      await using late = await Subscriber.open("fuzz", { codec: bytes, directory, onError });
      await turns(2);
      publisher.tryPublish(new Uint8Array(10));
      await late.receive({ timeout: 1 });
    } catch (error) {
      onlyOurs(error);
    }
    await turns(2);
    registration.close();
    attacked.close();
    await subscriber.close();
    alive();
    await publisher.close();
  });
});
