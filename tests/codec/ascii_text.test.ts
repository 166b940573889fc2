import assert from "node:assert/strict";
import { test } from "node:test";
import { asciiText } from "../../src/codec/ascii_text.ts";

/** Different bytes at each place, all of them ASCII. */
const bytes = new Uint8Array(64).map((_, i) => (i * 37 + 1) & 0x7f);

test("texts of every length, from any place, with nothing of their neighbours", () => {
  for (let start = 0; start < 10; start++) {
    for (let length = 0; length <= 40; length++) {
      const end = start + length;
      const expected = new TextDecoder().decode(bytes.subarray(start, end));
      assert.equal(asciiText(bytes, start, end), expected, `${start} to ${end}`);
      const among = new Uint8Array(64).fill(0xff);
      among.set(bytes.subarray(start, end), start);
      assert.equal(asciiText(among, start, end), expected, `${start} to ${end}`);
    }
  }
});

test("a byte that isn't ASCII is found wherever it is", () => {
  for (let length = 1; length <= 40; length++) {
    for (let at = 0; at < length; at++) {
      for (const byte of [0x80, 0xc3, 0xff]) {
        const copy = bytes.slice();
        copy[3 + at] = byte;
        assert.equal(asciiText(copy, 3, 3 + length), undefined, `${at} of ${length}`);
      }
    }
  }
});

test("each ASCII byte is its character, U+0000 too", () => {
  for (let byte = 0; byte < 0x80; byte++) {
    for (const length of [1, 2, 3, 4, 8]) {
      const text = asciiText(new Uint8Array(length).fill(byte), 0, length);
      assert.equal(text, String.fromCharCode(byte).repeat(length));
    }
  }
});
