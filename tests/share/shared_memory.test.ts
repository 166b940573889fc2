import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import { test } from "node:test";
import {
  ArgumentError,
  ClosedError,
  CodecError,
  CorruptSegmentError,
  json,
  LimitError,
  messagePack,
  NoSpaceError,
  NotSharedError,
  ParameterMismatchError,
  SharedArray,
  SharedMemory,
} from "../../mod.ts";
import { MemoryLayout } from "../../src/memory/layout.ts";
import { native, Scratch } from "../support/scratch.ts";

const inMemory = (scratch: Scratch) => scratch.files().filter((file) => file.startsWith("memory/"));

test("two objects of a name see the same bytes, each with views of its own", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  using one = await SharedMemory.open("größe", { size: 10_000, directory });
  const two = await SharedMemory.open("größe", { directory });
  assert.deepEqual([one.name, one.size, two.size], ["größe", 10_000, 10_000]);
  assert.equal(one.bytes.length, 10_000);
  assert.equal(one.buffer.byteLength, 10_000);
  assert.equal(one.bytes, one.bytes);
  assert.ok(one.bytes.every((byte) => byte === 0));
  one.bytes[9_999] = 7;
  const words = new Int32Array(two.buffer);
  Atomics.add(words, 0, 258);
  assert.deepEqual([two.bytes[9_999], ...one.bytes.subarray(0, 2)], [7, 2, 1]);
  assert.equal(inMemory(scratch).length, 2, "the memory and one member");
  two.close();
  two.close();
  assert.equal(two.isClosed, true);
  assert.equal(words.length, 0, "its views are empty");
  assert.throws(() => two.bytes, ClosedError);
  assert.throws(() => two.buffer, ClosedError);
  assert.equal(one.bytes[9_999], 7);
});

test("it goes with the last, and what comes after it is zero", async () => {
  using scratch = new Scratch();
  const options = { size: 4096, directory: scratch.path };
  const first = await SharedMemory.open("m", options);
  first.bytes.fill(1);
  first.close();
  assert.deepEqual(scratch.files(), []);
  using second = await SharedMemory.open("m", options);
  assert.equal(second.bytes[0], 0);
});

test("a durable one stays until it is removed", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const first = await SharedMemory.open("m", { size: 5, directory });
  first.bytes[4] = 9;
  const durable = await SharedMemory.open("m", { durable: true, directory });
  first.close();
  assert.equal(await SharedMemory.remove("m", { directory }), false, "in use");
  durable.close();
  assert.deepEqual(scratch.files(), ["memory/m/durable"]);
  const again = await SharedMemory.open("m", { directory });
  assert.deepEqual([again.size, again.bytes[4]], [5, 9]);
  again.close();
  assert.equal(await SharedMemory.remove("m", { directory }), true);
  assert.equal(await SharedMemory.remove("m", { directory }), false);
  assert.deepEqual(scratch.files(), []);
});

test("what doesn't match, or isn't there, is an error that says what", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  await assert.rejects(SharedMemory.open("m", { directory }), (error) => {
    assert.ok(error instanceof ArgumentError);
    assert.match(error.message, /no shared memory "m": give a `size`/);
    return true;
  });
  assert.deepEqual(scratch.files(), []);
  for (const size of [0, -1, 1.5, NaN, 2 ** 52, "5" as never]) {
    await assert.rejects(SharedMemory.open("m", { size, directory }), ArgumentError);
  }
  for (const none of [{ directory }, undefined, null, 5, { size: 5, dir: directory }]) {
    await assert.rejects(SharedMemory.create(none as never), ArgumentError);
  }
  const misspelt = SharedMemory.open("m", { sise: 5, directory } as never);
  await assert.rejects(misspelt, /no option `sise`; there are size, durable, directory/);
  await assert.rejects(SharedMemory.remove("m", { dir: directory } as never), ArgumentError);
  using _one = await SharedMemory.open("m", { size: 8192, directory });
  const before = scratch.files();
  const other = SharedMemory.open("m", { size: 4096, directory });
  await assert.rejects(other, (error) => {
    assert.ok(error instanceof ParameterMismatchError);
    assert.match(error.message, /8192.*4096/);
    return true;
  });
  assert.deepEqual(scratch.files(), before);
});

test("what doesn't fit says how much is missing, and leaves nothing", async () => {
  using scratch = new Scratch();
  const { bavail, bsize } = fs.statfsSync(scratch.path);
  const size = Number(bavail) * bsize + 2 ** 30;
  if (size > native.largestBuffer) {
    const opening = SharedMemory.create({ size, directory: scratch.path });
    await assert.rejects(opening, LimitError);
  } else {
    const opening = SharedMemory.create({ size, directory: scratch.path });
    await assert.rejects(opening, NoSpaceError);
  }
  assert.deepEqual(scratch.files(), []);
});

test("more than the runtime has buffers for is refused before it is made", async () => {
  using scratch = new Scratch();
  const size = native.largestBuffer + 1;
  const opening = SharedMemory.create({ size, directory: scratch.path });
  await assert.rejects(opening, size > 2 ** 50 ? ArgumentError : LimitError);
  assert.deepEqual(scratch.files(), []);
});

test("a size that is a lie is corrupt", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const one = await SharedMemory.open("m", { size: 4096, durable: true, directory });
  one.close();
  const file = fs.openSync(scratch.at("memory/m/durable"), "r+");
  for (const [low, high] of [[4097, 0], [0, 0], [4096, 1], [0, 0xffff_ffff]] as const) {
    fs.writeSync(file, new Uint32Array([low, high]), 0, 8, MemoryLayout.sizeLow);
    await assert.rejects(SharedMemory.open("m", { directory }), CorruptSegmentError);
  }
  fs.closeSync(file);
});

