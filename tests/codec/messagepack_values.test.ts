// What an object is, is found by what it is made of: subclasses, values of other realms,
// errors that hold themselves. What can't be sent says where it is, and nothing becomes `{}`.

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import vm from "node:vm";
import { json } from "../../src/codec/json.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import { encodeArguments } from "../../src/codec/refusal.ts";
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

test("any key is a key", () => {
  const keys = ["__keys__", "constructor", "toString", "hasOwnProperty", "then", ""];
  for (const key of keys) {
    const value: unknown = JSON.parse(`{"id":7,${JSON.stringify(key)}:1,"list":[{"a":1}]}`);
    const copy = trip(value) as Record<string, unknown>;
    assert.deepEqual(Object.entries(copy), Object.entries(value as object), key);
    assert.equal(Object.getPrototypeOf(copy), Object.prototype);
    for (const later of [{ id: 1 }, {}, [{ id: 1 }], { a: { id: 1 } }, { x: {} }, { name: "x" }]) {
      assert.deepEqual(trip(later), later, `after ${key}`);
    }
  }
});

test("objects of the same keys are written once, and told apart", () => {
  const rows = Array.from({ length: 100 }, (_, i) => ({ id: i, at: { x: i, y: -i }, tags: ["a"] }));
  assert.deepEqual(trip(rows), rows);
  assert.ok(messagePack.encode(rows).length < JSON.stringify(rows).length / 2);
  const mixed = [{ a: 1, b: 2 }, { b: 1, a: 2 }, { a: 1 }, { a: 1, b: 2, c: 3 }, { a: 3, b: 4 }];
  assert.deepEqual(trip(mixed), mixed);
  assert.deepEqual(
    (trip(mixed) as object[]).map(Object.keys),
    mixed.map((each) => Object.keys(each)),
  );
  const numbers = [{ 2: "b", 1: "a", x: 0 }, { x: 1, 1: "c", 2: "d" }];
  assert.deepEqual(trip(numbers), numbers);
  const tree = {
    name: "root",
    kids: [{ name: "a", kids: [] }, { name: "b", kids: [{ name: "c", kids: [] }] }],
  };
  assert.deepEqual(trip(tree), tree);
});

test("the key `__proto__` is renamed, so that no copy of its object gets another prototype", () => {
  const text =
    '[{"__proto__":{"x":1},"a":2,"__proto_":3},{"__proto__":{"x":4},"a":5,"__proto_":6}]';
  const copies = trip(JSON.parse(text)) as object[];
  assert.deepEqual(copies, [{ "__proto_": 3, a: 2 }, { "__proto_": 6, a: 5 }]);
  for (const each of copies) assert.equal((Object.assign({}, each) as { x?: number }).x, undefined);
  assert.equal(({} as { x?: number }).x, undefined);
});

test("many shared references, beyond what is looked up one by one", () => {
  const shared = Array.from({ length: 100 }, (_, i) => ({ i }));
  const copy = trip([...shared, ...shared]) as object[];
  for (let i = 0; i < 100; i++) assert.equal(copy[i], copy[100 + i]);
  const when = new Date(5), view = new Uint8Array(3), pattern = /x/;
  const twice = trip({ a: [when, view, pattern], b: [when, view, pattern] }) as Record<
    string,
    unknown[]
  >;
  for (let i = 0; i < 3; i++) assert.equal(twice["a"]![i], twice["b"]![i]);
});

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

test("errors that contain themselves, in every way", () => {
  const error = new TypeError("boo") as TypeError & Record<string, unknown>;
  error["self"] = error;
  error["config"] = { error, list: [error] };
  error.cause = error;
  const copy = trip({ error, again: error }) as Record<string, typeof error>;
  const arrived = copy["error"]!;
  assert.ok(arrived instanceof TypeError);
  assert.equal(copy["again"], arrived);
  assert.equal(arrived["self"], arrived);
  assert.equal(arrived.cause, arrived);
  const config = arrived["config"] as { error: unknown; list: unknown[] };
  assert.deepEqual([config.error === arrived, config.list[0] === arrived], [true, true]);
  const all = new AggregateError([error], "all");
  all.errors.push(all);
  const both = trip(all) as AggregateError;
  assert.ok(both instanceof AggregateError && both.errors[0] instanceof TypeError);
  assert.equal(both.errors[1], both);
});

test("bytes have memory of their own, and views are aligned", () => {
  const sent = [
    "secret of another",
    Buffer.from("abcd"),
    new Float64Array([1.5]),
    Buffer.from(new Float32Array([1.5, 2.5]).buffer),
  ];
  const copy = trip(sent) as [string, Uint8Array, Float64Array, Uint8Array];
  assert.equal(copy[1].buffer.byteLength, 4);
  assert.equal(copy[2].buffer.byteLength, 8);
  assert.deepEqual([...new Float32Array(copy[3].buffer as ArrayBuffer)], [1.5, 2.5]);
  for (const size of [3, 100, 5000, 100_000]) {
    const encoded = messagePack.encode(new Uint8Array(size).fill(1));
    const rest = new Uint8Array(encoded.buffer).subarray(encoded.length);
    assert.ok(rest.every((byte) => byte === 0), "nothing but zeros behind what was encoded");
    const kept = encoded.slice();
    messagePack.encode(new Uint8Array(size).fill(2));
    assert.deepEqual(encoded, kept);
  }
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

test("arguments are named as the caller knows them", () => {
  const wrong = [1, { user: { photo: Promise.resolve() } }];
  for (const codec of [messagePack, json]) {
    assert.throws(() => encodeArguments(codec, wrong), {
      message: /^argument 1\.user\.photo is a Promise: await it/,
    });
    assert.throws(
      () => encodeArguments(codec, [Promise.resolve()]),
      /^CodecError: argument 0 is a P/,
    );
  }
});

test("a getter that throws says where, and keeps its error", () => {
  const cause = new RangeError("mine");
  const value = {
    list: [{
      get trap() {
        throw cause;
      },
    }],
  };
  assert.throws(() => messagePack.encode(value), (error: unknown) => {
    assert.ok(error instanceof CodecError);
    assert.match(error.message, /^the value\.list\[0\]\.trap can't be encoded: mine/);
    assert.equal(error.cause, cause);
    return true;
  });
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

test("a transferred buffer isn't an empty one", () => {
  const buffer = new ArrayBuffer(8);
  const view = new Uint8Array(buffer);
  buffer.transfer();
  for (const value of [buffer, view]) {
    assert.throws(
      () => messagePack.encode({ value }),
      /the value\.value is in an ArrayBuffer that was/,
    );
  }
});

test("texts of every length, in ASCII and beyond, and a byte order mark", () => {
  for (let length = 0; length < 300; length++) {
    for (const letter of ["a", "é", "日", "👩"]) {
      for (const text of [letter.repeat(length), `${"a".repeat(length)}${letter}`]) {
        assert.equal(trip(text), text);
        assert.deepEqual(trip({ [text]: 1 }), { [text]: 1 });
      }
    }
  }
  for (const length of [4095, 4096, 4097, 65_535, 65_536, 100_000]) {
    for (const letter of ["a", "日"]) {
      assert.equal(trip(letter.repeat(length)), letter.repeat(length));
    }
  }
  assert.equal(
    trip("\uFEFFtext that is longer than what is read byte by byte"),
    "\uFEFFtext that is longer than what is read byte by byte",
  );
  assert.equal(trip("\uD800"), "\uFFFD");
});
