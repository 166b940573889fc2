// Messages of a peer that wants to do harm: what they announce isn't believed, and what they
// nest, repeat and refer to is bounded. Memory is measured, since time can't be.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import type { Codec } from "../../src/codec/codec.ts";
import { decodeFailure, encodeFailure } from "../../src/codec/failure.ts";
import { json } from "../../src/codec/json.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import { EXTENDED, Kind, MAX_BIGINT_BYTES, MAX_DEPTH } from "../../src/codec/messagepack_format.ts";
import { CodecError } from "../../src/errors.ts";

const decode = (...bytes: number[]): unknown => messagePack.decode(Uint8Array.from(bytes));

test("no length makes more than the bytes that are there", () => {
  const huge = [0xff, 0xff, 0xff, 0xf0];
  const messages: number[][] = [
    ...[0xdb, 0xdd, 0xdf, 0xc6].map((token) => [token, ...huge]),
    ...[0xdb, 0xdd, 0xdf, 0xc6].map((token) => [token, 0x01, 0xff, 0xff, 0xff]),
    [0xdc, 0xff, 0xff],
    [0xde, 0xff, 0xff],
    [0x9f],
    [0x8f],
    ...[Kind.map, Kind.set].map((kind) => [EXTENDED, kind, 0xce, ...huge]),
    ...[Kind.buffer, Kind.view].map((kind) => [EXTENDED, kind, 0, 0xc6, ...huge]),
    [EXTENDED, Kind.buffer, 0xc6, ...huge],
    [EXTENDED, Kind.bigint, 0, 0xc6, ...huge],
    [EXTENDED, Kind.error, 8, 0xa0, 0xa0, 0xce, ...huge],
  ];
  const before = process.memoryUsage();
  for (let round = 0; round < 20; round++) {
    for (const message of messages) {
      assert.throws(() => decode(...message), CodecError, String(message));
      assert.throws(() => decode(0x91, ...message), CodecError, String(message));
      assert.throws(() => decode(...message, 0, 0, 0), CodecError, String(message));
    }
  }
  const { rss, external } = process.memoryUsage();
  assert.ok(rss - before.rss < 100e6, `${rss - before.rss} bytes more`);
  assert.ok(external - before.external < 100e6, `${external - before.external} bytes more`);
});

test("every message that is cut off is an error", () => {
  const cycle: Record<string, unknown> = { list: [{ a: 1 }, { a: 2 }], map: new Map([[1, "x"]]) };
  cycle["self"] = cycle;
  cycle["error"] = Object.assign(new TypeError("message"), {
    detail: [1.5, 2n ** 70n, -5, 70_000],
  });
  cycle["bytes"] = new Uint8Array(5);
  const whole = messagePack.encode([cycle, new Date(5), /x/g, undefined, "é".repeat(50)]);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => messagePack.decode(whole.subarray(0, length)), CodecError, `${length}`);
  }
  assert.throws(() => messagePack.decode(Uint8Array.of(...whole, 0)), /1 bytes are left over/);
});

test("references to what isn't there", () => {
  const tries = [
    [EXTENDED, Kind.again, 0],
    [0x91, EXTENDED, Kind.again, 1],
    [0x91, EXTENDED, Kind.again, 0xce, 0xff, 0xff, 0xff, 0xff],
    [0x91, EXTENDED, Kind.like, 0],
    [0x91, EXTENDED, Kind.like, 5],
    [0x92, 0xc4, 3, 1, 2, 3, EXTENDED, Kind.like, 1, 1, 2, 3],
    [0x92, EXTENDED, Kind.map, 0, EXTENDED, Kind.like, 1],
    [0x91, EXTENDED, Kind.again, 0x90],
    [EXTENDED, Kind.function, 1],
    [EXTENDED, Kind.reference, 1, 0],
    [EXTENDED, Kind.view, 99, 0xc4, 0],
    [EXTENDED, Kind.view, 7, 0xc4, 3, 1, 2, 3],
    [EXTENDED, Kind.expression, 0xa1, 0x28, 0xa0],
    [EXTENDED, Kind.error, 4, 0xa0, 0xa0, 0x05],
    [EXTENDED, 0],
    [0x81, 0x05, 0x05],
    [0xc7],
    [0xd4, 0x72, 0x40],
  ];
  for (const each of tries) assert.throws(() => decode(...each), CodecError, String(each));
  assert.deepEqual(decode(0x92, 0x81, 0xa1, 0x61, 1, EXTENDED, Kind.like, 1, 2), [{ a: 1 }, {
    a: 2,
  }]);
});

