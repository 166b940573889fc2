// Large bytes of typed calls: they arrive as they were, in memory of their own, in every place where
// bytes can be; and what a hostile peer says of them is a CodecError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, json, serve } from "../../mod.ts";
import { attach } from "../../src/codec/attachments.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import { CodecError, MessageTooLargeError } from "../../src/errors.ts";
import { attachedTo, Attaching } from "../../src/rpc/attaching.ts";
import { errorOf } from "../support/api.ts";
import { pattern } from "../support/ring.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

const SIZE = 100_000;
const bytes = (salt: number): Uint8Array<ArrayBuffer> => pattern(SIZE, salt);

const api = {
  echo: (...values: unknown[]): unknown => values,
  size: (value: { data: Uint8Array }): number => value.data.length,
};

async function withClient(
  task: (remote: Record<string, (...args: unknown[]) => Promise<unknown>>) => Promise<void>,
  options: { maxMessageBytes?: number; codec?: typeof json } = {},
): Promise<void> {
  using scratch = new Scratch();
  const settings = { directory: scratch.path, ...options };
  await using _server = await serve("attached", api, settings);
  await using client = await connect("attached", settings);
  await task(client.remote as never);
}

test("bytes of all kinds, in all places, arrive as they were", () =>
  withClient(async ({ echo }) => {
    const floats = new Float64Array(bytes(3).buffer);
    const values = [
      bytes(1),
      { deep: [{ in: bytes(2) }, "text"] },
      floats,
      bytes(4).buffer,
      new DataView(bytes(5).buffer, 8, SIZE - 16),
      new Map([["key", bytes(6)]]),
      pattern(20, 7),
      bytes(8).subarray(10, 50_001),
    ];
    const got = await echo!(...values) as typeof values;
    assert.deepEqual(got, values);
    const first = got[0] as Uint8Array;
    assert.equal(first.buffer.byteLength, SIZE, "in memory of their own");
    assert.equal((got[7] as Uint8Array).byteOffset, 0);
  }));

test("the same bytes twice are the same object, and a Node Buffer arrives as a Uint8Array", () =>
  withClient(async ({ echo }) => {
    const same = bytes(1);
    const [a, b, buffer] = await echo!(same, same, Buffer.from(bytes(2))) as Uint8Array[];
    assert.equal(a, b);
    assert.deepEqual(a, same);
    assert.deepEqual(buffer, bytes(2));
  }));

test("what is changed after the call was made isn't sent", () =>
  withClient(async ({ echo }) => {
    const given = Array.from({ length: 40 }, (_, salt) => bytes(salt));
    const calls = given.map((each) => echo!(each));
    for (const each of given) each.fill(0);
    for (const [salt, call] of calls.entries()) assert.deepEqual(await call, [bytes(salt)]);
  }));

test("one way, to functions, and in what a codec makes that knows nothing of attachments", async () => {
  using scratch = new Scratch();
  const settings = { directory: scratch.path };
  const heard: Uint8Array[] = [];
  await using _server = await serve("attached", {
    hear: (value: Uint8Array) => void heard.push(value),
    ask: async (back: (value: Uint8Array) => Promise<Uint8Array>) => await back(bytes(2)),
  }, settings);
  await using client = await connect<{
    hear(value: Uint8Array): void;
    ask(back: (value: Uint8Array) => Uint8Array): Promise<Uint8Array>;
  }>("attached", settings);
  client.oneway.hear(bytes(1));
  await until(() => heard.length === 1, "it is heard");
  assert.deepEqual(heard, [bytes(1)]);
  assert.deepEqual(await client.remote.ask((value) => value), bytes(2));
  await withClient(async ({ echo }) => {
    assert.deepEqual(await echo!("x".repeat(SIZE)), ["x".repeat(SIZE)]);
  }, { codec: json });
});

test("attachments count for the largest message", () =>
  withClient(async ({ echo, size }) => {
    const error = await errorOf(() => echo!(bytes(1)));
    assert.ok(error instanceof MessageTooLargeError, String(error));
    assert.equal(await size!({ data: pattern(50_000, 1) }), 50_000);
  }, { maxMessageBytes: SIZE }));

test("an index of no attachment, one that is taken twice, and none at all are refused", () => {
  const attaching = new Attaching();
  const table = { attachments: attaching } as never;
  const body = messagePack.encode([bytes(1), bytes(2)], table);
  const payload = attaching.finish(body) as Uint8Array<ArrayBuffer>;
  const decode = (parts: Uint8Array[] | undefined, from: Uint8Array = payload): unknown => {
    const copy = from.slice();
    if (parts !== undefined) attach(copy, parts);
    return messagePack.decode(copy, { attachments: attachedTo(copy) } as never);
  };
  assert.deepEqual(decode([bytes(1), bytes(2)]), [bytes(1), bytes(2)]);
  assert.throws(() => decode([bytes(1)]), /no attachment 1/);
  assert.throws(() => decode(undefined), /no attachments/);
  const twice = payload.slice();
  assert.equal(twice.at(-1), 1, "the index of the second");
  twice[twice.length - 1] = 0;
  assert.throws(() => decode([bytes(1), bytes(2)], twice), CodecError);
  assert.throws(() => attaching.take(0), CodecError);
});
