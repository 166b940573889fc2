import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, CodecError, ReadBuffer, WriteBuffer } from "../../mod.ts";

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

test("a byte order mark is a character like any other", () => {
  const written = new WriteBuffer();
  written.string("\uFEFFtext");
  assert.equal(new ReadBuffer(written.toBytes()).string(), "\uFEFFtext");
});

const sizes: Record<string, [size: number, read: (buffer: ReadBuffer) => unknown]> = {
  u8: [1, (buffer) => buffer.u8()],
  i8: [1, (buffer) => buffer.i8()],
  bool: [1, (buffer) => buffer.bool()],
  u16: [2, (buffer) => buffer.u16()],
  i16: [2, (buffer) => buffer.i16()],
  f16: [2, (buffer) => buffer.f16()],
  u32: [4, (buffer) => buffer.u32()],
  i32: [4, (buffer) => buffer.i32()],
  f32: [4, (buffer) => buffer.f32()],
  u64: [8, (buffer) => buffer.u64()],
  i64: [8, (buffer) => buffer.i64()],
  f64: [8, (buffer) => buffer.f64()],
  bytes: [5, (buffer) => buffer.bytes(5)],
  skip: [7, (buffer) => buffer.skip(7)],
};

test("nothing is read of which a byte is missing, and the cursor stays", () => {
  for (const [name, [size, read]] of Object.entries(sizes)) {
    for (let length = 0; length < size; length++) {
      // The bytes behind are there, but not ours.
      const buffer = new ReadBuffer(new Uint8Array(32).subarray(9, 10 + length));
      buffer.u8();
      assert.throws(
        () => read(buffer),
        (error) =>
          error instanceof CodecError && error.message ===
            `${size} bytes at 1 are wanted, but there are only ${length} left`,
        name,
      );
      assert.deepEqual([buffer.position, buffer.remaining], [1, length], name);
    }
    const buffer = new ReadBuffer(new Uint8Array(32).subarray(9, 9 + size));
    read(buffer);
    assert.deepEqual([buffer.position, buffer.remaining], [size, 0], name);
  }
});

test("numbers at odd offsets of a part of a buffer, little-endian", () => {
  const memory = Buffer.from([0xee, 0xee, 0xee, 1, 0xfe, 0xff, 4, 3, 2, 1, 0x80, 0xee]);
  const buffer = new ReadBuffer(memory.subarray(3, 11));
  assert.deepEqual([buffer.u8(), buffer.i16(), buffer.u32(), buffer.i8()], [
    ...[1, -2, 0x01020304],
    -128,
  ]);
  assert.throws(() => buffer.u8(), CodecError);
});

test("any byte but 0 is true, and numbers are what their bytes are", () => {
  const buffer = new ReadBuffer(Uint8Array.of(0, 1, 2, 255, 0, 0x7e, 0, 0x80));
  assert.deepEqual([buffer.bool(), buffer.bool(), buffer.bool(), buffer.bool()], [
    ...[false, true, true],
    true,
  ]);
  assert.ok(Number.isNaN(buffer.f16()));
  assert.ok(Object.is(buffer.f16(), -0));
});

test("what isn't a count of bytes is none", () => {
  const buffer = new ReadBuffer(new Uint8Array(8));
  buffer.u16();
  for (const count of [-1, -2, 0.5, 1.5, NaN, Infinity, undefined, "1"] as number[]) {
    assert.throws(() => buffer.skip(count), CodecError, String(count));
    assert.throws(() => buffer.bytes(count), CodecError, String(count));
    assert.deepEqual([buffer.position, buffer.remaining], [2, 6]);
  }
  buffer.skip(0);
  assert.equal(buffer.bytes(0).length, 0);
  assert.equal(buffer.position, 2);
});

test("bytes are a copy", () => {
  const memory = new Uint8Array(8).fill(5);
  const copy = new ReadBuffer(memory.subarray(2)).bytes(3);
  memory.fill(6);
  assert.deepEqual([...copy], [5, 5, 5]);
  assert.equal(copy.buffer.byteLength, 3);
});

test("a text that is cut is no text: by its length, by the end, and inside of a character", () => {
  const written = new WriteBuffer();
  written.string("aé日😀");
  const whole = written.toBytes();
  assert.equal(new ReadBuffer(whole).string(), "aé日😀");
  const ends = [0, 1, 3, 6, 10];
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => new ReadBuffer(whole.subarray(0, length)).string(), CodecError);
  }
  for (let length = 0; length <= 10; length++) {
    const announced = whole.slice();
    announced[0] = length;
    const buffer = new ReadBuffer(announced);
    if (ends.includes(length)) {
      assert.equal(buffer.string(), new TextDecoder().decode(whole.subarray(4, 4 + length)));
      assert.equal(buffer.remaining, 10 - length);
    } else {
      assert.throws(() => buffer.string(), /the text of \d+ bytes at \d+ isn't UTF-8/);
    }
  }
});

test("in other memory it stays between its bounds", () => {
  const memory = new DataView(Uint8Array.from({ length: 32 }, (_, i) => i).buffer, 4, 24);
  const buffer = new ReadBuffer(new Uint8Array(0));
  for (const offset of [0, 8, 20]) {
    ReadBuffer.over(buffer, memory, offset, 4);
    assert.deepEqual([buffer.position, buffer.remaining], [0, 4]);
    assert.throws(() => buffer.u64(), /8 bytes at 0 are wanted, but there are only 4 left/);
    assert.throws(() => buffer.skip(-1), CodecError);
    assert.deepEqual([...buffer.bytes(2)], [offset + 4, offset + 5]);
    assert.deepEqual([buffer.position, buffer.remaining], [2, 2]);
    assert.equal(buffer.u16(), (offset + 6) | (offset + 7) << 8);
    assert.throws(() => buffer.bool(), CodecError);
  }
});
