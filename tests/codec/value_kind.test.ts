// What an object is, is found by what it is made of: subclasses, values of other realms, and what
// only says that it is one. What can't be sent says where it is, and nothing becomes `{}`.

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import vm from "node:vm";
import { json } from "../../src/codec/json.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import {
  builtInOf,
  hasToJSON,
  isError,
  isPlain,
  keysOf,
  tagOf,
  viewTypeOf,
} from "../../src/codec/value_kind.ts";
import { CodecError } from "../../src/errors.ts";

const trip = (value: unknown): unknown => messagePack.decode(messagePack.encode(value));

function refused(value: unknown, says: RegExp, path: unknown[] = []): void {
  for (const codec of [messagePack, json]) {
    assert.throws(() => codec.encode(value), (error: unknown) => {
      assert.ok(error instanceof CodecError, `${codec.name}: ${String(error)}`);
      assert.match(error.message, says, codec.name);
      assert.deepEqual(error.path, path, codec.name);
      return true;
    });
  }
}

test("subclasses arrive as the class that they extend", () => {
  class Bytes extends Uint8Array {}
  class Pixels extends Uint8ClampedArray {}
  class Dict extends Map<unknown, unknown> {}
  class Bag extends Set<unknown> {}
  class List extends Array<unknown> {}
  class Day extends Date {}
  class Pattern extends RegExp {}
  const list = List.from([1, 2]);
  const copy = trip({
    bytes: new Bytes([1, 2]),
    pixels: new Pixels([1, 2]),
    dict: new Dict([[1, 2]]),
    bag: new Bag([1]),
    list,
    day: new Day(7),
    pattern: new Pattern("x", "g"),
    buffer: Buffer.from("ab"),
  });
  assert.deepEqual(copy, {
    bytes: new Uint8Array([1, 2]),
    pixels: new Uint8ClampedArray([1, 2]),
    dict: new Map([[1, 2]]),
    bag: new Set([1]),
    list: [1, 2],
    day: new Date(7),
    pattern: /x/g,
    buffer: new Uint8Array([97, 98]),
  });
});

test("values of another realm", () => {
  const sources: Record<string, (value: never) => boolean> = {
    "new Map([[1, 2]])": (map: Map<number, number>) => map instanceof Map && map.get(1) === 2,
    "new Set([1])": (set: Set<number>) => set instanceof Set && set.has(1),
    "new Date(5)": (date: Date) => date instanceof Date && date.getTime() === 5,
    "/a/g": (pattern: RegExp) => pattern instanceof RegExp && pattern.flags === "g",
    "new Uint8Array([1])": (bytes: Uint8Array) => bytes instanceof Uint8Array && bytes[0] === 1,
    "new Float64Array([1.5])": (view: Float64Array) =>
      view instanceof Float64Array && view[0] === 1.5,
    "new ArrayBuffer(3)": (buffer: ArrayBuffer) =>
      buffer instanceof ArrayBuffer && buffer.byteLength === 3,
    "new DataView(new ArrayBuffer(2))": (view: DataView) => view instanceof DataView,
    'new TypeError("x", { cause: new RangeError("y") })': (error: Error) =>
      error instanceof TypeError && error.message === "x" && error.cause instanceof RangeError,
    "({ a: [1, {}] })": (object: { a: unknown[] }) => JSON.stringify(object) === '{"a":[1,{}]}',
    "({})": (object: object) => Object.keys(object).length === 0,
    "[1, [2]]": (list: unknown[]) => Array.isArray(list) && String(list) === "1,2",
    "Object(5)": (number: number) => number === 5,
  };
  for (const [source, check] of Object.entries(sources)) {
    const copy = trip(vm.runInNewContext(source));
    assert.ok(check(copy as never), `${source}: ${String(copy)}`);
  }
  refused([vm.runInNewContext("Promise.resolve(1)")], /^the value\[0\] is a Promise/, [0]);
});

