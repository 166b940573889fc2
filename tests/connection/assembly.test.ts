import assert from "node:assert/strict";
import { test } from "node:test";
import { Assembly } from "../../src/connection/assembly.ts";
import { pattern } from "../support/ring.ts";

const beginning = { kind: 1, flags: 2, method: 3, correlation: 4, extra: 5 };

test("pieces become a whole", () => {
  const whole = pattern(10_000, 1);
  const assembly = new Assembly(beginning);
  assert.deepEqual(assembly.beginning, beginning);
  for (const [from, to] of [[0, 0], [0, 1], [1, 5000], [5000, 5000], [5000, 10_000]]) {
    assembly.add(whole.subarray(from, to), 10_000);
  }
  assert.equal(assembly.size, 10_000);
  assert.equal(assembly.isTooLarge, false);
  assert.deepEqual(assembly.join(), whole);
});

test("no pieces are an empty whole", () => {
  assert.deepEqual(new Assembly(beginning).join(), new Uint8Array(0));
});

test("over the limit nothing is kept, but all is counted", () => {
  const assembly = new Assembly(beginning);
  assembly.add(new Uint8Array(100), 150);
  assert.equal(assembly.isTooLarge, false);
  assembly.add(new Uint8Array(51), 150);
  assert.equal(assembly.isTooLarge, true);
  assembly.add(new Uint8Array(0), 1_000_000);
  assembly.add(new Uint8Array(49), 150);
  assert.equal(assembly.isTooLarge, true);
  assert.equal(assembly.size, 200);
});