test("memory without a name has none, and is nobody else's", async () => {
  using scratch = new Scratch();
  using one = await SharedMemory.create({ size: 3, directory: scratch.path });
  using two = await SharedMemory.create({ size: 3, directory: scratch.path });
  one.bytes.fill(5);
  assert.deepEqual([one.name, two.bytes[0]], [undefined, 0]);
});

test("views lead back to their memory; other buffers are told apart", async () => {
  using scratch = new Scratch();
  using memory = await SharedMemory.create({ size: 64, directory: scratch.path });
  assert.equal(SharedMemory.of(memory.bytes), memory);
  assert.equal(SharedMemory.of(new Float64Array(memory.buffer, 8, 2)), memory);
  for (const plain of [new ArrayBuffer(8), new Uint8Array(8), new DataView(new ArrayBuffer(1))]) {
    assert.throws(() => SharedMemory.of(plain), (error) => {
      assert.ok(error instanceof NotSharedError);
      assert.match(error.message, /non-shared buffer where shared memory is asked for/);
      return true;
    });
    assert.throws(() => SharedArray.of(plain as never, "u8"), NotSharedError);
  }
  const { buffer } = memory;
  memory.close();
  assert.throws(() => SharedMemory.of(buffer), ClosedError);
  assert.throws(() => SharedArray.of(memory, "u8"), ClosedError);
});

test("a buffer that was transferred stays good, and closing leaves no file", async () => {
  using scratch = new Scratch();
  const one = await SharedMemory.open("m", { size: 64, directory: scratch.path });
  const two = await SharedMemory.open("m", { directory: scratch.path });
  const { buffer } = one;
  const taken = new Uint8Array(structuredClone(buffer, { transfer: [buffer] }));
  one.close();
  one.close();
  two.bytes[5] = 5;
  two.close();
  assert.deepEqual(scratch.files(), []);
  assert.equal(taken.length, 64);
  taken[6] = taken[5]!; // no crash, whether these are the bytes or a copy of them
});

test("codecs don't copy it by accident", async () => {
  using scratch = new Scratch();
  using memory = await SharedMemory.create({ size: 64, directory: scratch.path });
  for (const codec of [json, messagePack]) {
    assert.throws(() => codec.encode({ memory }), (error) => {
      assert.ok(error instanceof CodecError);
      assert.match(error.message, /can't cross here/);
      return true;
    });
  }
});

test("shared arrays have a type and a length", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  using one = await SharedArray.open("a", { type: Float64Array, length: 100, directory });
  using two = await SharedArray.open("a", { type: "f64", directory });
  const floats: Float64Array = one.array;
  floats[99] = Math.PI;
  assert.deepEqual([two.length, two.array[99]], [100, Math.PI]);
  await assert.rejects(SharedArray.open("a", { type: "i32", directory }), (error) => {
    assert.ok(error instanceof ParameterMismatchError);
    assert.match(error.message, /elements of f64, but i32/);
    return true;
  });
  const other = SharedArray.open("a", { type: "f64", length: 99, directory });
  await assert.rejects(other, ParameterMismatchError);
  await assert.rejects(SharedArray.open("a", { type: "f16" as never, directory }), ArgumentError);
  for (const length of [0, 1.5, -1]) {
    await assert.rejects(SharedArray.open("b", { type: "u8", length, directory }), ArgumentError);
  }
  using counters = await SharedArray.open("c", { type: Int32Array, length: 2, directory });
  assert.equal(Atomics.add(counters.array, 1, 5), 0);
  using longs = await SharedArray.open("d", { type: "i64", length: 1, directory });
  assert.equal(longs.array[0], 0n);
  const missing = SharedArray.open("b", { type: "u8", directory });
  await assert.rejects(missing, /no shared memory "b": give a `length` in elements/);
  const misspelt = SharedArray.open("b", { type: "u8", size: 5, directory } as never);
  await assert.rejects(misspelt, /no option `size`; there are type, length/);
  for (const options of [undefined, null]) {
    await assert.rejects(SharedArray.open("b", options as never), ArgumentError);
  }
  using small = await SharedMemory.create({ size: 7, directory });
  assert.throws(() => SharedArray.of(small, "f64"), /has 7 bytes, and one element of f64 has 8/);
  assert.equal(SharedArray.of(small, "u32").length, 1);
  using bytes = await SharedMemory.open("a", { directory });
  assert.equal(bytes.size, 800, "as bytes anybody may see it");
});

test("a realm is one member, however many objects it has", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const all: SharedMemory[] = [];
  for (let i = 0; i < 300; i++) all.push(await SharedMemory.open("m", { size: 8, directory }));
  assert.equal(inMemory(scratch).length, 2);
  for (const one of all) one.close();
  assert.deepEqual(scratch.files(), []);
});

const ROOM = 8 * 2 ** 30;
const hasRoom = (): boolean => {
  const { bavail, bsize } = fs.statfsSync("/dev/shm");
  return bavail * bsize > ROOM && os.freemem() > ROOM;
};
const isSmall = !fs.existsSync("/dev/shm") || !hasRoom();

test("memory of more than 2 GiB is there to its last byte", { skip: isSmall }, async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const size = 2 ** 31 + 4096 + 8;
  using memory = await SharedMemory.open("large", { size, directory });
  const array = SharedArray.of(memory, "f64");
  assert.equal(memory.size, size);
  assert.equal(memory.bytes.length, size);
  array.array[array.length - 1] = 7;
  using same = await SharedMemory.open("large", { directory });
  assert.ok(same.bytes.subarray(-8).some((byte) => byte !== 0));
  const mismatch = SharedMemory.open("large", { size: size - 2 ** 31, directory });
  await assert.rejects(mismatch, ParameterMismatchError);
});
