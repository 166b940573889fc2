import assert from "node:assert/strict";
import { test } from "node:test";
import { checkCapacity } from "../../src/memory/capacity.ts";
import { checkTimeout } from "../../src/options.ts";
import { limitsOf } from "../../src/connection/options.ts";
import { ArgumentError } from "../../src/errors.ts";
import { MAX_CAPACITY, MIN_CAPACITY } from "../../src/memory/layout.ts";

test("timeouts", () => {
  assert.equal(checkTimeout(undefined), 30_000);
  assert.equal(checkTimeout(undefined, 5), 5);
  for (const good of [0, 0.5, 1e12, Infinity]) assert.equal(checkTimeout(good), good);
  for (const bad of [-1, -0.1, NaN, "5", null, {}, 5n]) {
    assert.throws(() => checkTimeout(bad as number), ArgumentError);
  }
});

test("capacities", () => {
  for (let capacity = MIN_CAPACITY; capacity <= MAX_CAPACITY; capacity *= 2) {
    assert.equal(checkCapacity(capacity), capacity);
  }
  const bad = [0, 1, 2048, 4095, 4097, 6144, MAX_CAPACITY * 2, 2 ** 32 + 4096, -4096, 4096.5, NaN];
  for (const capacity of [...bad, Infinity, "4096" as unknown as number]) {
    assert.throws(() => checkCapacity(capacity), ArgumentError, String(capacity));
  }
});

test("limits", () => {
  assert.deepEqual(limitsOf({}), {
    sendQueueBytes: 16 << 20,
    maxMessageBytes: 1 << 30,
    borrow: false,
    streamWindowBytes: 1 << 20,
  });
  assert.deepEqual(limitsOf({ sendQueueBytes: 0, maxMessageBytes: 2 ** 31 - 1 }, true), {
    sendQueueBytes: 0,
    maxMessageBytes: 2 ** 31 - 1,
    borrow: true,
    streamWindowBytes: 1 << 20,
  });
  for (const value of [-1, 0.5, NaN, Infinity, 2 ** 31, "1" as unknown as number]) {
    assert.throws(() => limitsOf({ sendQueueBytes: value }), ArgumentError);
    assert.throws(() => limitsOf({ maxMessageBytes: value }), ArgumentError);
    assert.throws(() => limitsOf({ streamWindowBytes: value }), ArgumentError);
  }
});

test("a window of nothing", () => {
  assert.throws(() => limitsOf({ streamWindowBytes: 0 }), ArgumentError);
});
