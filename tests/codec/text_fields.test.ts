import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, fixedBytes, fixedString, struct } from "../../mod.ts";

test("texts of every length, and what C may leave there", () => {
  const Text = struct({ text: fixedString(40) });
  for (
    const text of ["", "a", "é", "日本語", "x".repeat(31), "y".repeat(32), "z".repeat(40), "😀"]
  ) {
    assert.deepEqual(Text.decode(Text.encode({ text })), { text });
    const view = Text.view(new Uint8Array(40).fill(0x7a));
    view.text = text;
    assert.equal(view.text, text);
  }
  const bytes = new Uint8Array(40);
  bytes.set([0x61, 0xff, 0x62]);
  assert.equal(Text.decode(bytes).text, "a\ufffdb", "what isn't UTF-8");
  bytes.set([0x61, 0, 0x62]);
  assert.equal(Text.decode(bytes).text, "a", "what is behind the end");
});

const encoder = new TextEncoder();

/** What a field of so many bytes reads of these, among others. */
function read(size: number, bytes: Uint8Array): string {
  const memory = new Uint8Array(size + 10).fill(0x7a);
  memory.fill(0, 5, 5 + size);
  memory.set(bytes, 5);
  return fixedString(size).read(new DataView(memory.buffer, 2), 3);
}

test("a text fits up to its last byte, and is filled up with zeros", () => {
  for (const text of ["abcdefgh", "größeé", "日本ab", "😀😀", "abcdef日".slice(1)]) {
    const { length } = encoder.encode(text);
    for (const size of [length, length + 1, length + 40]) {
      const memory = new Uint8Array(size + 10).fill(0xee);
      fixedString(size).write(new DataView(memory.buffer, 2), 3, text, "x");
      const expected = [...encoder.encode(text), ...new Array<number>(size - length).fill(0)];
      assert.deepEqual([...memory.subarray(5, 5 + size)], expected);
      assert.ok([...memory.subarray(0, 5), ...memory.subarray(5 + size)].every((b) => b === 0xee));
      assert.equal(fixedString(size).read(new DataView(memory.buffer, 2), 3), text);
    }
    const data = new DataView(new ArrayBuffer(length));
    assert.throws(
      () => fixedString(length - 1).write(data, 0, text, "name"),
      (error) =>
        error instanceof ArgumentError && error.message.includes(
          `field name is "${text}", ${length} bytes of UTF-8; ` +
            `string(${length - 1}) takes at most ${length - 1}`,
        ),
    );
  }
});

test("a text that is cut inside of a character ends in U+FFFD, and reads nothing behind", () => {
  for (const prefix of ["", "abc", "x".repeat(30), "y".repeat(40)]) {
    for (const letter of ["é", "日", "😀"]) {
      const whole = encoder.encode(prefix + letter);
      const before = prefix.length;
      for (let length = before + 1; length < whole.length; length++) {
        assert.equal(read(length, whole.subarray(0, length)), `${prefix}\ufffd`);
        // The same where a zero cuts it.
        assert.equal(read(length + 4, whole.subarray(0, length)), `${prefix}\ufffd`);
      }
      assert.equal(read(whole.length, whole), prefix + letter);
    }
  }
});

test("what isn't UTF-8 is U+FFFD, and no length of text is read otherwise", () => {
  for (let length = 1; length < 70; length++) {
    const bytes = new Uint8Array(length).fill(0x61);
    assert.equal(read(length, bytes), "a".repeat(length));
    for (const wrong of [0x80, 0xc0, 0xff]) {
      bytes[length - 1] = wrong;
      assert.equal(read(length, bytes), `${"a".repeat(length - 1)}\ufffd`);
    }
  }
  assert.equal(read(8, Uint8Array.of(0xed, 0xa0, 0x80)), "\ufffd\ufffd\ufffd", "a surrogate");
  assert.equal(read(8, encoder.encode("\ufeffa")), "\ufeffa", "a byte order mark is a character");
});

test("U+0000 and half of a pair are refused wherever they are, and views refuse them too", () => {
  const view = struct({ text: fixedString(60) }).view(new Uint8Array(60));
  for (const before of ["", "a", "é", "x".repeat(50)]) {
    for (const after of ["", "b", "é"]) {
      const zero = `${before}\0${after}`;
      assert.throws(() => view.text = zero, new RegExp(`holds U\\+0000 at ${before.length}`));
      for (const half of ["\ud83d", "\ude00"]) {
        assert.throws(() => view.text = before + half + after, /holds half of a surrogate pair/);
      }
    }
  }
  for (const value of [5, null, undefined, ["a"], {}, Symbol.iterator] as unknown[]) {
    assert.throws(() => view.text = value as string, ArgumentError);
  }
});

test("bytes are exactly as many, of a Buffer too, and reading gives a copy", () => {
  const Key = struct({ key: fixedBytes(4) });
  const memory = new Uint8Array(4);
  const view = Key.view(memory);
  for (const value of [Uint8Array.of(1, 2, 3, 4), Buffer.from([1, 2, 3, 4])]) {
    view.key = value;
    const copies = [view.key, Key.decode(memory).key, Key.decode(Key.encode({ key: value })).key];
    memory.fill(9);
    for (const copy of copies) {
      assert.deepEqual(copy, Uint8Array.of(1, 2, 3, 4));
      assert.equal(copy.buffer.byteLength, 4);
    }
  }
  for (const length of [0, 3, 5]) {
    assert.throws(() => view.key = new Uint8Array(length), /field key has \d bytes; bytes\(4\) ta/);
  }
  for (const value of [new ArrayBuffer(4), new Uint16Array(4), "abcd", [1, 2, 3, 4], null]) {
    assert.throws(() => view.key = value as never, /bytes\(4\) takes a Uint8Array of 4 bytes/);
  }
  assert.ok(memory.every((byte) => byte === 9), "what was there stays");
});

test("sizes that no field has name what has", () => {
  for (const size of [0, -1, 1.5, NaN, Infinity, 2 ** 28 + 1, "4", 4n, null] as number[]) {
    assert.throws(() => fixedString(size), /size of a fixed string.* from 1 to 268435456, got/);
    assert.throws(() => fixedBytes(size), /size of fixed bytes.* from 1 to 268435456, got/);
  }
  assert.equal(fixedString(2 ** 28).size, 2 ** 28);
  assert.deepEqual([fixedString(3).label, fixedBytes(3).label], ["string(3)", "bytes(3)"]);
  assert.deepEqual([fixedString(3).alignment, fixedBytes(3).alignment], [1, 1]);
});
