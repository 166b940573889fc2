// The hash by which a library in the cache is checked, against the runtime's own.

import { test } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { sha256 } from "../../src/platform/sha256.ts";

test("SHA-256 is what the runtime's own is, at every length around a block and for large ones", () => {
  for (const length of [...Array(200).keys(), 1000, 20_000, 100_003]) {
    const bytes = Uint8Array.from({ length }, (_, index) => index * 31 + (index >>> 8) + length);
    const expected = createHash("sha256").update(bytes).digest("hex");
    assert.equal(sha256(bytes), expected, `${length} bytes`);
  }
});

test("SHA-256 of a part of a buffer is of that part", () => {
  const bytes = new TextEncoder().encode("..abc..").subarray(2, 5);
  assert.equal(sha256(bytes), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
