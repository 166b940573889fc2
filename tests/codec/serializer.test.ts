import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, CodecError, ReadBuffer, serializer, WriteBuffer } from "../../mod.ts";

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

test("reading behind the end, and what isn't a text", () => {
  const read = new ReadBuffer(Uint8Array.of(1, 2, 3));
  assert.throws(() => read.u32(), /4 bytes at 0 are wanted, but there are only 3 left/);
  assert.throws(() => read.bytes(4), CodecError);
  assert.throws(() => read.skip(-1), CodecError);
  assert.equal(read.u16(), 0x201);
  assert.throws(() => new ReadBuffer(Uint8Array.of(1, 0, 0, 0, 0xff)).string(), CodecError);
  assert.throws(() => new ReadBuffer(Uint8Array.of(255, 255, 255, 255)).string(), CodecError);
  assert.throws(() => new ReadBuffer("x" as never), ArgumentError);
});

test("a serializer is a codec", () => {
  const line = serializer<{ level: number; text: string }>({
    name: "line",
    write(value, buffer) {
      buffer.u8(value.level);
      buffer.string(value.text);
    },
    read: (buffer) => ({ level: buffer.u8(), text: buffer.string() }),
  });
  const value = { level: 3, text: "disk full ".repeat(100) };
  assert.deepEqual(line.decode(line.encode(value)), value);
  assert.throws(() => line.encode({ level: 300, text: "" }), ArgumentError);
  assert.throws(() => line.decode(new Uint8Array(2)), CodecError);
});

test("a serializer of a fixed size fills up with zeros, and has no more", () => {
  const pair = serializer<number[]>({
    name: "numbers",
    size: 8,
    write: (values, buffer) => values.forEach((value) => buffer.u16(value)),
    read: (buffer) => [buffer.u16(), buffer.u16()],
  });
  assert.deepEqual([pair.size, pair.name], [8, "numbers:8"]);
  assert.deepEqual([...pair.encode([1, 2])], [1, 0, 2, 0, 0, 0, 0, 0]);
  assert.deepEqual(pair.decode(pair.encode([3, 4])), [3, 4]);
  assert.throws(() => pair.encode([1, 2, 3, 4, 5]), ArgumentError);
  assert.throws(() => pair.decode(new Uint8Array(7)), CodecError);
  const memory = new DataView(new ArrayBuffer(24));
  pair.encodeInto([5, 6], memory, 8);
  assert.deepEqual(pair.decodeFrom(memory, 8), [5, 6]);
  assert.equal(memory.getUint16(8, true), 5);
  for (const options of [{}, { name: "x" }, { name: "x", write() {}, read() {}, size: 0 }]) {
    assert.throws(() => serializer(options as never), ArgumentError);
  }
  const misspelt = { name: "x", write() {}, read() {}, sise: 8 };
  assert.throws(() => serializer(misspelt), /no option `sise`; there are name, size, write, read/);
});

test("a byte order mark is a character like any other", () => {
  const written = new WriteBuffer();
  written.string("\uFEFFtext");
  assert.equal(new ReadBuffer(written.toBytes()).string(), "\uFEFFtext");
});
