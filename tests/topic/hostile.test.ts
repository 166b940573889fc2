// A publisher that writes what no correct one does: told once, and only its own connection ends.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { bytes, CorruptSegmentError, Publisher, Subscriber } from "../../mod.ts";
import { Kind, publisherData, PublisherLayout, SubscriberSlot } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { assertEmpty } from "../support/api.ts";
import { native, Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

function mapped(scratch: Scratch, id: string): Segment {
  const [node, source, count] = id.split("-");
  const file = scratch.at("topic", "name", `publisher-${source}-${count}-${node}`);
  assert.ok(fs.existsSync(file), file);
  return Segment.open(native, file, Kind.publisher)!;
}

for (const way of ["a handler", "receive"] as const) {
  test(`a corrupt record ends one connection, with ${way}`, async () => {
    using scratch = new Scratch();
    const options = { codec: bytes, directory: scratch.path } as const;
    const bad = await Publisher.open("name", { ...options, maxSubscribers: 4 });
    const good = await Publisher.open("name", options);
    const events: unknown[] = [];
    const got: number[] = [];
    const common = {
      ...options,
      onError: (error: unknown) => void events.push(error),
      onDisconnect: (id: string, reason: string) => void events.push([id, reason]),
    };
    const onMessage = (value: unknown): void => void got.push((value as Uint8Array)[0]!);
    const subscriber = await Subscriber.open(
      "name",
      way === "receive" ? common : { ...common, onMessage },
    );
    await subscriber.ready(2);
    const segment = mapped(scratch, bad.id);
    await bad.publish(Uint8Array.of(1));
    segment.setU32(publisherData(4) + 4, 99);
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    await good.publishMany(numbers.map((n) => Uint8Array.of(n)));
    if (way === "receive") {
      for (const _ of numbers) onMessage(await subscriber.receive({ timeout: 30_000 }));
      assert.equal(subscriber.tryReceive(), undefined);
    }
    await until(() => got.length === 100 && events.length === 2, "all that is good arrives");
    assert.deepEqual(got, numbers);
    assert.ok(events[0] instanceof CorruptSegmentError);
    assert.deepEqual(events[1], [bad.id, "corrupt"]);
    assert.equal(subscriber.publishers, 1);
    segment.close();
    for (const each of [subscriber, bad, good]) await each.close();
    assertEmpty(scratch);
  });
}

test("a subscriber's corrupt position ends its connection, and holds nobody back", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const events: unknown[] = [];
  const publisher = await Publisher.open<number>("name", {
    directory,
    capacity: 4096,
    onError: (error) => void events.push(error),
    onDisconnect: (id, reason) => void events.push([id, reason]),
  });
  const subscriber = await Subscriber.open<number>("name", { directory });
  await subscriber.ready();
  const segment = mapped(scratch, publisher.id);
  segment.setU32(PublisherLayout.table + SubscriberSlot.head, 0x7777);
  for (let i = 0; i < 1000; i++) await publisher.publish(i);
  await until(() => events.length === 2, "the publisher tells");
  assert.deepEqual(events[0], [subscriber.id, "corrupt"]);
  assert.ok(events[1] instanceof CorruptSegmentError);
  assert.equal(publisher.subscribers, 0);
  segment.close();
  await subscriber.close();
  await publisher.close();
  assertEmpty(scratch);
});
