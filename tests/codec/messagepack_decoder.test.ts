// Messages of a peer that wants to do harm: what they announce isn't believed, and what they
// nest, repeat and refer to is bounded. Memory is measured, since time can't be.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import type { Codec, FunctionTable } from "../../src/codec/codec.ts";
import { decodeFailure, encodeFailure } from "../../src/codec/failure.ts";
import { json } from "../../src/codec/json.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import {
  EXTENDED,
  Kind,
  MAX_BIGINT_BYTES,
  MAX_DEPTH,
  VIEWS,
} from "../../src/codec/messagepack_format.ts";
import { ClosedError, CodecError } from "../../src/errors.ts";

const decode = (...bytes: number[]): unknown => messagePack.decode(Uint8Array.from(bytes));

test("no length makes more than the bytes that are there", () => {
  const huge = [0xff, 0xff, 0xff, 0xf0];
  const messages: number[][] = [
    ...[0xdb, 0xdd, 0xdf, 0xc6].map((token) => [token, ...huge]),
    ...[0xdb, 0xdd, 0xdf, 0xc6].map((token) => [token, 0x01, 0xff, 0xff, 0xff]),
    [0xdc, 0xff, 0xff],
    [0xde, 0xff, 0xff],
    [0x9f],
    [0x8f],
    ...[Kind.map, Kind.set].map((kind) => [EXTENDED, kind, 0xce, ...huge]),
    ...[Kind.buffer, Kind.view].map((kind) => [EXTENDED, kind, 0, 0xc6, ...huge]),
    [EXTENDED, Kind.buffer, 0xc6, ...huge],
    [EXTENDED, Kind.bigint, 0, 0xc6, ...huge],
    [EXTENDED, Kind.error, 8, 0xa0, 0xa0, 0xce, ...huge],
  ];
  const before = process.memoryUsage();
  for (let round = 0; round < 20; round++) {
    for (const message of messages) {
      assert.throws(() => decode(...message), CodecError, String(message));
      assert.throws(() => decode(0x91, ...message), CodecError, String(message));
      assert.throws(() => decode(...message, 0, 0, 0), CodecError, String(message));
    }
  }
  const { rss, external } = process.memoryUsage();
  assert.ok(rss - before.rss < 100e6, `${rss - before.rss} bytes more`);
  assert.ok(external - before.external < 100e6, `${external - before.external} bytes more`);
});

test("arrays within arrays that announce all that follows take no memory for it", () => {
  const size = 1 << 18;
  const message = new Uint8Array(size).fill(0xc0);
  const view = new DataView(message.buffer);
  const depth = MAX_DEPTH - 1;
  for (let at = 0; at < 5 * depth; at += 5) {
    message[at] = 0xdd;
    view.setUint32(at + 1, size - at - 5);
  }
  const before = process.memoryUsage().rss;
  assert.throws(() => messagePack.decode(message), CodecError);
  const more = process.memoryUsage().rss - before;
  assert.ok(more < 300e6, `${more} bytes more for a message of ${size}`);
  let real: unknown = Array.from({ length: 3000 }, (_, i) => i);
  for (let i = 0; i < 8; i++) real = [real, i];
  assert.deepEqual(messagePack.decode(messagePack.encode(real)), real, "those that are there");
});

test("every message that is cut off is an error", () => {
  const cycle: Record<string, unknown> = { list: [{ a: 1 }, { a: 2 }], map: new Map([[1, "x"]]) };
  cycle["self"] = cycle;
  cycle["error"] = Object.assign(new TypeError("message"), {
    detail: [1.5, 2n ** 70n, -5, 70_000],
  });
  cycle["bytes"] = new Uint8Array(5);
  const whole = messagePack.encode([cycle, new Date(5), /x/g, undefined, "é".repeat(50)]);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => messagePack.decode(whole.subarray(0, length)), CodecError, `${length}`);
  }
  assert.throws(() => messagePack.decode(Uint8Array.of(...whole, 0)), /1 bytes are left over/);
});

