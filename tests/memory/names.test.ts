import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError } from "../../src/errors.ts";
import {
  checkName,
  encodeName,
  isNodeId,
  MAX_FILE_NAME,
  randomNodeId,
  readNodeId,
  writeNodeId,
} from "../../src/memory/names.ts";
import { native } from "../support/scratch.ts";
import { Random } from "../support/random.ts";

test("lower-case letters, digits, _ and - stand for themselves", async () => {
  assert.equal(await encodeName("prices_eu-2"), "prices_eu-2");
});

test("everything else is escaped", async () => {
  assert.equal(await encodeName("A/b.C"), "%41%2fb%2e%43");
  assert.equal(await encodeName("."), "%2e");
  assert.equal(await encodeName(".."), "%2e%2e");
  assert.equal(await encodeName("~a%"), "%7ea%25");
  assert.equal(await encodeName("a\0b\n"), "a%00b%0a");
  assert.equal(await encodeName("é🦕"), "%c3%a9%f0%9f%a6%95");
});

test("what looks the same but isn't has another file", async () => {
  assert.notEqual(await encodeName("\u00e9"), await encodeName("e\u0301"));
});

test("a long name is its hash", async () => {
  const longest = "x".repeat(MAX_FILE_NAME);
  assert.equal(await encodeName(longest), longest);
  const hashed = await encodeName(`${longest}x`);
  assert.match(hashed, /^~[0-9a-f]{64}$/);
  assert.notEqual(hashed, await encodeName(`${longest}y`));
  assert.match(await encodeName("🦕".repeat(100_000)), /^~[0-9a-f]{64}$/);
});

test("no two names have one file, also where case is ignored", async () => {
  const random = new Random();
  const alphabet = [..."aAbB%~/\\.:*?é\u00df\u0130\u0131🦕 \u0000-_0", "%41", "~".repeat(3)];
  const files = new Map<string, string>();
  for (let i = 0; i < 20_000; i++) {
    const length = i % 50 === 0 ? 60 + random.below(4) : 1 + random.below(5);
    const name = Array.from({ length }, () => random.pick(alphabet)).join("");
    const file = await encodeName(name);
    assert.match(file, /^[a-z0-9_%~-]{1,160}$/);
    const other = files.get(file);
    assert.ok(other === undefined || other === name, `${name} and ${other} are both ${file}`);
    files.set(file, name);
  }
});

test("a name isn't empty, is a string, and has a UTF-8 form", () => {
  assert.equal(checkName(" "), " ");
  assert.throws(() => checkName(""), { name: "ArgumentError", code: "ARGUMENT" });
  for (const name of [undefined, null, 7, {}, ["a"]]) {
    assert.throws(() => checkName(name as unknown as string), ArgumentError);
  }
  assert.throws(() => checkName("a\ud800"), ArgumentError);
});

test("ids are random, and go into memory and back", () => {
  const ids = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const id = randomNodeId(native.shim);
    assert.ok(isNodeId(id));
    assert.notEqual(id, "0".repeat(16));
    const bytes = new Uint8Array(24).fill(0xff);
    writeNodeId(bytes, 8, id);
    assert.equal(readNodeId(bytes, 8), id);
    assert.deepEqual([...bytes.subarray(0, 8), ...bytes.subarray(16)], Array(16).fill(0xff));
    ids.add(id);
  }
  assert.equal(ids.size, 1000);
});

test("only 16 hex digits are an id", () => {
  const no = ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg"];
  for (const text of [...no, "0123456789abcdef\n", "../0123456789abc"]) {
    assert.equal(isNodeId(text), false, text);
  }
  assert.equal(isNodeId("0123456789abcdef"), true);
});
