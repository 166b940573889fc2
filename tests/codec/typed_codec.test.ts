import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, json, messagePack, serializer, struct, u8 } from "../../mod.ts";
import type { Codec } from "../../mod.ts";
import { isFixedCodec } from "../../src/codec/typed_codec.ts";

test("a codec is fixed if it has a size and codes in place", () => {
  const options = { name: "x", write: () => {}, read: () => 1 };
  const fixed = [struct({ a: u8 }), serializer({ ...options, size: 4 })] as Codec[];
  for (const codec of fixed) {
    assert.ok(isFixedCodec(codec), codec.name);
    assert.ok(codec.size > 0);
  }
  for (const codec of [bytes, json, messagePack, serializer(options)] as Codec[]) {
    assert.equal(isFixedCodec(codec), false, codec.name);
  }
  const whole = { ...json, size: 4, encodeInto: () => {}, decodeFrom: () => 1 };
  assert.equal(isFixedCodec(whole), true);
  for (const part of ["size", "encodeInto", "decodeFrom"]) {
    assert.equal(isFixedCodec({ ...whole, [part]: undefined } as Codec), false, part);
  }
});
