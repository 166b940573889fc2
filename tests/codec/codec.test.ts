import assert from "node:assert/strict";
import { test } from "node:test";
import { array, f64, serializer, struct, u8 } from "../../mod.ts";
import { bytes } from "../../src/codec/bytes.ts";
import { checkCodec, isStream } from "../../src/codec/codec.ts";
import type { Codec } from "../../src/codec/codec.ts";
import { json } from "../../src/codec/json.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import { ArgumentError } from "../../src/errors.ts";

test("a codec says what memory it gives", () => {
  assert.equal(checkCodec(bytes).output, "value");
  const own: Codec = { name: "own", encode: () => new Uint8Array(1), decode: () => 1 };
  assert.equal(checkCodec(own), own);
  assert.throws(() => checkCodec({ ...own, output: "mine" as never }), ArgumentError);
});

test("every codec of the package is one, and no other thing is", () => {
  const lines = { name: "x", write: () => {}, read: () => 1 };
  const all = [messagePack, json, bytes, struct({ a: u8 }), serializer(lines)] as Codec[];
  for (const codec of all) assert.equal(checkCodec(codec), codec);
  const { encode, decode } = json;
  const others = [
    ...[undefined, null, 5, "json", {}, [], Object.create(null), Symbol("json"), () => json],
    ...[{ encode, decode }, { name: "x", encode }, { name: "x", decode }, {
      name: 5,
      encode,
      decode,
    }],
    array(f64, 2),
  ];
  for (const other of others) {
    assert.throws(
      () => checkCodec(other as Codec),
      (error) =>
        error instanceof ArgumentError &&
        error.message.startsWith(
          "`codec` is an object with a name, encode and decode: use message",
        ),
    );
  }
  assert.throws(() => checkCodec("json" as never), /got "json"$/);
});

test("a stream is what `for await` goes through, or a web stream", () => {
  async function* values(): AsyncGenerator<number> {
    yield 1;
  }
  const { readable, writable } = new TransformStream();
  for (const stream of [values(), readable, writable, { async *[Symbol.asyncIterator]() {} }]) {
    assert.equal(isStream(stream), true);
  }
  for (const value of [{}, [], new Map(), [1].values(), Promise.resolve(), new Blob([])]) {
    assert.equal(isStream(value), false);
  }
});
