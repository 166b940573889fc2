import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError } from "../../src/errors.ts";
import { checkCapacity } from "../../src/memory/capacity.ts";
import { MAX_CAPACITY, MIN_CAPACITY } from "../../src/memory/layout.ts";

test("powers of two within the limits are capacities", () => {
  for (let capacity = MIN_CAPACITY; capacity <= MAX_CAPACITY; capacity *= 2) {
    assert.equal(checkCapacity(capacity), capacity);
  }
});

test("anything else is refused, with what it was", () => {
  const wrong = [0, 1, 2048, 4095, 4097, 6000, 2 ** 31, 2 ** 52, -4096, 4096.5, NaN, Infinity];
  for (const value of [...wrong, "4096", null, undefined, 4096n]) {
    assert.throws(() => checkCapacity(value as number), (error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(error.message, /power of two from 4096 to 1073741824 bytes, got /);
      const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
      assert.ok(error.message.endsWith(`got ${shown}`), error.message);
      return true;
    });
  }
});
