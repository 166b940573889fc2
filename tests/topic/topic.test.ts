// A publisher and a subscriber in one realm: what arguments are refused, and how.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ArgumentError,
  bytes,
  CodecError,
  DeadlockError,
  MessageTooLargeError,
  Publisher,
  Subscriber,
  TimeoutError,
} from "../../mod.ts";
import type { Codec } from "../../mod.ts";
import { assertEmpty, errorOf } from "../support/api.ts";
import { Scratch } from "../support/scratch.ts";

async function refused(task: () => Promise<unknown>, says: RegExp): Promise<void> {
  const error = await errorOf(task);
  assert.ok(error instanceof ArgumentError, String(error));
  assert.match(error.message, says);
}

test("options are checked, and their names", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const misspelt = { directory, onMesage() {} };
  const borrow = "yes" as never;
  await refused(() => Publisher.open("name", misspelt), /no option `onMesage`; .*maxSubscribers/);
  await refused(() => Subscriber.open("name", misspelt), /no option `onMesage`; .*onMessage/);
  await refused(() => Publisher.open("name", { directory, borrow } as never), /no option `borrow`/);
  await refused(
    () => Subscriber.open("name", { directory, borrow, onMessage() {} }),
    /`borrow` is true or false, got "yes"/,
  );
  await refused(() => Subscriber.open("name", null as never), /options are an object/);
  assertEmpty(scratch);
});

test("the bytes codec says what a topic carries", async () => {
  using scratch = new Scratch();
  {
    const options = { codec: bytes, directory: scratch.path };
    await using publisher = await Publisher.open("name", options);
    await using subscriber = await Subscriber.open("name", options);
    await subscriber.ready();
    await publisher.publish(Uint8Array.of(1, 2));
    const message: Uint8Array = await subscriber.receive();
    assert.deepEqual([...message], [1, 2]);
    // @ts-expect-error no bytes
    await assert.rejects(publisher.publish("text"), CodecError);
  }
  assertEmpty(scratch);
});

test("of an array all is published or nothing", async () => {
  using scratch = new Scratch();
  const memory = new Uint8Array(1);
  const reusing: Codec = {
    name: "reusing",
    encode: (value) => (memory[0] = value as number, memory),
    decode: (payload) => payload[0],
  };
  for (const codec of [undefined, reusing]) {
    const options = { directory: scratch.path, ...(codec && { codec }) };
    await using publisher = await Publisher.open("name", { ...options, capacity: 4096 });
    await using subscriber = await Subscriber.open("name", options);
    await subscriber.ready();
    await assert.rejects(publisher.publishMany([1, undefined, 2]), /undefined can't be published/);
    // deno-lint-ignore no-sparse-arrays -- on purpose
    await assert.rejects(publisher.publishMany([1, , 2]), /undefined can't be published/);
    assert.equal(publisher.stats.messagesSent, 0);
    if (codec === undefined) {
      await assert.rejects(publisher.publishMany([1, Symbol("no")]), CodecError);
      await assert.rejects(publisher.publishMany([1, "x".repeat(2000)]), MessageTooLargeError);
      assert.equal(publisher.stats.messagesSent, 0);
    }
    for (const wrong of [null, undefined, 5, {}]) {
      const says = /publishMany takes an array, or another iterable of values, got/;
      await refused(() => publisher.publishMany(wrong as never), says);
    }
    await publisher.publishMany([1, 2, 3]);
    await assert.rejects(publisher.publishMany(new Set([4, undefined, 5])), ArgumentError);
    const received = [];
    while (received.length < 4) received.push(await subscriber.receive());
    assert.deepEqual(received, [1, 2, 3, 4]);
    assert.equal(subscriber.tryReceive(), undefined);
  }
  assertEmpty(scratch);
});

test("who holds a message back is named", async () => {
  using scratch = new Scratch();
  {
    const options = { codec: bytes, directory: scratch.path };
    await using publisher = await Publisher.open("name", { ...options, capacity: 4096 });
    {
      using _loan = await publisher.loan(8);
      const says = /a loan of this publisher hasn't been published or given back, took longer/;
      for (
        const task of [
          () => publisher.publish(new Uint8Array(1), { timeout: 5 }),
          () => publisher.loan(8, { timeout: 5 }),
        ]
      ) {
        const error = await errorOf(task);
        assert.ok(error instanceof TimeoutError);
        assert.match(error.message, says);
      }
    }
    await using subscriber = await Subscriber.open("name", options);
    await subscriber.ready();
    while (publisher.tryPublish(new Uint8Array(500)));
    await assert.rejects(
      publisher.publish(new Uint8Array(500), { timeout: 5 }),
      /where a subscriber holds it back/,
    );
    assert.throws(() => publisher.publishSync(new Uint8Array(500)), (error: Error) => {
      assert.match(error.message, /a subscriber with `onLag: "block"` holds it back, and lives in/);
      return error instanceof DeadlockError;
    });
  }
  assertEmpty(scratch);
});
