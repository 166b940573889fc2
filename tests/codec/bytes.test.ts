import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes } from "../../src/codec/bytes.ts";
import { isFixedCodec } from "../../src/codec/typed_codec.ts";
import { CodecError } from "../../src/errors.ts";

test("bytes: nothing is changed or copied", () => {
  const value = new Uint8Array([1, 2, 3]);
  assert.equal(bytes.encode(value), value);
  assert.equal(bytes.decode(value), value);
  for (const other of ["text", null, undefined, [1], new ArrayBuffer(1), new Uint16Array(1)]) {
    assert.throws(() => bytes.encode(other as never), CodecError);
  }
});

test("bytes: a Buffer, a subclass and a part of memory are bytes, too", () => {
  class Own extends Uint8Array {}
  for (const value of [Buffer.from("ab"), new Own(3), new Uint8Array(8).subarray(2, 4)]) {
    assert.equal(bytes.encode(value), value);
  }
  assert.throws(() => bytes.encode("ab" as never), {
    name: "CodecError",
    message: "the bytes codec carries Uint8Array only, got string",
  });
});

test("bytes: the memory is the value's, and nothing in it is a reference", () => {
  assert.deepEqual([bytes.name, bytes.output, bytes.carriesReferences], ["bytes", "value", false]);
  assert.equal(isFixedCodec(bytes), false);
});
