import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_CAPACITY, MIN_CAPACITY } from "../../src/memory/layout.ts";
import { maxPayload, RECORD_HEADER, recordBytes } from "../../src/ring/record.ts";

test("a record takes its header and payload, padded to 8 bytes", () => {
  assert.deepEqual([0, 1, 7, 8, 9, 16, 17].map(recordBytes), [16, 24, 24, 24, 32, 32, 40]);
});

test("the largest record is a quarter of its ring", () => {
  for (let capacity = MIN_CAPACITY; capacity <= MAX_CAPACITY; capacity *= 2) {
    assert.equal(recordBytes(maxPayload(capacity)), capacity / 4);
    assert.equal(maxPayload(capacity) % 8, 0);
  }
  assert.equal(maxPayload(MIN_CAPACITY), 1024 - RECORD_HEADER);
});
