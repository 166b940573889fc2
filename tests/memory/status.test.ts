import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { CausewayError } from "../../src/errors.ts";
import { statusError } from "../../src/memory/status.ts";
import { Status } from "../../src/platform/binding.ts";
import { native } from "../support/scratch.ts";

test("every status of the shim's header is known here, with its number", () => {
  const header = fs.readFileSync(new URL("../../csrc/causeway.h", import.meta.url), "utf8");
  const inC = [...header.matchAll(/\bCW_(OK|E[A-Z]+) = (-?\d+)/g)].map((match) => Number(match[2]));
  assert.deepEqual(Object.values(Status).sort((a, b) => a - b), inC.sort((a, b) => a - b));
});

test("every failure is an error of ours that names the path and what was tried", () => {
  for (const [name, status] of Object.entries(Status)) {
    if (status === 0) continue;
    const error = statusError(native.shim, status, "open the segment", "/some/path");
    assert.ok(error instanceof CausewayError, name);
    assert.match(error.message, /\/some\/path/, name);
  }
});

test("what the system said is in the message", () => {
  const path = new TextEncoder().encode(`/proc/${"x".repeat(300)}\0`);
  const status = native.shim.cw_directory_prepare(path);
  assert.ok(status < 0);
  const error = statusError(native.shim, Status.system, "make", "/some/path");
  assert.match(error.message, /error \d+\)/);
});
