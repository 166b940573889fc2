// Payloads whose every byte can be checked by who receives them.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(size: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array((size + 3) >> 2);
  let state = (seed + 1) * 2654435761 >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}

/** The same bytes, or an error that says where they differ. */
export function checkBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert.ok(actual instanceof Uint8Array, `bytes, not ${actual}`);
  assert.equal(actual.length, expected.length, "length");
  if (Buffer.compare(actual, expected) === 0) return;
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] !== expected[i]) {
      assert.fail(`byte ${i} of ${expected.length} is ${actual[i]}, not ${expected[i]}`);
    }
  }
}

/** A number as a payload, followed by as much padding as is asked for. */
export function numbered(number: number, size = 4): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(size).fill(number & 0xff);
  new DataView(payload.buffer).setUint32(0, number);
  return payload;
}

/** The number in a payload; an error if its padding isn't what it was. */
export function numberIn(payload: Uint8Array | undefined): number {
  assert.ok(payload instanceof Uint8Array && payload.length >= 4, "a numbered payload");
  const number = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  assert.ok(payload.subarray(4).every((byte) => byte === (number & 0xff)), "padding");
  return number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);
export const text = (payload: Uint8Array | undefined): string => decoder.decode(payload);
