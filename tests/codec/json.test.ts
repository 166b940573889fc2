import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes } from "../../src/codec/bytes.ts";
import { json } from "../../src/codec/json.ts";
import { CodecError } from "../../src/errors.ts";

const trip = (value: unknown) => json.decode(json.encode(value));

test("JSON: round trip of what JSON carries", () => {
  for (const value of [null, true, 0, -1.5, "", "é🦕\u0000", [], [1, [2]], {}, { a: { b: 1 } }]) {
    assert.deepEqual(trip(value), value);
  }
  assert.equal(trip(undefined), undefined);
  assert.deepEqual(trip([undefined, NaN]), [null, null]);
});

test("JSON: what it can't carry is CodecError", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [1n, cycle, () => {}, { f: () => {} }, { toJSON: () => 1n }]) {
    assert.throws(() => json.encode(value), CodecError);
  }
  const evil = {
    toJSON() {
      throw "a text";
    },
  };
  assert.throws(() => json.encode(evil), { name: "CodecError", message: /a text/ });
});

test("JSON: what is no JSON, or no UTF-8, is CodecError", () => {
  for (const text of ["{", "undefined", "'a'", "[1,]", "\u0000"]) {
    assert.throws(() => json.decode(new TextEncoder().encode(text)), CodecError, text);
  }
  assert.throws(() => json.decode(new Uint8Array([0x22, 0xff, 0x22])), CodecError);
});

test("JSON: no name reaches a prototype", () => {
  trip(JSON.parse('{"__proto__":{"polluted":1}}'));
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test("bytes: nothing is changed or copied", () => {
  const value = new Uint8Array([1, 2, 3]);
  assert.equal(bytes.encode(value), value);
  assert.equal(bytes.decode(value), value);
  for (const other of ["text", null, undefined, [1], new ArrayBuffer(1), new Uint16Array(1)]) {
    assert.throws(() => bytes.encode(other as never), CodecError);
  }
});