test("references to what isn't there", () => {
  const tries = [
    [EXTENDED, Kind.again, 0],
    [0x91, EXTENDED, Kind.again, 1],
    [0x91, EXTENDED, Kind.again, 0xce, 0xff, 0xff, 0xff, 0xff],
    [0x91, EXTENDED, Kind.like, 0],
    [0x91, EXTENDED, Kind.like, 5],
    [0x92, 0xc4, 3, 1, 2, 3, EXTENDED, Kind.like, 1, 1, 2, 3],
    [0x92, EXTENDED, Kind.map, 0, EXTENDED, Kind.like, 1],
    [0x91, EXTENDED, Kind.again, 0x90],
    [EXTENDED, Kind.function, 1],
    [EXTENDED, Kind.reference, 1, 0],
    [EXTENDED, Kind.view, 99, 0xc4, 0],
    [EXTENDED, Kind.view, 7, 0xc4, 3, 1, 2, 3],
    [EXTENDED, Kind.expression, 0xa1, 0x28, 0xa0],
    [EXTENDED, Kind.error, 4, 0xa0, 0xa0, 0x05],
    [EXTENDED, 0],
    [0x81, 0x05, 0x05],
    [0xc7],
    [0xd4, 0x72, 0x40],
  ];
  for (const each of tries) assert.throws(() => decode(...each), CodecError, String(each));
  assert.deepEqual(decode(0x92, 0x81, 0xa1, 0x61, 1, EXTENDED, Kind.like, 1, 2), [{ a: 1 }, {
    a: 2,
  }]);
});

