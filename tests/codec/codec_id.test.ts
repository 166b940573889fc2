import assert from "node:assert/strict";
import { test } from "node:test";
import { codecId, codecName } from "../../src/codec/codec_id.ts";

test("numbers are those of every version: they are in shared memory", () => {
  assert.equal(codecId("bytes"), 0);
  // FNV-1a of 32 bits, by its published values.
  assert.equal(codecId(""), 0x811c9dc5);
  assert.equal(codecId("a"), 0xe40c292c);
  assert.equal(codecId("foobar"), 0xbf9cf968);
});

test("numbers are 32 bits without sign, and differ by a letter and by order", () => {
  const names = ["json", "messagepack", "JSON", "nosj", "größe", "x", "", "struct{}", "struct{ }"];
  const ids = names.map(codecId);
  assert.equal(new Set(ids).size, names.length);
  for (const id of ids) assert.equal(id >>> 0, id);
});

test("a number has its name, or is shown", () => {
  for (const name of ["bytes", "json", "messagepack"]) assert.equal(codecName(codecId(name)), name);
  assert.equal(codecName(codecId("a")), "#e40c292c");
  assert.equal(codecName(1), "#1");
});
