import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, ReadBuffer, WriteBuffer } from "../../mod.ts";

test("what one cursor writes the other reads", () => {
  const written = new WriteBuffer();
  written.u8(255);
  written.i8(-128);
  written.u16(65535);
  written.i16(-32768);
  written.u32(2 ** 32 - 1);
  written.i32(-(2 ** 31));
  written.u64(2n ** 64n - 1n);
  written.i64(-(2n ** 63n));
  written.f16(1.5);
  written.f32(-0.5);
  written.f64(Math.PI);
  written.bool(true);
  written.string("größe");
  written.bytes(Uint8Array.of(1, 2, 3));
  written.skip(2);
  const size = 1 + 1 + 2 + 2 + 4 + 4 + 8 + 8 + 2 + 4 + 8 + 1 + (4 + 7) + 3 + 2;
  assert.deepEqual([written.position, written.remaining], [size, Infinity]);
  const read = new ReadBuffer(written.toBytes());
  assert.deepEqual(
    [read.u8(), read.i8(), read.u16(), read.i16(), read.u32(), read.i32()],
    [255, -128, 65535, -32768, 2 ** 32 - 1, -(2 ** 31)],
  );
  assert.deepEqual([read.u64(), read.i64()], [2n ** 64n - 1n, -(2n ** 63n)]);
  assert.deepEqual([read.f16(), read.f32(), read.f64(), read.bool()], [1.5, -0.5, Math.PI, true]);
  assert.equal(read.string(), "größe");
  assert.deepEqual([...read.bytes(3)], [1, 2, 3]);
  read.skip(1);
  assert.deepEqual([read.position, read.remaining], [size - 1, 1]);
});

