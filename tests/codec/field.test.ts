import assert from "node:assert/strict";
import { test } from "node:test";
import { FieldError, refuse, showValue } from "../../src/codec/field.ts";
import { ArgumentError } from "../../src/errors.ts";

test("what is wrong is said of the place in the whole, step by step", () => {
  const inner = new FieldError("[1]", "is 300; u8 takes less");
  assert.ok(inner instanceof ArgumentError);
  assert.equal(inner.name, "ArgumentError");
  assert.equal(inner.message, "the struct's field [1] is 300; u8 takes less");
  const outer = inner.within("b").within("[2]").within("a");
  assert.equal(outer.message, "the struct's field a[2].b[1] is 300; u8 takes less");
  const alone = outer.of("the value to be written");
  assert.equal(alone.message, "the value to be written is 300; u8 takes less");
  assert.ok(!(alone instanceof FieldError), "it is in no struct");
});

test("values are shown short, and what they are is to be seen", () => {
  const shown: [unknown, string][] = [
    ["a\n", '"a\\n"'],
    ["x".repeat(40), `"${"x".repeat(40)}"`],
    ["x".repeat(41), `"${"x".repeat(40)}"…`],
    [5n, "5n"],
    [-0.5, "-0.5"],
    [NaN, "NaN"],
    [undefined, "undefined"],
    [true, "true"],
    [null, "null"],
    [[1], "an array"],
    [{}, "an object"],
    [Object.create(null), "an object"],
    [() => 1, "a function"],
    [Symbol("s"), "Symbol(s)"],
  ];
  for (const [value, text] of shown) assert.equal(showValue(value), text);
});

test("a value that isn't there is missing, another one is shown", () => {
  assert.throws(() => refuse("x", undefined, "u8", "a byte"), {
    message: "the struct's field x is missing; u8 takes a byte",
  });
  assert.throws(() => refuse("x", null, "u8", "a byte"), {
    message: "the struct's field x is null; u8 takes a byte",
  });
});
