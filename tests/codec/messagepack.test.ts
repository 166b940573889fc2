import assert from "node:assert/strict";
import { test } from "node:test";
import type { FunctionTable } from "../../src/codec/codec.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import { CodecError } from "../../src/errors.ts";
import { Random, seed } from "../support/random.ts";
import { checkValue, structuredValues } from "../support/values.ts";

const trip = (value: unknown) => messagePack.decode(messagePack.encode(value));

for (const [name, value] of Object.entries(structuredValues())) {
  test(`round trip: ${name}`, () => checkValue(trip(value), value));
}

test("round trip: whole numbers around every size", () => {
  for (let bits = 0; bits <= 53; bits++) {
    for (const by of [-1, 0, 1]) {
      const number = 2 ** bits + by;
      if (!Number.isSafeInteger(number) || number === 0) continue;
      assert.equal(trip(number), number);
      assert.equal(trip(-number), -number);
    }
  }
  assert.ok(Object.is(trip(-0), -0));
});

test("round trip: big integers of any size", () => {
  for (let bits = 0n; bits < 2100n; bits += bits < 70n ? 1n : 63n) {
    for (const by of [-1n, 0n, 1n]) {
      const value = 2n ** bits + by;
      assert.equal(trip(value), value);
      assert.equal(trip(-value), -value);
    }
  }
});

test("round trip: dates, before and after what 32 bits hold, and invalid ones", () => {
  const limit = 8.64e15;
  for (
    const time of [
      0,
      1,
      -1,
      2 ** 31 * 1000,
      2 ** 32 * 1000 + 1,
      2 ** 34 * 1000,
      -1e14,
      limit,
      -limit,
    ]
  ) {
    const date = trip(new Date(time));
    assert.ok(date instanceof Date);
    assert.equal(date.getTime(), time);
  }
  const invalid = trip({ when: new Date(NaN) }) as { when: Date };
  assert.ok(invalid.when instanceof Date);
  assert.ok(Number.isNaN(invalid.when.getTime()));
});

test("round trip: maps with objects as keys, and what they share", () => {
  const key = { id: 1 };
  const map = new Map<unknown, unknown>([[key, "by object"], ["same", key], [NaN, 0]]);
  const copy = trip(map) as Map<unknown, unknown>;
  assert.equal(copy.get(copy.get("same")), "by object");
  assert.equal(copy.get(NaN), 0);
  assert.equal(copy.size, 3);
});

test("round trip: views of a part of a buffer are copies of that part", () => {
  const buffer = new Uint8Array(64).map((_, i) => i).buffer;
  const views = trip([
    new Uint8Array(buffer, 3, 5),
    new Uint16Array(buffer, 2, 3),
    new Float64Array(buffer, 8, 2),
    new DataView(buffer, 7, 9),
  ]) as [Uint8Array, Uint16Array, Float64Array, DataView];
  assert.deepEqual([...views[0]], [3, 4, 5, 6, 7]);
  assert.deepEqual([...views[1]], [...new Uint16Array(buffer, 2, 3)]);
  assert.deepEqual([...views[2]], [...new Float64Array(buffer, 8, 2)]);
  assert.ok(views[3] instanceof DataView);
  assert.deepEqual([views[3].byteLength, views[3].getUint8(0)], [9, 7]);
});

test("what arrives is ours: the bytes may be used again", () => {
  const encoded = new Uint8Array(
    messagePack.encode({ text: "text", list: [1], view: new Uint16Array([7]) }),
  );
  const value = messagePack.decode(encoded) as { text: string; view: Uint16Array };
  encoded.fill(0xff);
  assert.equal(value.text, "text");
  assert.equal(value.view[0], 7);
});

test("bytes that were encoded stay as they are", () => {
  const kept = Array.from(
    { length: 2000 },
    (_, i) => messagePack.encode({ i, text: "x".repeat(i) }),
  );
  for (const [i, bytes] of kept.entries()) {
    assert.deepEqual(messagePack.decode(bytes), { i, text: "x".repeat(i) });
  }
});

test("a symbol can't cross, and the next value can", () => {
  assert.throws(() => messagePack.encode([Symbol("s")]), CodecError);
  assert.equal(trip("next"), "next");
});

test("functions cross where there is a table, and nowhere else", () => {
  const call = (): number => 1;
  assert.throws(() => messagePack.encode({ call }), CodecError);
  const given: unknown[] = [];
  const table: FunctionTable = {
    exportFunction: (value) => given.push(value),
    importFunction: (id) => () => Promise.resolve(id * 100),
  };
  const encoded = messagePack.encode({ call, again: [call] }, table);
  assert.throws(() => messagePack.decode(encoded), CodecError);
  const value = messagePack.decode(encoded, table) as { call(): unknown };
  assert.equal(typeof value.call, "function");
  assert.ok(given.every((each) => each === call));
  assert.throws(() => messagePack.encode({ call }), CodecError, "the table isn't kept");
});

test("getters that throw, and toJSON, within an encoding", () => {
  const evil = {
    get trap() {
      throw new RangeError("mine");
    },
  };
  assert.throws(() => messagePack.encode(evil), CodecError);
  class Nested {
    toJSON(): unknown {
      return trip({ inner: 1 });
    }
  }
  assert.deepEqual(trip([new Nested(), 2]), [{ inner: 1 }, 2]);
  assert.deepEqual(trip({ fine: true }), { fine: true });
});

test("a value that is too deep is an error, not the end", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 200_000; i++) deep = [deep];
  assert.throws(() => messagePack.encode(deep), CodecError);
  assert.throws(() => messagePack.decode(new Uint8Array(500_000).fill(0x91)), CodecError);
  assert.equal(trip(5), 5);
});

test("no name reaches a prototype", () => {
  const hostile: unknown[] = [
    JSON.parse('{"__proto__":{"polluted":1}}'),
    JSON.parse('{"constructor":{"prototype":{"polluted":1}}}'),
    new Map<unknown, unknown>([["__proto__", { polluted: 1 }]]),
    Object.defineProperty({}, "__proto__", { value: { polluted: 1 }, enumerable: true }),
  ];
  for (const value of hostile) {
    const copy = trip(value);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
    assert.ok(!(copy instanceof Map) ? Object.getPrototypeOf(copy) === Object.prototype : true);
  }
});

test(`random bytes are a value or CodecError, and the next value is whole (seed ${seed})`, () => {
  const random = new Random();
  const good = structuredValues();
  const probe = { text: "text", list: [1, { deep: new Map([[1, 2]]) }] };
  const encoded = Object.values(good).map((value) => new Uint8Array(messagePack.encode(value)));
  for (let round = 0; round < 20_000; round++) {
    let bytes: Uint8Array;
    if (round % 2 === 0) {
      bytes = random.bytes(random.below(60));
    } else {
      const whole = random.pick(encoded);
      bytes = whole.slice(0, Math.min(whole.length, 3000));
      for (let flips = 1 + random.below(4); flips > 0 && bytes.length > 0; flips--) {
        bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      }
    }
    try {
      messagePack.decode(bytes);
    } catch (error) {
      assert.ok(error instanceof CodecError, String(error));
    }
    if (round % 20 === 0) assert.deepEqual(trip(probe), probe);
  }
  assert.equal(Object.keys(Object.prototype).length, 0);
});
