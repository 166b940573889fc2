import assert from "node:assert/strict";
import { test } from "node:test";
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
