import assert from "node:assert/strict";
import { test } from "node:test";
import { array, fixedBytes, fixedString, struct } from "../../mod.ts";
import { bool, f16, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "../../mod.ts";
import { ArgumentError, CodecError } from "../../mod.ts";
import type { Codec, Field, StructCodec } from "../../mod.ts";
import { codecId } from "../../src/codec/codec_id.ts";
import { Random, seed } from "../support/random.ts";

const Order = struct({
  id: u32,
  price: f64,
  side: u8,
  name: fixedString(15),
  legs: array(f64, 4),
  nested: struct({ open: bool, count: u16, big: i64 }),
  points: array(struct({ x: f32, y: f32 }), 2),
});
const order = {
  id: 7,
  price: 99.5,
  side: 1,
  name: "größe",
  legs: [1, 2, 3, 4],
  nested: { open: true, count: 500, big: -5n },
  points: [{ x: 1, y: 2 }, { x: 3, y: -4 }],
};

test("fields lie as C puts them", () => {
  assert.deepEqual(Order.offsets, {
    id: 0,
    price: 8,
    side: 16,
    name: 17,
    legs: 32,
    nested: 64,
    points: 80,
  });
  assert.deepEqual([Order.size, Order.alignment], [96, 8]);
  // The same, read byte by byte.
  const bytes = Order.encode(order);
  const data = new DataView(bytes.buffer);
  assert.equal(data.getUint32(0, true), 7);
  assert.equal(data.getFloat64(8, true), 99.5);
  assert.equal(new TextDecoder().decode(bytes.subarray(17, 24)), "größe");
  assert.deepEqual([...bytes.subarray(24, 32)], [0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...new Float64Array(bytes.buffer, 32, 4)], order.legs);
  assert.deepEqual([data.getUint8(64), data.getUint16(66, true)], [1, 500]);
  assert.equal(data.getBigInt64(72, true), -5n);
  assert.deepEqual([...new Float32Array(bytes.buffer, 80, 4)], [1, 2, 3, -4]);
  assert.deepEqual(Order.decode(bytes), order);
  assert.deepEqual(struct({ a: u8, b: u16, c: u8 }).size, 6, "filled up at its end");
});

const wrong: [Field, unknown, RegExp][] = [
  [u8, 256, /is 256; u8 takes a whole number from 0 to 255/],
  [u8, -1, /is -1; u8/],
  [u8, 1.5, /is 1.5; u8/],
  [u8, "5", /is "5"; u8/],
  [u8, NaN, /is NaN; u8/],
  [i8, 128, /is 128; i8 takes a whole number from -128 to 127/],
  [u16, 65536, /is 65536; u16/],
  [i16, -32769, /is -32769; i16/],
  [u32, 2 ** 32, /is 4294967296; u32/],
  [u32, 5n, /is 5n; u32/],
  [i32, 2 ** 31, /is 2147483648; i32/],
  [u64, 2n ** 64n, /is 18446744073709551616n; u64 takes a bigint/],
  [u64, 5, /is 5; u64 takes a bigint/],
  [i64, -(2n ** 63n) - 1n, /is -9223372036854775809n; i64/],
  [f16, 65520, /is 65520; f16/],
  [f32, 1e39, /is 1e\+39; f32/],
  [f64, "1", /is "1"; f64 takes a number/],
  [f64, null, /is null; f64/],
  [bool, 1, /is 1; bool takes true or false/],
  [fixedString(4), "größe", /is "größe", 7 bytes of UTF-8; string\(4\) takes at most 4/],
  [fixedString(4), "a\0b", /holds U\+0000 at 1/],
  [fixedString(4), "\ud800", /half of a surrogate pair/],
  [fixedString(4), 5, /is 5; string\(4\) takes a text/],
  [fixedBytes(4), new Uint8Array(3), /has 3 bytes; bytes\(4\) takes 4/],
  [fixedBytes(4), [1, 2, 3, 4], /is an array; bytes\(4\)/],
  [array(u8, 3), [1, 2], /has 2 elements; u8\[3\] takes 3/],
  [array(u8, 3), 5, /is 5; u8\[3\] takes an array/],
  [struct({ a: u8 }), null, /is null; a struct takes an object/],
];

test("what doesn't fit is refused: field, value and limit", () => {
  for (const [field, value, message] of wrong) {
    const Wrong: StructCodec<unknown, Record<string, unknown>> = struct({
      x: u8,
      value: field,
    }) as never;
    assert.throws(
      () => Wrong.encode({ x: 1, value }),
      (error) =>
        error instanceof ArgumentError && error.name === "ArgumentError" &&
        error.message.startsWith("the struct's field value ") && message.test(error.message),
      `${field.label} ${String(value)}`,
    );
    const view = Wrong.view(new Uint8Array(Wrong.size));
    if (!field.composite) assert.throws(() => view["value"] = value, message);
  }
});

test("the path to the field is named", () => {
  const Deep = struct({ a: array(struct({ b: array(u8, 2), c: struct({ d: i8 }) }), 2) });
  const value = (b: number, d: number) => ({
    a: [{ b: [1, 2], c: { d: 1 } }, { b: [1, b], c: { d } }],
  });
  assert.throws(() => Deep.encode(value(300, 0)), /field a\[1\]\.b\[1\] is 300; u8/);
  assert.throws(() => Deep.encode(value(3, 200)), /field a\[1\]\.c\.d is 200; i8/);
  const lacking = { a: [{ b: [1, 2] }, { b: [1, 2], c: { d: 1 } }] } as never;
  assert.throws(() => Deep.encode(lacking), /field a\[0\]\.c is missing; a struct takes/);
  assert.throws(
    () => Order.encode({ id: 1 } as never),
    /field price is missing; f64 takes a number/,
  );
  assert.throws(() => Order.encode(undefined as never), ArgumentError);
});

test("a view reads and writes in place", () => {
  const bytes = new Uint8Array(8 + 3 * Order.size);
  const view = Order.view(bytes, 8);
  for (let i = 0; i < 3; i++) view.at(i).set({ ...order, id: i });
  assert.deepEqual([0, 1, 2].map((i) => view.at(i).id), [0, 1, 2]);
  view.at(1).price += 1;
  view.name = "other";
  view.legs.set(3, 44);
  view.nested.count = 9;
  view.points.at(1).y = 8;
  assert.deepEqual(Order.decode(bytes.slice(8 + 96, 8 + 2 * 96)), {
    ...order,
    id: 1,
    price: 100.5,
    name: "other",
    legs: [1, 2, 3, 44],
    nested: { ...order.nested, count: 9 },
    points: [{ x: 1, y: 2 }, { x: 3, y: 8 }],
  });
  assert.equal(view.move(8).price, 99.5);
  assert.deepEqual([...view.legs], order.legs);
  assert.deepEqual([...view.points].map((point) => point.x), [3, 3], "one view that moves");
  assert.deepEqual(Array.from(view.points, (point) => point.x), [1, 3]);
  assert.equal(view.at(0), view, "no other object");
  assert.equal(view.nested, view.nested);
  assert.deepEqual(Object.keys(Order.view(bytes)), []);
});

test("a view doesn't leave its bytes", () => {
  const bytes = new Uint8Array(2 * Order.size + 10);
  assert.throws(() => Order.view(bytes, bytes.length - Order.size + 1), ArgumentError);
  const view = Order.view(bytes, 10);
  for (const index of [2, -1, 0.5, NaN, Infinity]) {
    assert.throws(() => view.at(index), /outside of 2 structs/);
  }
  for (const offset of [-1, 107, 0.5, NaN]) assert.throws(() => view.move(offset), ArgumentError);
  for (const index of [4, -1, 0.5]) assert.throws(() => view.legs.get(index), ArgumentError);
  assert.throws(() => view.points.at(2), ArgumentError);
  assert.throws(() => Order.view(new ArrayBuffer(96) as never), ArgumentError);
  assert.throws(() => Order.decode(bytes), CodecError);
  const other = new Uint8Array(bytes.buffer, 4, Order.size);
  Order.view(other).id = 77;
  assert.equal(new DataView(bytes.buffer).getUint32(4, true), 77, "a part of a buffer");
});

test("what can't be a struct", () => {
  for (const fields of [{}, { at: u8 }, { set: u8 }, { "0": u8 }, { a: 5 }, { a: "u8" }, null]) {
    assert.throws(() => struct(fields as never), ArgumentError, JSON.stringify(fields));
  }
  for (const size of [0, -1, 1.5, NaN, "4", 1e12]) {
    assert.throws(() => fixedString(size as never), ArgumentError);
    assert.throws(() => fixedBytes(size as never), ArgumentError);
    assert.throws(() => array(u8, size as never), ArgumentError);
  }
  assert.throws(() => array(5 as never, 2), ArgumentError);
});

test("another layout is another codec", () => {
  const codecs: Codec[] = [
    struct({ a: u8, b: u8 }),
    struct({ b: u8, a: u8 }),
    struct({ a: u8, b: i8 }),
    struct({ a: array(u8, 2) }),
    struct({ a: struct({ a: u8 }), b: u8 }),
    struct({ a: fixedString(2) }),
    struct({ a: fixedBytes(2) }),
  ];
  assert.equal(new Set(codecs.map(({ name }) => codecId(name))).size, codecs.length);
  assert.equal(struct({ a: u8, b: u8 }).name, codecs[0]!.name);
});

/** A struct of any fields, with a value of it. */
function randomStruct(
  random: Random,
  depth: number,
): { codec: StructCodec<never, never>; value: object; fields: Record<string, Field> } {
  const fields: Record<string, Field> = {};
  const value: Record<string, unknown> = {};
  for (let i = 1 + random.below(6); i > 0; i--) {
    const name = `${random.pick(["f", "größe", "a b", "_", "F"])}${i}`;
    [fields[name], value[name]] = randomField(random, depth) as [Field, unknown];
  }
  return { codec: struct(fields) as never, value, fields };
}

function randomField(random: Random, depth: number): [Field, unknown] {
  const kind = random.below(depth > 0 ? 11 : 8);
  const bits = random.u32();
  switch (kind) {
    case 0:
      return [u8, bits & 255];
    case 1:
      return [i16, bits << 16 >> 16];
    case 2:
      return [u32, bits];
    case 3:
      return [i64, BigInt(bits | 0) << 20n];
    case 4:
      return [f64, bits / 7];
    case 5:
      return [bool, (bits & 1) === 1];
    case 6: {
      const size = 1 + random.below(50);
      const text = random.pick(["a", "é", "日", "😀"]).repeat(random.below(20));
      const fits = new TextEncoder().encode(text).length <= size;
      return [fixedString(size), fits ? text : ""];
    }
    case 7: {
      const size = 1 + random.below(9);
      return [fixedBytes(size), random.bytes(size)];
    }
    case 8: {
      const { codec, value } = randomStruct(random, depth - 1);
      return [codec, value];
    }
    default: {
      const random2 = random.u32();
      const length = 1 + random.below(4);
      const [field] = randomField(new Random(random2), depth - 1);
      const values = Array.from({ length }, () => randomField(new Random(random2), depth - 1)[1]);
      return [array(field as never, length), values];
    }
  }
}

/** The layout, found in another way: between fields are only the bytes that alignment needs. */
function checkLayout(codec: StructCodec<never, never>, fields: Record<string, Field>): void {
  let end = 0;
  for (const [name, field] of Object.entries(fields)) {
    const offset = codec.offsets[name]!;
    assert.equal(offset % field.alignment, 0, codec.name);
    assert.ok(offset >= end && offset - end < field.alignment, codec.name);
    end = offset + field.size;
  }
  assert.ok(codec.size >= end && codec.size - end < codec.alignment, codec.name);
  assert.equal(codec.size % codec.alignment, 0);
}

test(`random structs come back as they went (seed ${seed})`, () => {
  const random = new Random();
  for (let round = 0; round < 500; round++) {
    const { codec, value, fields } = randomStruct(random, 3);
    checkLayout(codec, fields);
    const bytes = codec.encode(value as never);
    assert.deepEqual(codec.decode(bytes), value, codec.name);
    const more = new Uint8Array(bytes.length + 16);
    const view = codec.view(more, random.below(16)) as { set(v: object): void; get(): object };
    view.set(value);
    assert.deepEqual(view.get(), value);
  }
});