test("a buffer grows, or has a size that it keeps", () => {
  const grows = new WriteBuffer();
  for (let i = 0; i < 1000; i++) grows.u32(i);
  const read = new ReadBuffer(grows.toBytes());
  for (let i = 0; i < 1000; i++) assert.equal(read.u32(), i);
  const fixed = new WriteBuffer(6);
  fixed.u32(1);
  assert.throws(() => fixed.u32(2), /4 bytes at 4 don't fit into a buffer of 6 bytes/);
  assert.throws(() => fixed.string("x"), ArgumentError);
  assert.throws(() => fixed.bytes(new Uint8Array(3)), ArgumentError);
  assert.deepEqual([fixed.position, fixed.remaining], [4, 2]);
  fixed.u16(7);
  assert.deepEqual([...fixed.toBytes()], [1, 0, 0, 0, 7, 0]);
  fixed.clear();
  assert.equal(fixed.remaining, 6);
  assert.throws(() => new WriteBuffer(-1), ArgumentError);
});

test("values out of range are refused, and nothing is written", () => {
  const buffer = new WriteBuffer();
  assert.throws(() => buffer.u8(256), /is 256; u8 takes a whole number from 0 to 255/);
  assert.throws(() => buffer.i64(5 as never), ArgumentError);
  assert.throws(() => buffer.f64(undefined as never), ArgumentError);
  assert.throws(() => buffer.u8(300), {
    message: "the value to be written is 300; u8 takes a whole number from 0 to 255",
  });
  assert.throws(() => buffer.string(undefined as never), /a string, got undefined/);
  assert.throws(() => buffer.string(5 as never), ArgumentError);
  assert.throws(() => buffer.string("half \ud800"), /holds half of a surrogate pair/);
  assert.throws(() => buffer.bytes("raw" as never), /a Uint8Array, got "raw"/);
  assert.equal(buffer.position, 0);
});

test("what was written stays while the buffer grows, by whatever makes it grow", () => {
  const text = "é".repeat(1000);
  const grow: ((buffer: WriteBuffer) => void)[] = [
    (buffer) => buffer.u8(7),
    (buffer) => buffer.f64(7),
    (buffer) => buffer.string(text),
    (buffer) => buffer.bytes(new Uint8Array(5000).fill(7)),
    (buffer) => buffer.skip(100_000),
  ];
  for (const each of grow) {
    for (const before of [0, 1, 249, 255, 256, 257, 511, 512]) {
      const buffer = new WriteBuffer();
      for (let i = 0; i < before; i++) buffer.u8(i & 0xff);
      each(buffer);
      const written = buffer.toBytes();
      assert.equal(written.length, buffer.position);
      assert.ok(written.subarray(0, before).every((byte, i) => byte === (i & 0xff)));
      const alone = new WriteBuffer();
      each(alone);
      assert.deepEqual(written.subarray(before), alone.toBytes());
    }
  }
});

test("little-endian, and nothing between one thing and the next", () => {
  const buffer = new WriteBuffer();
  buffer.u8(1);
  buffer.u16(0x0203);
  buffer.u32(0x04050607);
  buffer.i64(-2n);
  buffer.string("é");
  assert.deepEqual([...buffer.toBytes()], [
    ...[1, 3, 2, 7, 6, 5, 4],
    ...[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ...[2, 0, 0, 0, 0xc3, 0xa9],
  ]);
});

test("what is cleared is written over, also by zeros, and a copy of before stays", () => {
  for (const buffer of [new WriteBuffer(), new WriteBuffer(8)]) {
    buffer.bytes(new Uint8Array(8).fill(0xee));
    const before = buffer.toBytes();
    buffer.clear();
    assert.equal(buffer.position, 0);
    assert.equal(buffer.toBytes().length, 0);
    buffer.skip(3);
    buffer.u8(1);
    assert.deepEqual([...buffer.toBytes()], [0, 0, 0, 1]);
    assert.ok(before.every((byte) => byte === 0xee));
  }
});

test("what isn't a count of bytes isn't gone over", () => {
  for (const buffer of [new WriteBuffer(), new WriteBuffer(8)]) {
    buffer.u32(5);
    for (const count of [-1, -4, 0.5, NaN, -Infinity, Infinity, undefined, "1"] as number[]) {
      assert.throws(() => buffer.skip(count), ArgumentError, String(count));
      assert.equal(buffer.position, 4);
    }
    buffer.skip(0);
    buffer.u32(6);
    assert.deepEqual([...buffer.toBytes()], [5, 0, 0, 0, 6, 0, 0, 0]);
  }
  for (const size of [-1, 0.5, NaN, Infinity, "8"] as number[]) {
    assert.throws(() => new WriteBuffer(size), /a whole number of bytes, got/);
  }
  const none = new WriteBuffer(0);
  assert.deepEqual([none.remaining, none.toBytes().length], [0, 0]);
  assert.throws(() => none.bool(true), /1 bytes at 0 don't fit into a buffer of 0 bytes/);
});

test("in other memory it stays between its bounds", () => {
  const memory = new DataView(new ArrayBuffer(40), 8, 24);
  new Uint8Array(memory.buffer).fill(0xee);
  const buffer = new WriteBuffer();
  for (const offset of [8, 12]) {
    WriteBuffer.over(buffer, memory, offset, 6);
    assert.deepEqual([buffer.position, buffer.remaining], [0, 6]);
    assert.throws(() => buffer.u64(1n), /8 bytes at 0 don't fit into a buffer of 6 bytes/);
    assert.throws(() => buffer.string("abc"), ArgumentError);
    assert.throws(() => buffer.skip(7), ArgumentError);
    assert.throws(() => buffer.skip(-1), ArgumentError);
    buffer.u32(0x01020304);
    assert.throws(() => buffer.bytes(new Uint8Array(3)), ArgumentError);
    buffer.u16(0x0506);
    assert.equal(buffer.remaining, 0);
    assert.deepEqual([...buffer.toBytes()], [4, 3, 2, 1, 6, 5]);
  }
  const bytes = [...new Uint8Array(memory.buffer)];
  const others = [...bytes.slice(0, 16), ...bytes.slice(26)];
  assert.ok(others.every((byte) => byte === 0xee), String(bytes));
});
