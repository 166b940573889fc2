import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../../src/codec/json.ts";
import { JsonChecker } from "../../src/codec/json_checker.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import type { Refusal } from "../../src/codec/refusal.ts";
import { CodecError } from "../../src/errors.ts";

const trip = (value: unknown): unknown => messagePack.decode(messagePack.encode(value));

test("what MessagePack carries and JSON would lose is an error with JSON", () => {
  const values = [
    new Map(),
    new Set(),
    /x/,
    new Uint8Array(1),
    Buffer.from("a"),
    new DataView(new ArrayBuffer(1)),
  ];
  for (const value of [...values, new ArrayBuffer(1), 1n, new Error("x"), new Float32Array(2)]) {
    trip({ value });
    assert.throws(() => json.encode({ list: [1, { value }] }), (error: unknown) => {
      assert.ok(error instanceof CodecError);
      assert.match(error.message, /^the value\.list\[1\]\.value is .*: use MessagePack/);
      assert.deepEqual(error.path, ["list", 1, "value"]);
      return true;
    });
  }
  const fine = {
    when: new Date(0),
    text: Object("x"),
    count: Object(1),
    gone: undefined,
    list: [undefined],
  };
  assert.deepEqual(json.decode(json.encode(fine)), {
    when: "1970-01-01T00:00:00.000Z",
    text: "x",
    count: 1,
    list: [null],
  });
});

/** What the checker says of a value, with the place; "" if it may be sent. */
function check(value: unknown, maxDepth = 1000): string {
  try {
    JSON.stringify(value, new JsonChecker(maxDepth).replace);
    return "";
  } catch (refusal) {
    return (refusal as Refusal).toError().message;
  }
}

test("the place is the whole way, past siblings that were left", () => {
  const fine = { a: [{ b: { c: [] } }, [[1]]], d: { e: 1 } };
  const shared = { list: [1, { x: 2 }] };
  const values: [unknown, string][] = [
    [1n, ""],
    [[1n], "[0]"],
    [{ "": { "": 1n } }, '[""][""]'],
    [{ fine, list: [fine, [], fine, 1n] }, ".list[3]"],
    [[[[fine]], { a: fine, b: [fine, { c: 1n }] }], "[1].b[1].c"],
    [{ one: shared, two: shared, three: [shared, 1n] }, ".three[1]"],
    [[shared, shared, { "a b": [shared, () => 1] }], '[2]["a b"][1]'],
    [{ 5: [1n] }, '["5"][0]'],
  ];
  for (const [value, place] of values) {
    const said = check(value);
    assert.ok(said.startsWith(`the value${place} is a `), `${place}: ${said}`);
    assert.match(said, /which JSON can't carry: use MessagePack$/);
  }
  assert.equal(check([fine, shared, fine, shared]), "");
});

test("what a `toJSON` gives is looked at, in its place", () => {
  const of = (given: unknown): object => ({ toJSON: () => given });
  assert.equal(check({ a: of({ b: [1, of("text")] }) }), "");
  assert.match(check({ a: of({ b: [1, of(new Map())] }) }), /^the value\.a\.b\[1\] is a Map/);
  assert.match(check([of(1n)]), /^the value\[0\] is a bigint/);
  assert.match(check([{ x: Buffer.from("a") }]), /^the value\[0\]\.x is a Buffer, which JSON/);
  assert.equal(check({ type: "Buffer", data: [1] }), "", "only if it was one");
});

test("depth is counted in levels, and falls again", () => {
  const nest = (depth: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  assert.equal(check([nest(4), nest(4), { x: nest(3) }], 5), "");
  assert.match(check([nest(4), nest(5)], 5), /^the value\[1\].* is deeper than 5 levels: pass it/);
  assert.equal(check(1, 0), "");
  assert.match(check([], 0), /^the value is deeper than 0 levels/);
  assert.equal(check(Array.from({ length: 5000 }, () => [[]]), 3), "");
});

test("what JSON carries in another way may be sent", () => {
  class Point {
    x = 1;
  }
  const values = [
    [NaN, Infinity, null, undefined, "", true],
    [new Point(), new Date(0), Object(1), Object("x"), Object(true)],
    { none: undefined, date: new Date(0), bare: Object.assign(Object.create(null), { a: 1 }) },
  ];
  for (const value of values) assert.equal(check(value), "");
});
