// What is in the bytes, and that nothing of a value is lost: keys, shapes, shared references,
// errors that hold themselves, widths, memory that grows.

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import { messagePack } from "../../src/codec/messagepack.ts";
import { EXTENDED, Kind, VIEWS } from "../../src/codec/messagepack_format.ts";
import { CodecError } from "../../src/errors.ts";

const trip = (value: unknown): unknown => messagePack.decode(messagePack.encode(value));

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

/** The bytes of a value; `...`: what follows isn't looked at. */
function begins(value: unknown, ...expected: number[]): void {
  const encoded = messagePack.encode(value);
  assert.deepEqual([...encoded.subarray(0, expected.length)], expected, String(value));
}

test("numbers take the least bytes, at every boundary", () => {
  const cases: [value: unknown, ...bytes: number[]][] = [
    [0, 0],
    [0x7f, 0x7f],
    [0x80, 0xcc, 0x80],
    [0xff, 0xcc, 0xff],
    [0x100, 0xcd, 1, 0],
    [0xffff, 0xcd, 0xff, 0xff],
    [0x10000, 0xce, 0, 1, 0, 0],
    [2 ** 32 - 1, 0xce, 0xff, 0xff, 0xff, 0xff],
    [2 ** 32, 0xcb, 0x41, 0xf0, 0, 0, 0, 0, 0, 0],
    [-1, 0xff],
    [-0x20, 0xe0],
    [-0x21, 0xd0, 0xdf],
    [-0x80, 0xd0, 0x80],
    [-0x81, 0xd1, 0xff, 0x7f],
    [-0x8000, 0xd1, 0x80, 0],
    [-0x8001, 0xd2, 0xff, 0xff, 0x7f, 0xff],
    [-(2 ** 31), 0xd2, 0x80, 0, 0, 0],
    [-(2 ** 31) - 1, 0xcb, 0xc1, 0xe0, 0, 0, 0, 0x20, 0, 0],
    [-0, 0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0],
    [0.5, 0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0],
    [5n, 0xcf, 0, 0, 0, 0, 0, 0, 0, 5],
    [-5n, 0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb],
    [2n ** 64n, EXTENDED, Kind.bigint, 0, 0xc4, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    [-(2n ** 64n), EXTENDED, Kind.bigint, 1, 0xc4, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    [null, 0xc0],
    [false, 0xc2],
    [true, 0xc3],
    [undefined, EXTENDED, Kind.undefined],
  ];
  for (const [value, ...bytes] of cases) {
    assert.deepEqual([...messagePack.encode(value)], bytes, String(value));
    assert.ok(Object.is(trip(value), value), String(value));
  }
});

test("lengths take the least bytes, at every boundary", () => {
  const list = (length: number): null[] => new Array<null>(length).fill(null);
  const fields = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}k`, 1]));
  for (const letter of ["a", "é"]) {
    const text = (bytes: number): string => letter.repeat(bytes / (letter === "a" ? 1 : 2));
    begins(text(30), 0xa0 | 30);
    begins(text(32), 0xd9, 32);
    begins(text(254), 0xd9, 254);
    begins(text(256), 0xda, 1, 0);
    begins(text(65_534), 0xda, 0xff, 0xfe);
    begins(text(65_536), 0xdb, 0, 1, 0, 0);
  }
  begins("a".repeat(31), 0xbf);
  begins(list(15), 0x9f);
  begins(list(16), 0xdc, 0, 16);
  begins(list(65_535), 0xdc, 0xff, 0xff);
  begins(list(65_536), 0xdd, 0, 1, 0, 0);
  begins(fields(15), 0x8f);
  begins(fields(16), 0xde, 0, 16);
  begins(fields(65_535), 0xde, 0xff, 0xff);
  begins(fields(65_536), 0xdf, 0, 1, 0, 0);
  begins(new Uint8Array(255), 0xc4, 255);
  begins(new Uint8Array(256), 0xc5, 1, 0);
  begins(new Uint8Array(65_536), 0xc6, 0, 1, 0, 0);
  for (const count of [15, 16, 65_536]) assert.deepEqual(trip(fields(count)), fields(count));
});

test("kinds are written as they are described", () => {
  begins(new Date(1), EXTENDED, Kind.date, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0);
  begins(/a/g, EXTENDED, Kind.expression, 0xa1, 0x61, 0xa1, 0x67);
  begins(new Map([[1, 2]]), EXTENDED, Kind.map, 1, 1, 2);
  begins(new Set([1]), EXTENDED, Kind.set, 1, 1);
  begins(Uint8Array.of(7).buffer, EXTENDED, Kind.buffer, 0xc4, 1, 7);
  begins(Int8Array.of(7), EXTENDED, Kind.view, VIEWS.indexOf("Int8Array"), 0xc4, 1, 7);
  begins(new RangeError("m"), EXTENDED, Kind.error, 0, 0xaa, ...Buffer.from("RangeError"), 0xa1);
  const list: unknown[] = [];
  list.push(list);
  begins(list, 0x91, EXTENDED, Kind.again, 0);
  begins([{ a: 1 }, { a: 2 }], 0x92, 0x81, 0xa1, 0x61, 1, EXTENDED, Kind.like, 1, 2);
});

test("cycles through every kind of what holds others", () => {
  const map = new Map<unknown, unknown>();
  const set = new Set<unknown>();
  const list: unknown[] = [map, set];
  const object: Record<string, unknown> = { list };
  map.set(map, object).set("list", list);
  set.add(set).add(map);
  object["self"] = object;
  const copy = trip(object) as { self: unknown; list: [typeof map, typeof set] };
  const [mapCopy, setCopy] = copy.list;
  assert.equal(copy.self, copy);
  assert.equal(mapCopy.get(mapCopy), copy);
  assert.equal(mapCopy.get("list"), copy.list);
  assert.ok(setCopy.has(setCopy) && setCopy.has(mapCopy));
});

test("memory grows at any place of a value, and what was written stays", () => {
  const tail = { text: "é".repeat(3000), bytes: new Uint8Array(3000).fill(7), list: [1.5, -5, 2n] };
  for (let before = 16_300; before < 16_400; before++) {
    const value = ["x".repeat(before), tail, tail];
    const encoded = messagePack.encode(value);
    const copy = messagePack.decode(encoded) as typeof value;
    assert.equal(copy[0], value[0]);
    assert.equal(copy[1], copy[2]);
    assert.ok((copy[1] as typeof tail).text === tail.text, `${before}`);
    assert.equal((copy[1] as typeof tail).bytes[2999], 7);
    assert.deepEqual((copy[1] as typeof tail).list, tail.list);
  }
});

test("after an error nothing of the value is left, and the next is whole", () => {
  const shared = { a: 1 };
  const evil = {
    shared,
    text: "x".repeat(50_000),
    get trap() {
      throw new Error("mine");
    },
  };
  for (let i = 0; i < 3; i++) {
    assert.throws(() => messagePack.encode([shared, [[[evil]]]]), CodecError);
    assert.deepEqual([...messagePack.encode(shared)], [0x81, 0xa1, 0x61, 1]);
  }
  // A getter that encodes, too, in the middle of an encoding.
  const nested = {
    before: "b",
    get inner() {
      return messagePack.encode({ inner: shared });
    },
    after: shared,
  };
  assert.deepEqual(trip(nested), {
    before: "b",
    inner: new Uint8Array(messagePack.encode({ inner: shared })),
    after: shared,
  });
});

test("what changes while it is encoded is as it was counted", () => {
  const list: unknown[] = [{
    get grow() {
      list.push("more");
      return 1;
    },
  }, 2];
  assert.deepEqual(trip(list), [{ grow: 1 }, 2]);
  const map = new Map<unknown, unknown>();
  map.set(1, {
    get grow() {
      map.set(2, 2);
      return 1;
    },
  });
  assert.deepEqual(trip(map), new Map([[1, { grow: 1 }]]));
  const object: Record<string, unknown> = {
    get drop() {
      delete object["later"];
      return 1;
    },
    later: 2,
  };
  assert.deepEqual(trip(object), { drop: 1, later: undefined });
  // deno-lint-ignore no-sparse-arrays -- a hole arrives as undefined
  assert.deepEqual(trip([, 1]), [undefined, 1]);
});