test("what can't be sent says where it is", () => {
  class Counter {
    #count = 1;
    next(): number {
      return this.#count++;
    }
  }
  function* numbers(): Generator<number> {
    yield 1;
  }
  const path = ["user", "photos", 0];
  const cases: [unknown, RegExp][] = [
    [Promise.resolve(1), /is a Promise: await it .*forgotten/],
    [new Response("x"), /is a Response, which can't be sent/],
    [new Request("http://localhost"), /is a Request/],
    [new Headers(), /is a Headers/],
    [new Blob(["x"]), /is a Blob/],
    [new AbortController().signal, /is an AbortSignal/],
    [new FormData(), /is a FormData/],
    [new URLSearchParams("a=1"), /is a URLSearchParams.*\[\.\.\.it\]/],
    [numbers(), /is a Generator.*\[\.\.\.it\]/],
    [[1].values(), /is an Array Iterator/],
    [new WeakMap(), /is a WeakMap/],
    [new WeakSet(), /is a WeakSet/],
    [new WeakRef({}), /is a WeakRef/],
    [new SharedArrayBuffer(4), /is a SharedArrayBuffer/],
    [new Counter(), /is an object of class Counter.*toJSON/],
    [Symbol("s"), /is (the|a) symbol/],
    [() => 1, /is a function/],
    [(async function* () {})(), /is a stream/],
    [{ async *[Symbol.asyncIterator]() {} }, /is a stream/],
    [new ReadableStream(), /is a stream/],
    [new WritableStream(), /is a stream/],
  ];
  for (const [value, says] of cases) {
    // Bun gives some of them one, and that is what crosses there.
    if (typeof (value as { toJSON?: unknown }).toJSON === "function") continue;
    refused({ user: { photos: [value], other: 1 }, "a b": 2 }, says, path);
    refused(value, new RegExp(`^the value ${says.source}`), []);
  }
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assert.throws(() => messagePack.encode([proxy]), CodecError);
  refused({ "a b": [{ "": Promise.resolve() }] }, /^the value\["a b"\]\[0\]\[""\] is a Promise/, [
    "a b",
    0,
    "",
  ]);
});

test("objects of classes: own properties, or what toJSON gives", () => {
  class Point {
    x = 1;
    get [Symbol.toStringTag](): string {
      return "Point";
    }
  }
  class Money {
    toJSON(): unknown {
      return { amount: 5, toJSON: () => "not asked" };
    }
  }
  assert.deepEqual(trip([new Point(), new URL("http://localhost/a")]), [
    { x: 1 },
    "http://localhost/a",
  ]);
  assert.throws(() => messagePack.encode(new Money()), /the value\.toJSON is a function/);
  class Fake {
    get [Symbol.toStringTag](): string {
      return "Map";
    }
    a = 1;
  }
  assert.deepEqual(trip(new Fake()), { a: 1 });
  assert.deepEqual(trip([Object(1), Object("x"), Object(true), Object(7n)]), [1, "x", true, 7n]);
  const empty = Object.create(null) as object;
  assert.deepEqual(trip({ empty }), { empty: {} });
});

test("plain are objects of braces or without a prototype, of any realm", () => {
  for (const value of [{}, Object.create(null), vm.runInNewContext("({})"), JSON.parse("{}")]) {
    assert.equal(isPlain(value), true);
  }
  class Own {}
  for (const value of [new Own(), [], new Map(), new Date(), new Error("x"), Object.create({})]) {
    assert.equal(isPlain(value), false, tagOf(value));
  }
});

test("an error is one by what it is, or says that it is", () => {
  const real = [new Error("x"), new TypeError("x"), new DOMException("x"), new AggregateError([])];
  for (const error of real) assert.ok(isError(error));
  assert.ok(isError(vm.runInNewContext("new RangeError('x')")));
  class Own extends Error {}
  assert.ok(isError(new Own()) && isError(Object.create(Error.prototype)));
  for (const value of [null, undefined, "Error", 5, {}, { message: "x", name: "Error" }]) {
    assert.ok(!isError(value), String(value));
  }
});

test("built-ins are what the engine keeps, not what the tag says", () => {
  const real: [object, string][] = [
    [new Map(), "Map"],
    [new Set(), "Set"],
    [new Date(NaN), "Date"],
    [/x/, "RegExp"],
    [new ArrayBuffer(0), "ArrayBuffer"],
    [Object(5), "Number"],
    [Object("x"), "String"],
    [Object(true), "Boolean"],
    [Object(5n), "BigInt"],
    [vm.runInNewContext("new Map()"), "Map"],
  ];
  for (const [value, name] of real) assert.equal(builtInOf(value), name);
  for (const name of ["Map", "Set", "Date", "RegExp", "ArrayBuffer", "Number", "String"]) {
    assert.equal(builtInOf({ [Symbol.toStringTag]: name }), "", name);
  }
  // It is one, and says another.
  class Liar extends Map {
    override get [Symbol.toStringTag](): string {
      return "Set";
    }
  }
  assert.equal(builtInOf(new Liar()), "");
  for (const value of [{}, [], () => 1, new WeakMap(), new SharedArrayBuffer(1)]) {
    assert.equal(builtInOf(value), "");
  }
});

test("views have the engine's name, whatever class they are of", () => {
  class Bytes extends Uint8Array {
    override get [Symbol.toStringTag](): "Uint8Array" {
      return "Fake" as "Uint8Array";
    }
  }
  assert.equal(viewTypeOf(Buffer.alloc(1)), "Uint8Array");
  assert.equal(viewTypeOf(new Bytes(1)), "Uint8Array");
  assert.equal(viewTypeOf(new BigInt64Array(1)), "BigInt64Array");
  assert.equal(viewTypeOf(new DataView(new ArrayBuffer(1))), "DataView");
});

test("own properties are the keys; what has none is refused with advice", () => {
  class Point {
    x = 1;
    #y = 2;
    get y(): number {
      return this.#y;
    }
  }
  assert.deepEqual(keysOf(new Point()), ["x"]);
  assert.ok(hasToJSON(new Date()) && !hasToJSON(new Point()) && !hasToJSON({ toJSON: 5 }));
  class Empty {}
  const refusals: [object, RegExp][] = [
    [Promise.resolve(), /is a Promise: await it/],
    [{ then() {} }, /is a Promise: await it/],
    [new Empty(), /is an object of class Empty, .* plain object .*toJSON/],
    [Object.create(Object.create({ constructor: 5 })), /an object without properties of its own/],
    [new Set([1]).values(), /is a Set Iterator, .*\[\.\.\.it\]/],
    [Object.assign(new AbortController(), { own: 1 }), /is an AbortController/],
  ];
  for (const [value, says] of refusals) {
    assert.throws(() => keysOf(value), (refusal: { reason: string }) => says.test(refusal.reason));
  }
});
