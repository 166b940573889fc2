// Values of every type that a call must carry, and their comparison.

import assert from "node:assert/strict";

/** One value per line; each call makes new ones. */
// deno-fmt-ignore: it is a table
export function structuredValues(): Record<string, unknown> {
  const shared = { both: 1 };
  const cycle: Record<string, unknown> = { list: [1, 2] };
  cycle["self"] = cycle;
  const cyclicMap = new Map<string, unknown>([["a", 1]]);
  cyclicMap.set("map", cyclicMap);
  return {
    text: ["", "a", "naïve · 日本語 · 👩‍👩‍👧 · \u0000 · \u{10FFFF}", "x".repeat(100_000)],
    numbers: [0, 1, -1, 127, 128, 255, 256, 65535, 65536, -32769, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 64],
    fractions: [0.1, -1.5, Math.PI, Number.MIN_VALUE, Number.MAX_VALUE, NaN, Infinity, -Infinity],
    bigints: [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 64n, 2n ** 200n, -(2n ** 200n)],
    nothing: [null, undefined, [undefined], { here: undefined }],
    booleans: [true, false],
    dates: [new Date(0), new Date(1), new Date(-1), new Date("2026-02-28T12:34:56.789Z"), new Date(8.64e15)],
    noDate: [new Date(NaN)],
    lists: [[], [1, [2, [3, []]]], Array.from({ length: 70_000 }, (_, i) => i)],
    objects: [{}, { a: { b: { c: {} } } }, { "": 1, "a b": 2, "日本": 3, "1": 4 }],
    manyKeys: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key${i}`, i])),
    maps: [new Map(), new Map<unknown, unknown>([[1, "a"], ["1", "b"], [null, { c: new Map([[{ d: 1 }, 2]]) }]])],
    sets: [new Set(), new Set<unknown>([1, "1", null, [1]])],
    expressions: [/a/, /^[\w-]+$/giu, /\//y],
    buffers: [new ArrayBuffer(0), new Uint8Array([1, 2, 3]).buffer],
    bytes: [new Uint8Array(0), new Uint8Array([0, 255]), new Uint8Array(70_000).fill(7)],
    views: [
      new Int8Array([-128, 127]), new Uint8ClampedArray([0, 255]), new Int16Array([-32768, 32767]), new Uint16Array([65535]),
      new Int32Array([-(2 ** 31), 2 ** 31 - 1]), new Uint32Array([2 ** 32 - 1]), new Float32Array([0.5, -0, Infinity]),
      new Float64Array([Math.PI, NaN]), new BigInt64Array([-(2n ** 63n)]), new BigUint64Array([2n ** 64n - 1n]),
      new DataView(new Uint8Array([9, 8, 7]).buffer),
    ],
    errors: [new Error("plain"), new TypeError("type"), new RangeError("range", { cause: new Error("deeper") })],
    sharedReference: [shared, shared],
    cycle,
    cyclicMap,
  };
}

/** Equal, with types, key order aside; and shared and cyclic references where they were. */
export function checkValue(actual: unknown, expected: unknown, path = "value"): void {
  check(actual, expected, path, new Map());
}

/** `seen`: expected objects and what was found in their place. */
function check(
  actual: unknown,
  expected: unknown,
  path: string,
  seen: Map<object, unknown>,
): void {
  if (typeof expected !== "object" || expected === null) {
    assert.ok(Object.is(actual, expected), `${path} is ${String(actual)}, not ${String(expected)}`);
    return;
  }
  if (seen.has(expected)) {
    assert.equal(seen.get(expected) === actual, true, `${path} is the same object as before`);
    return;
  }
  seen.set(expected, actual);
  assert.ok(typeof actual === "object" && actual !== null, `${path} is an object`);
  assert.equal(tag(actual), tag(expected), `type of ${path}`);
  for (const [key, value] of partsOf(expected)) {
    const found = partsOf(actual).get(key);
    assert.ok(partsOf(actual).has(key), `${path} has ${key}`);
    check(found, value, `${path}.${key}`, seen);
  }
  assert.equal(partsOf(actual).size, partsOf(expected).size, `number of parts of ${path}`);
}

function tag(value: object): string {
  return value instanceof Error ? value.name : Object.prototype.toString.call(value);
}

const cache = new WeakMap<object, Map<string, unknown>>();

/** What an object is made of. */
function partsOf(value: object): Map<string, unknown> {
  let parts = cache.get(value);
  if (parts === undefined) cache.set(value, parts = new Map(listParts(value)));
  return parts;
}

function listParts(value: object): [string, unknown][] {
  if (value instanceof Map) {
    return [...value].flatMap(([key, item], i) => [[`key${i}`, key], [`item${i}`, item]]);
  }
  if (value instanceof Set) return [...value].map((item, i) => [`item${i}`, item]);
  if (value instanceof Date) return [["time", value.getTime()]];
  if (value instanceof RegExp) return [["expression", String(value)]];
  if (value instanceof ArrayBuffer) return [["bytes", hex(new Uint8Array(value))]];
  if (ArrayBuffer.isView(value)) {
    return [["bytes", hex(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))]];
  }
  if (value instanceof Error) {
    return value.cause === undefined
      ? [["message", value.message]]
      : [["message", value.message], ["cause", value.cause]];
  }
  return Object.entries(value);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