test("depth has a limit that has a name, on both sides", () => {
  const nest = (depth: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  for (const codec of [messagePack, json]) {
    codec.decode(codec.encode(nest(MAX_DEPTH)));
    assert.throws(() => codec.encode(nest(MAX_DEPTH + 1)), /deeper than 1000 levels/);
    assert.throws(() => codec.encode(nest(100_000)), CodecError);
  }
  for (const depth of [MAX_DEPTH + 1, 3000, 1_000_000]) {
    const arrays = new Uint8Array(depth + 1).fill(0x91);
    arrays[depth] = 1;
    assert.throws(() => messagePack.decode(arrays), /deeper than 1000 levels/);
    const texts = new TextEncoder().encode("[".repeat(depth) + "]".repeat(depth));
    assert.throws(() => json.decode(texts), /deeper than 1000 levels/);
  }
  const flat = Array.from({ length: 3000 }, (_, i) => [`[{"\\[[[${i}`, { a: "]" }]);
  assert.deepEqual(json.decode(json.encode(flat)), flat);
  for (const kind of [Kind.map, Kind.set]) {
    const step = kind === Kind.map ? [EXTENDED, kind, 1, 1] : [EXTENDED, kind, 1];
    const deep = Array.from({ length: 2000 }, () => step).flat();
    assert.throws(() => decode(...deep, 1), /deeper than 1000 levels/);
  }
  let error = new Error("inner");
  for (let i = 0; i < 5000; i++) error = new Error("outer", { cause: error });
  assert.throws(() => messagePack.encode(error), /deeper than 1000 levels/);
  for (const codec of [messagePack, json]) {
    const copy = decodeFailure(codec, encodeFailure(codec, error, true)) as Error;
    assert.equal(copy.message, "outer");
    assert.equal((copy.cause as Error).message, "outer");
  }
});

/** Errors whose `errors` are the same one again and again: `fan` to the power of `levels`. */
function bomb(fan: number, levels: number): AggregateError {
  let error: Error = new Error("leaf");
  for (let i = 0; i < levels; i++) error = new AggregateError(new Array(fan).fill(error), "all");
  return error as AggregateError;
}

test("errors in errors are as many as there are, or cut", () => {
  const error = bomb(30, 8);
  const encoded = messagePack.encode(error);
  assert.ok(encoded.length < 10_000, `${encoded.length} bytes`);
  const copy = messagePack.decode(encoded) as AggregateError;
  assert.equal(copy.errors.length, 30);
  assert.equal(copy.errors[0], copy.errors[29]);
  const plain: Codec = { ...messagePack, carriesErrors: false };
  for (const codec of [messagePack, json, plain]) {
    const failure = encodeFailure(codec, error, true);
    assert.ok(failure.length < 2_000_000, `${codec.name}: ${failure.length} bytes`);
    assert.ok(decodeFailure(codec, failure) instanceof AggregateError);
  }
  // What describes the same object again and again is made out once for each place, up to a limit.
  let failure: unknown = { name: "Error", message: "leaf" };
  for (let i = 0; i < 8; i++) {
    failure = { name: "AggregateError", message: "all", errors: new Array(30).fill(failure) };
  }
  assert.ok(decodeFailure(plain, plain.encode(failure)) instanceof AggregateError);
});

test("shared references that unfold stay shared", () => {
  let value: unknown = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key${i}`, i]));
  for (let i = 0; i < 8; i++) value = new Array(60).fill(value);
  const encoded = messagePack.encode(value);
  assert.ok(encoded.length < 5000, `${encoded.length} bytes`);
  const copy = messagePack.decode(encoded) as unknown[];
  assert.equal(copy[0], copy[59]);
  assert.throws(() => messagePack.decode(Uint8Array.of(...encoded, 0)), /left over/);
});

test("big integers have a limit", () => {
  const largest = 2n ** BigInt(8 * MAX_BIGINT_BYTES) - 1n;
  assert.equal(messagePack.decode(messagePack.encode(largest)), largest);
  assert.equal(messagePack.decode(messagePack.encode(-largest)), -largest);
  assert.throws(() => messagePack.encode([largest + 1n]), /a bigint of 65537 bytes; at most 65536/);
  const size = [0xc6, 0, 1, 0, 1];
  const message = new Uint8Array(3 + size.length + MAX_BIGINT_BYTES + 1).fill(0xff);
  message.set([EXTENDED, Kind.bigint, 0, ...size]);
  assert.throws(() => messagePack.decode(message), /at most 65536/);
});

test("no key is taken for another one whose characters are its bytes", () => {
  const encoder = new TextEncoder();
  // Among these are keys that share a place with that other one.
  for (let code = 0x9380; code < 0x9400; code++) {
    const key = String.fromCharCode(code);
    const other = String.fromCharCode(...encoder.encode(key));
    messagePack.decode(messagePack.encode({ [other]: 1 }));
    const copy = messagePack.decode(messagePack.encode({ [key]: 2 })) as object;
    assert.deepEqual(Object.keys(copy), [key]);
  }
});

test("keys that share a place in the table of keys", () => {
  for (let i = 0; i < 20_000; i++) {
    const value = { [`k${i}`]: i, [`${i}k`]: -i };
    assert.deepEqual(messagePack.decode(messagePack.encode(value)), value);
  }
});

test("numbers of every width, as other libraries write them too", () => {
  const cases: [number[], unknown][] = [
    [[0x7f], 127],
    [[0xe0], -32],
    [[0xff], -1],
    [[0xcc, 0x05], 5],
    [[0xcc, 0xff], 255],
    [[0xcd, 0xff, 0xfe], 65_534],
    [[0xce, 0xff, 0xff, 0xff, 0xff], 2 ** 32 - 1],
    [[0xcf, 0x80, 0, 0, 0, 0, 0, 0, 1], 2n ** 63n + 1n],
    [[0xd0, 0x80], -128],
    [[0xd0, 0x7f], 127],
    [[0xd1, 0x80, 0x00], -32_768],
    [[0xd2, 0x80, 0, 0, 0], -(2 ** 31)],
    [[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], -(2n ** 63n)],
    [[0xca, 0x3f, 0x80, 0, 0], 1],
    [[0xcb, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0], -1.5],
    [[0xc0], null],
    [[0xc2], false],
    [[0xc3], true],
    [[0xd9, 1, 0x61], "a"],
    [[0xda, 0, 1, 0x61], "a"],
    [[0xdb, 0, 0, 0, 1, 0x61], "a"],
    [[0xdc, 0, 1, 7], [7]],
    [[0xdd, 0, 0, 0, 1, 7], [7]],
    [[0xde, 0, 1, 0xd9, 1, 0x61, 7], { a: 7 }],
    [[0xdf, 0, 0, 0, 1, 0xa1, 0x61, 7], { a: 7 }],
    [[0xc5, 0, 1, 7], Uint8Array.of(7)],
    [[0xc6, 0, 0, 0, 1, 7], Uint8Array.of(7)],
  ];
  for (const [bytes, value] of cases) {
    assert.deepEqual(decode(...bytes), value, String(bytes));
    // In the middle of other memory, whose neighbours aren't of the message.
    const padded = Uint8Array.of(0xc1, 0xc1, 0xc1, ...bytes, 0xc1);
    assert.deepEqual(messagePack.decode(padded.subarray(3, -1)), value, String(bytes));
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => messagePack.decode(padded.subarray(3, 3 + length)), CodecError);
    }
  }
});

test("bytes that begin no value, and extensions of the standard, are named", () => {
  for (const token of [0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
    assert.throws(
      () => decode(token, 1, 1, 1, 1),
      new RegExp(`can't read these 5 bytes: there is no value that begins with the byte ${token}`),
    );
  }
  const kinds: number[] = Object.values(Kind);
  for (let kind = 0; kind < 256; kind++) {
    if (kinds.includes(kind)) continue;
    assert.throws(() => decode(EXTENDED, kind, 0, 0), new RegExp(`no kind ${kind} of values`));
  }
});

