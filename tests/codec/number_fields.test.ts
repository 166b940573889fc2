import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, struct } from "../../mod.ts";
import { bool, f16, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "../../mod.ts";
import type { ScalarField } from "../../mod.ts";

test("every type of number, at its limits", () => {
  const All = struct({ u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64, bool });
  const least = {
    ...{
      u8: 0,
      i8: -128,
      u16: 0,
      i16: -32768,
      u32: 0,
      i32: -(2 ** 31),
      u64: 0n,
      i64: -(2n ** 63n),
    },
    ...{ f16: -65504, f32: -Infinity, f64: -Number.MAX_VALUE, bool: false },
  };
  const most = {
    ...{ u8: 255, i8: 127, u16: 65535, i16: 32767, u32: 2 ** 32 - 1, i32: 2 ** 31 - 1 },
    ...{ u64: 2n ** 64n - 1n, i64: 2n ** 63n - 1n, f16: Infinity, f32: 3.4028234663852886e38 },
    ...{ f64: Infinity, bool: true },
  };
  for (const value of [least, most]) {
    assert.deepEqual(All.decode(All.encode(value)), value);
    const view = All.view(new Uint8Array(All.size));
    Object.assign(view, value);
    assert.deepEqual(view.get(), value);
    for (const [name, each] of Object.entries(value)) assert.equal(Reflect.get(view, name), each);
  }
  assert.equal(All.decode(All.encode({ ...most, f64: NaN })).f64, NaN);
});

/** A field's value written at an odd offset, as its bytes. */
function bytesOf<T>(field: ScalarField<T>, value: T): number[] {
  const data = new DataView(new Uint8Array(24).fill(0xee).buffer, 2, 20);
  field.write(data, 3, value, "x");
  const all = [...new Uint8Array(data.buffer)];
  const around = [...all.slice(0, 5), ...all.slice(5 + field.size)];
  assert.ok(around.every((byte) => byte === 0xee), `${field.label} writes its own bytes only`);
  assert.deepEqual(field.read(data, 3), value, field.label);
  return all.slice(5, 5 + field.size);
}

test("little-endian, at any offset, and nothing but their own bytes", () => {
  assert.deepEqual(bytesOf(u8, 0x81), [0x81]);
  assert.deepEqual(bytesOf(i8, -2), [0xfe]);
  assert.deepEqual(bytesOf(u16, 0x8102), [0x02, 0x81]);
  assert.deepEqual(bytesOf(i16, -2), [0xfe, 0xff]);
  assert.deepEqual(bytesOf(u32, 0x81020304), [0x04, 0x03, 0x02, 0x81]);
  assert.deepEqual(bytesOf(i32, -2), [0xfe, 0xff, 0xff, 0xff]);
  assert.deepEqual(bytesOf(u64, 0x8102030405060708n), [8, 7, 6, 5, 4, 3, 2, 0x81]);
  assert.deepEqual(bytesOf(i64, -2n), [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  assert.deepEqual(bytesOf(f16, 1), [0x00, 0x3c]);
  assert.deepEqual(bytesOf(f32, 1), [0x00, 0x00, 0x80, 0x3f]);
  assert.deepEqual(bytesOf(f64, 1), [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
  assert.deepEqual(bytesOf(bool, true), [1]);
});

test("a field's size is its alignment, its name its label", () => {
  const sizes = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, u64: 8, i64: 8, f16: 2, f32: 4 };
  const fields = { u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64, bool };
  for (const [name, field] of Object.entries(fields)) {
    const size = { ...sizes, f64: 8, bool: 1 }[name];
    assert.deepEqual([field.label, field.size, field.alignment], [name, size, size]);
    assert.equal(field.composite, false);
  }
});

const whole: [field: ScalarField<number>, least: number, most: number][] = [
  [u8, 0, 255],
  [i8, -128, 127],
  [u16, 0, 65_535],
  [i16, -32_768, 32_767],
  [u32, 0, 2 ** 32 - 1],
  [i32, -(2 ** 31), 2 ** 31 - 1],
];

test("whole numbers: both ends fit, and nothing beyond them or between two", () => {
  for (const [field, least, most] of whole) {
    const data = new DataView(new ArrayBuffer(8));
    for (const value of [least, least + 1, most - 1, most]) {
      field.write(data, 0, value, "x");
      assert.equal(field.read(data, 0), value);
    }
    const wrong = [
      ...[least - 1, most + 1, least - 0.5, most + 0.5, 0.5, NaN, Infinity, -Infinity],
      ...[least + 2 ** 32, most - 2 ** 32, 2 ** 53, 5n, "5", true, null, undefined, {}, [5]],
    ];
    for (const value of wrong as number[]) {
      assert.throws(
        () => field.write(data, 0, value, "name"),
        (error) =>
          error instanceof ArgumentError &&
          error.message.endsWith(`; ${field.label} takes a whole number from ${least} to ${most}`),
        `${field.label} ${String(value)}`,
      );
      assert.equal(field.read(data, 0), most, "what was there stays");
    }
    field.write(data, 0, -0, "x");
    assert.ok(Object.is(field.read(data, 0), 0), "there is no -0 among them");
  }
});

test("64 bits: both ends fit, and nothing beyond them", () => {
  const ranges: [ScalarField<bigint>, bigint, bigint][] = [
    [u64, 0n, 2n ** 64n - 1n],
    [i64, -(2n ** 63n), 2n ** 63n - 1n],
  ];
  for (const [field, least, most] of ranges) {
    const data = new DataView(new ArrayBuffer(8));
    for (const value of [least, least + 1n, most - 1n, most]) {
      field.write(data, 0, value, "x");
      assert.equal(field.read(data, 0), value);
    }
    for (const value of [least - 1n, most + 1n, 2n ** 128n, 5, "5", null, undefined] as bigint[]) {
      assert.throws(() => field.write(data, 0, value, "x"), ArgumentError, String(value));
      assert.equal(field.read(data, 0), most, "what was there stays");
    }
  }
});

test("floating point: NaN, infinities and -0 arrive, what isn't there is rounded to nearest", () => {
  const data = new DataView(new ArrayBuffer(8));
  const trip = (field: ScalarField<number>, value: number): number => {
    field.write(data, 0, value, "x");
    return field.read(data, 0);
  };
  for (const field of [f16, f32, f64]) {
    for (const value of [NaN, Infinity, -Infinity, -0, 0, 1.5, -2]) {
      assert.ok(Object.is(trip(field, value), value), `${field.label} ${value}`);
    }
    for (const value of [5n, "5", true, null, undefined] as unknown[] as number[]) {
      assert.throws(() => field.write(data, 0, value, "x"), ArgumentError);
    }
  }
  assert.equal(trip(f32, 0.1), Math.fround(0.1));
  assert.equal(trip(f32, 1e-50), 0);
  assert.ok(Object.is(trip(f32, -1e-50), -0));
  assert.equal(trip(f16, 1 + 2 ** -11), 1, "half of a step: to the even one");
  assert.equal(trip(f16, 1 + 3 * 2 ** -11), 1 + 2 ** -9);
  assert.equal(trip(f16, 2 ** -24), 2 ** -24, "the least");
  assert.equal(trip(f64, Number.MIN_VALUE), Number.MIN_VALUE);
});

test("floating point: what would become infinite is refused", () => {
  const data = new DataView(new ArrayBuffer(8));
  const limits: [ScalarField<number>, number, number][] = [
    [f16, 65_504, 65_520],
    [f32, 3.4028234663852886e38, 2 ** 128 - 2 ** 103],
  ];
  for (const [field, most, over] of limits) {
    for (const sign of [1, -1]) {
      // All below the half of the next step become the largest.
      for (const value of [most, over * (1 - Number.EPSILON)]) {
        field.write(data, 0, sign * value, "x");
        assert.equal(field.read(data, 0), sign * most, field.label);
      }
      for (const value of [over, 2 * over, Number.MAX_VALUE]) {
        assert.throws(() => field.write(data, 0, sign * value, "x"), ArgumentError, field.label);
      }
    }
  }
});

test("a boolean is a byte, of which any but 0 is true", () => {
  const data = new DataView(new ArrayBuffer(1));
  const view = struct({ is: bool }).view(new Uint8Array(data.buffer));
  for (let byte = 0; byte < 256; byte++) {
    data.setUint8(0, byte);
    assert.equal(bool.read(data, 0), byte > 0);
    assert.equal(view.is, byte > 0);
  }
  view.is = true;
  assert.equal(data.getUint8(0), 1);
  for (const value of [0, 1, "true", null, undefined] as unknown[] as boolean[]) {
    assert.throws(() => bool.write(data, 0, value, "x"), /bool takes true or false/);
  }
});
