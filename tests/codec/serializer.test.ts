import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, CodecError, serializer } from "../../mod.ts";

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