test("views are aligned wherever their bytes are, and are whole elements", () => {
  for (const [index, name] of VIEWS.entries()) {
    const View = (globalThis as unknown as Record<string, new (buffer: ArrayBuffer) => unknown>)[
      name
    ];
    if (View === undefined) continue;
    for (let offset = 0; offset < 8; offset++) {
      const bytes = Array.from({ length: 16 }, (_, i) => i + 1);
      const message = [EXTENDED, Kind.view, index, 0xc4, 16, ...bytes];
      const memory = Uint8Array.of(...new Array<number>(offset).fill(0xff), ...message);
      const view = messagePack.decode(memory.subarray(offset)) as ArrayBufferView;
      assert.equal(Object.prototype.toString.call(view), `[object ${name}]`);
      assert.equal(view.buffer.byteLength, 16);
      assert.deepEqual([...new Uint8Array(view.buffer)], bytes);
    }
    if (name === "DataView" || name.includes("8")) continue;
    assert.throws(() => decode(EXTENDED, Kind.view, index, 0xc4, 1, 1), CodecError, name);
  }
});

test("after an error the next message is read as if there had been none", () => {
  const whole = messagePack.encode([{ a: 1, b: [] }, { a: 2, b: [] }]);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => messagePack.decode(whole.subarray(0, length)), CodecError);
    // Objects and depth of the broken message don't count.
    assert.throws(() => decode(0x91, EXTENDED, Kind.again, 1), /no object 1 yet/);
    assert.deepEqual(messagePack.decode(whole), [{ a: 1, b: [] }, { a: 2, b: [] }]);
  }
});

test("what a table throws: an error of the library stays, another one is the cause", () => {
  const closed = new ClosedError("it");
  const odd = new RangeError("odd");
  const functions = (error: Error): FunctionTable => ({
    exportFunction: () => 0,
    importFunction: () => {
      throw error;
    },
  });
  const message = Uint8Array.of(0x91, EXTENDED, Kind.function, 5);
  assert.throws(() => messagePack.decode(message, functions(closed)), (got) => got === closed);
  assert.throws(
    () => messagePack.decode(message, functions(odd)),
    (got) => got instanceof CodecError && got.cause === odd && got.message.endsWith(": odd"),
  );
});

test("an object by reference has its number before what stands for it is read", () => {
  const imported: unknown[] = [];
  const functions = {
    exportFunction: () => 0,
    importFunction: () => () => Promise.resolve(),
    references: [{
      tag: 9,
      matches: () => false,
      exportObject: () => undefined,
      importObject: (value: unknown) => {
        imported.push(value);
        return { value };
      },
    }],
  };
  // [reference 9 of [7], that reference again, what stands for it again]
  const message = Uint8Array.of(
    ...[0x93, EXTENDED, Kind.reference, 9, 0x91, 7],
    ...[EXTENDED, Kind.again, 1, EXTENDED, Kind.again, 2],
  );
  const list = messagePack.decode(message, functions) as unknown[];
  assert.deepEqual(imported, [[7]]);
  assert.deepEqual(list[0], { value: [7] });
  assert.equal(list[1], list[0]);
  assert.equal(list[2], imported[0]);
  const other = Uint8Array.of(EXTENDED, Kind.reference, 8, 0);
  assert.throws(() => messagePack.decode(other, functions), /by reference arrived \(8\)/);
});
