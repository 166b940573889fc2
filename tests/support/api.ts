/**
 * Opening things in a scratch directory, both sides in one realm or one of them on
 * another thread.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import type { Scratch } from "./scratch.ts";

/** What was thrown, or rejected with. */
export async function errorOf(task: () => unknown): Promise<Error> {
  try {
    await task();
  } catch (error) {
    assert.ok(error instanceof Error, `${String(error)} is no Error`);
    return error;
  }
  throw new assert.AssertionError({ message: "no error" });
}

/** Everything was closed: no file and no folder is left. */
export function assertEmpty(scratch: Scratch): void {
  assert.deepEqual(fs.readdirSync(scratch.path, { recursive: true }), []);
}

/** Text as bytes. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes as text. */
export function textOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "nothing" : new TextDecoder().decode(bytes);
}