test("depth has a limit that has a name, on both sides", () => {
  const nest = (depth: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  for (const codec of [messagePack, json]) {
    codec.decode(codec.encode(nest(MAX_DEPTH)));
    assert.throws(() => codec.encode(nest(MAX_DEPTH + 1)), /deeper than 1000 levels/);
    assert.throws(() => codec.encode(nest(100_000)), CodecError);
  }
  for (const depth of [MAX_DEPTH + 1, 3000, 1_000_000]) {
    const arrays = new Uint8Array(depth + 1).fill(0x91);
    arrays[depth] = 1;
    assert.throws(() => messagePack.decode(arrays), /deeper than 1000 levels/);
    const texts = new TextEncoder().encode("[".repeat(depth) + "]".repeat(depth));
    assert.throws(() => json.decode(texts), /deeper than 1000 levels/);
  }
  const flat = Array.from({ length: 3000 }, (_, i) => [`[{"\\[[[${i}`, { a: "]" }]);
  assert.deepEqual(json.decode(json.encode(flat)), flat);
  for (const kind of [Kind.map, Kind.set]) {
    const step = kind === Kind.map ? [EXTENDED, kind, 1, 1] : [EXTENDED, kind, 1];
    const deep = Array.from({ length: 2000 }, () => step).flat();
    assert.throws(() => decode(...deep, 1), /deeper than 1000 levels/);
  }
  let error = new Error("inner");
  for (let i = 0; i < 5000; i++) error = new Error("outer", { cause: error });
  assert.throws(() => messagePack.encode(error), /deeper than 1000 levels/);
  for (const codec of [messagePack, json]) {
    const copy = decodeFailure(codec, encodeFailure(codec, error, true)) as Error;
    assert.equal(copy.message, "outer");
    assert.equal((copy.cause as Error).message, "outer");
  }
});

/** Errors whose `errors` are the same one again and again: `fan` to the power of `levels`. */
function bomb(fan: number, levels: number): AggregateError {
  let error: Error = new Error("leaf");
  for (let i = 0; i < levels; i++) error = new AggregateError(new Array(fan).fill(error), "all");
  return error as AggregateError;
}

test("errors in errors are as many as there are, or cut", () => {
  const error = bomb(30, 8);
  const encoded = messagePack.encode(error);
  assert.ok(encoded.length < 10_000, `${encoded.length} bytes`);
  const copy = messagePack.decode(encoded) as AggregateError;
  assert.equal(copy.errors.length, 30);
  assert.equal(copy.errors[0], copy.errors[29]);
  const plain: Codec = { ...messagePack, carriesErrors: false };
  for (const codec of [messagePack, json, plain]) {
    const failure = encodeFailure(codec, error, true);
    assert.ok(failure.length < 2_000_000, `${codec.name}: ${failure.length} bytes`);
    assert.ok(decodeFailure(codec, failure) instanceof AggregateError);
  }
  // What describes the same object again and again is made out once for each place, up to a limit.
  let failure: unknown = { name: "Error", message: "leaf" };
  for (let i = 0; i < 8; i++) {
    failure = { name: "AggregateError", message: "all", errors: new Array(30).fill(failure) };
  }
  assert.ok(decodeFailure(plain, plain.encode(failure)) instanceof AggregateError);
});

test("shared references that unfold stay shared", () => {
  let value: unknown = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key${i}`, i]));
  for (let i = 0; i < 8; i++) value = new Array(60).fill(value);
  const encoded = messagePack.encode(value);
  assert.ok(encoded.length < 5000, `${encoded.length} bytes`);
  const copy = messagePack.decode(encoded) as unknown[];
  assert.equal(copy[0], copy[59]);
  assert.throws(() => messagePack.decode(Uint8Array.of(...encoded, 0)), /left over/);
});

test("big integers have a limit", () => {
  const largest = 2n ** BigInt(8 * MAX_BIGINT_BYTES) - 1n;
  assert.equal(messagePack.decode(messagePack.encode(largest)), largest);
  assert.equal(messagePack.decode(messagePack.encode(-largest)), -largest);
  assert.throws(() => messagePack.encode([largest + 1n]), /a bigint of 65537 bytes; at most 65536/);
  const size = [0xc6, 0, 1, 0, 1];
  const message = new Uint8Array(3 + size.length + MAX_BIGINT_BYTES + 1).fill(0xff);
  message.set([EXTENDED, Kind.bigint, 0, ...size]);
  assert.throws(() => messagePack.decode(message), /at most 65536/);
});

test("keys that share a place in the table of keys", () => {
  for (let i = 0; i < 20_000; i++) {
    const value = { [`k${i}`]: i, [`${i}k`]: -i };
    assert.deepEqual(messagePack.decode(messagePack.encode(value)), value);
  }
});
