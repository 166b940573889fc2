import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, array, bool, f64, fixedString, i16, struct, u32, u8 } from "../../mod.ts";

test("elements lie behind each other, aligned as one of them", () => {
  const list = array(i16, 3);
  assert.deepEqual([list.label, list.size, list.alignment], ["i16[3]", 6, 2]);
  const nested = array(array(struct({ a: u8, b: u32 }), 2), 3);
  assert.deepEqual([nested.size, nested.alignment], [3 * 2 * 8, 4]);
  const data = new DataView(new Uint8Array(12).fill(0xee).buffer, 1);
  list.write(data, 2, [1, -2, 3], "x");
  assert.deepEqual(
    [...new Uint8Array(data.buffer)],
    [0xee, 0xee, 0xee, 1, 0, 0xfe, 0xff, 3, 0, 0xee, 0xee, 0xee],
  );
  assert.deepEqual(list.read(data, 2), [1, -2, 3]);
});

test("a value has exactly so many elements, and the wrong one is named", () => {
  const list = array(u8, 3);
  const data = new DataView(new ArrayBuffer(3));
  for (const value of [[1, 2, 3], Uint8Array.of(1, 2, 3), { length: 3, 0: 1, 1: 2, 2: 3 }]) {
    list.write(data, 0, value as number[], "x");
    assert.deepEqual(list.read(data, 0), [1, 2, 3]);
  }
  const wrong: [unknown, RegExp][] = [
    [[], /field x has 0 elements; u8\[3\] takes 3/],
    [[1, 2, 3, 4], /field x has 4 elements/],
    ["123", /field x is "123"; u8\[3\] takes an array of 3 elements/],
    [undefined, /field x is missing; u8\[3\]/],
    [null, /field x is null/],
    [{}, /field x is an object/],
    [new Set([1, 2, 3]), /field x is an object/],
    [[1, 256, 3], /field x\[1\] is 256; u8 takes/],
    [[1, 2, undefined], /field x\[2\] is missing; u8 takes/],
    // deno-lint-ignore no-sparse-arrays -- a hole is no number
    [[, 2, 3], /field x\[0\] is missing; u8 takes/],
  ];
  for (const [value, message] of wrong) {
    assert.throws(
      () => list.write(data, 0, value as number[], "x"),
      (error) => error instanceof ArgumentError && message.test(error.message),
      String(message),
    );
  }
  const grid = array(array(struct({ on: bool }), 2), 2);
  const value = [[{ on: true }, { on: false }], [{ on: true }, { on: 1 as never }]];
  assert.throws(
    () => grid.write(new DataView(new ArrayBuffer(4)), 0, value, "grid"),
    /field grid\[1\]\[1\]\.on is 1; bool takes/,
  );
});

test("an element that throws its own error throws that", () => {
  const own = new RangeError("mine");
  const list = Object.defineProperty([1, 2, 3], 1, {
    get() {
      throw own;
    },
  });
  const data = new DataView(new ArrayBuffer(3));
  assert.throws(() => array(u8, 3).write(data, 0, list, "x"), (error) => error === own);
});

test("a view of numbers and texts reads and writes in place, and no further", () => {
  const Row = struct({ before: u32, list: array(f64, 3), names: array(fixedString(3), 2) });
  const memory = new Uint8Array(2 * Row.size);
  const view = Row.view(memory).at(1);
  const { list, names } = view;
  assert.deepEqual([list.length, names.length], [3, 2]);
  for (let i = 0; i < 3; i++) list.set(i, i + 0.5);
  names.set(1, "é");
  assert.deepEqual([...list], [0.5, 1.5, 2.5]);
  assert.deepEqual([...names], ["", "é"]);
  assert.deepEqual(Row.decode(memory.slice(Row.size)).list, [0.5, 1.5, 2.5]);
  assert.ok(memory.subarray(0, Row.size).every((byte) => byte === 0), "the other row");
  const before = memory.slice();
  for (const index of [3, -1, 0.5, NaN, Infinity, 2 ** 32, "0", undefined] as number[]) {
    assert.throws(() => list.get(index), /is outside of an array of 3 elements/, String(index));
    assert.throws(() => list.set(index, 1), /is outside of an array of 3 elements/);
  }
  assert.throws(() => list.set(1, "1" as never), /field \[1\] is "1"; f64 takes a number/);
  assert.throws(() => names.set(0, "toolong"), /field \[0\] is "toolong", 7 bytes/);
  assert.deepEqual(memory, before, "nothing was written");
  // The view goes with its struct.
  view.at(0);
  assert.equal(view.list, list);
  assert.deepEqual([...view.list], [0, 0, 0]);
});

test("a view of structs and arrays is one that moves", () => {
  const Grid = struct({ id: u8, rows: array(array(struct({ x: u8, y: i16 }), 2), 3) });
  const memory = new Uint8Array(Grid.size);
  const view = Grid.view(memory);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 2; column++) {
      const cell = view.rows.at(row).at(column);
      cell.x = row;
      cell.y = -column;
    }
  }
  const rows = [0, 1, 2].map((x) => [0, 1].map((column) => ({ x, y: 0 - column })));
  assert.deepEqual(Grid.decode(memory), { id: 0, rows });
  assert.equal(view.rows.at(0), view.rows.at(1));
  assert.deepEqual(Array.from(view.rows, (row) => Array.from(row, (cell) => cell.get())), rows);
  for (const index of [3, -1, 0.5, NaN]) {
    assert.throws(() => view.rows.at(index), /outside of an array of 3 elements/);
  }
  assert.throws(() => view.rows.at(2).at(2), /outside of an array of 2 elements/);
});

test("what can't be an array", () => {
  for (const length of [0, -1, 1.5, NaN, 2 ** 28 + 1, "3", undefined] as number[]) {
    assert.throws(() => array(u8, length), /the length of an array is a whole number from 1/);
  }
  assert.throws(() => array(f64, 2 ** 28), /the size of an array, in bytes, is a whole number/);
  for (const element of [5, null, undefined, "u8", {}] as never[]) {
    assert.throws(() => array(element, 2), /`array` takes a field, such as f64 or a struct/);
  }
});
