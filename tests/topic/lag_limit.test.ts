// A publisher's own limit of lag, and subscribers of the latest message.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, bytes, LaggedError, Publisher, Subscriber } from "../../mod.ts";
import { assertEmpty } from "../support/api.ts";
import { numbered, numberIn } from "../support/payloads.ts";
import { Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

const CAPACITY = 4096;
const SIZE = 100;

test("options of lag are checked", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const wrong = [{ maxLag: -1 }, { maxLag: "1" }, { lagAction: "block" }, { sendQueueBytes: -1 }];
  for (const options of wrong) {
    await assert.rejects(Publisher.open("name", { directory, ...options } as never), ArgumentError);
  }
  await assert.rejects(
    Subscriber.open("name", { directory, onLag: "newest" as never }),
    /"block", "drop-oldest", "disconnect" or "latest"/,
  );
  assertEmpty(scratch);
});

type Way = "publish" | "publishSync" | "tryPublish" | "publishMany";
const ways: readonly Way[] = ["publish", "publishSync", "tryPublish", "publishMany"];

/** Publishes until it is done, whatever the way. */
async function publish(publisher: Publisher, way: Way, n: number): Promise<void> {
  const payload = numbered(n, SIZE);
  if (way === "publishMany") await publisher.publishMany([payload]);
  else if (way === "tryPublish") await until(() => publisher.tryPublish(payload), "room");
  else await publisher[way](payload);
}

for (const way of ways) {
  for (const maxLag of [0, 20]) {
    test(`who exceeds a maxLag of ${maxLag} ms is disconnected, with ${way}`, async () => {
      using scratch = new Scratch();
      const options = { directory: scratch.path, codec: bytes };
      const gone: string[] = [];
      const publisher = await Publisher.open("name", {
        ...options,
        capacity: CAPACITY,
        maxLag,
        onDisconnect: (_, reason) => void gone.push(reason),
      });
      const slow = await Subscriber.open("name", options);
      const good: number[] = [];
      const fast = await Subscriber.open("name", {
        ...options,
        onLag: "drop-oldest",
        onMessage: (value) => void good.push(numberIn(value as Uint8Array)),
      });
      await publisher.ready(2);
      for (let n = 0; n < 500; n++) {
        // In the thread of the publisher the slow one would be a deadlock of its own.
        if (way !== "publishSync" || maxLag === 0) {
          await within(publish(publisher, way, n), `${way} ${n}`);
        } else {
          await within(publisher.publish(numbered(n, SIZE)), `publish ${n}`);
        }
      }
      await until(() => gone.length === 1, "it is told");
      assert.deepEqual(gone, ["lagged"]);
      await assert.rejects(
        async () => {
          for (;;) await slow.receive({ timeout: 30_000 });
        },
        (error: Error) => error instanceof LaggedError && /maxLag/.test(error.message),
      );
      assert.equal(slow.publishers, 0);
      await until(() => good.at(-1) === 499, "the other has the last message");
      await fast.close();
      await slow.close();
      await publisher.close();
      assertEmpty(scratch);
    });
  }
}

test('with "drop-oldest" who exceeds it loses an exact number, then is waited for again', async () => {
  using scratch = new Scratch();
  const options = { directory: scratch.path, codec: bytes };
  const publisher = await Publisher.open("name", {
    ...options,
    capacity: CAPACITY,
    maxLag: 10,
    lagAction: "drop-oldest",
  });
  let lost = 0;
  const slow = await Subscriber.open("name", { ...options, onLost: (count) => lost += count });
  await publisher.ready();
  await slow.ready();
  let next = 0;
  for (; next < 300; next++) await within(publisher.publish(numbered(next, SIZE)), "publish");
  let expected = 0;
  const receive = (): boolean => {
    const before = lost;
    const value = slow.tryReceive();
    if (value === undefined) return false;
    expected += lost - before;
    assert.equal(numberIn(value as Uint8Array), expected++);
    return true;
  };
  while (receive());
  assert.equal(expected, next);
  assert.ok(lost > 200);
  // It blocks again: the publisher waits for some time at least.
  while (publisher.tryPublish(numbered(next, SIZE))) next++;
  const before = lost;
  while (receive());
  assert.equal(lost, before);
  assert.equal(expected, next);
  assert.equal(slow.lost, lost);
  await slow.close();
  await publisher.close();
  assertEmpty(scratch);
});

test("a subscriber that reads on, however slowly, is never touched", async () => {
  using scratch = new Scratch();
  const options = { directory: scratch.path, codec: bytes };
  const publisher = await Publisher.open("name", {
    ...options,
    capacity: CAPACITY,
    maxLag: 2000,
  });
  const slow = await Subscriber.open("name", options);
  await publisher.ready();
  let done = false;
  const publishing = (async () => {
    for (let n = 0; n < 300; n++) await publisher.publish(numbered(n, SIZE));
    done = true;
  })();
  for (let n = 0; n < 300; n++) {
    assert.equal(numberIn(await slow.receive() as Uint8Array), n);
    if (!done) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await publishing;
  await slow.close();
  await publisher.close();
  assertEmpty(scratch);
});

for (const way of ["receive", "onMessage"] as const) {
  test(`"latest" reads the newest message and counts what it skips, with ${way}`, async () => {
    using scratch = new Scratch();
    const options = { directory: scratch.path, codec: bytes };
    const publisher = await Publisher.open("name", { ...options, capacity: CAPACITY });
    const got: number[] = [];
    let lost = 0;
    const handler = (value: unknown): void => void got.push(numberIn(value as Uint8Array));
    const latest = await Subscriber.open("name", {
      ...options,
      onLag: "latest",
      onLost: (count) => lost += count,
      ...(way === "onMessage" && { onMessage: handler }),
    });
    await publisher.ready();
    await latest.ready();
    for (let n = 0; n < 1000; n++) assert.ok(publisher.tryPublish(numbered(n, SIZE)));
    if (way === "receive") handler(await latest.receive());
    await until(() => got.length === 1, "the newest");
    for (let n = 1000; n < 1003; n++) assert.ok(publisher.tryPublish(numbered(n, SIZE)));
    if (way === "receive") handler(latest.receiveSync());
    await until(() => got.length === 2, "the newest of the next");
    assert.deepEqual(got, [999, 1002]);
    assert.equal(lost, 1001);
    assert.deepEqual(latest.stats.lost, 1001);
    await latest.close();
    await publisher.close();
    assertEmpty(scratch);
  });
}
