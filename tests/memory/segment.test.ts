import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import {
  CorruptSegmentError,
  DirectoryError,
  KindMismatchError,
  NameTakenError,
  OwnerError,
  VersionMismatchError,
} from "../../src/errors.ts";
import { Header, Kind, LAYOUT_VERSION, MAGIC, PAGE } from "../../src/memory/layout.ts";
import { readText, Segment, writeText } from "../../src/memory/segment.ts";
import { native, NOBODY, notRoot, Scratch } from "../support/scratch.ts";

const { connection, node } = Kind;

test("a new segment has its header, is zero otherwise, and nobody else's", () => {
  using scratch = new Scratch();
  const before = Date.now();
  const segment = scratch.segment("s", { pages: 3, capacity: 4096, codec: 0xffff_fffe });
  assert.equal(segment.bytes.length, 3 * PAGE);
  assert.equal(segment.words.length, 3 * PAGE / 4);
  assert.equal(segment.u32(Header.magic), MAGIC);
  assert.equal(segment.u32(Header.version), LAYOUT_VERSION);
  assert.equal(segment.u32(Header.kind), connection);
  assert.equal(segment.u32(Header.pages), 3);
  assert.equal(segment.u32(Header.capacity), 4096);
  assert.equal(segment.u32(Header.codec), 0xffff_fffe);
  assert.equal(segment.creator, NOBODY);
  const created = new DataView(segment.bytes.buffer).getFloat64(Header.created, true);
  assert.ok(created >= before && created <= Date.now());
  assert.ok(segment.bytes.subarray(Header.id, Header.id + 16).some((byte) => byte !== 0));
  assert.ok(segment.bytes.subarray(56).every((byte) => byte === 0));
  assert.equal(fs.statSync(scratch.at("s")).mode & 0o777, 0o600);
  segment.close();
});

test("who opens it sees the same memory", () => {
  using scratch = new Scratch();
  const one = scratch.segment("s", { pages: 2 });
  const two = Segment.open(native, scratch.at("s"), connection)!;
  one.setU32(5000, 0xdead_beef);
  assert.equal(two.u32(5000), 0xdead_beef);
  assert.equal(Atomics.add(two.words, 5000 >> 2, 1) >>> 0, 0xdead_beef);
  assert.equal(one.u32(5000), 0xdead_bef0);
  one.close();
  assert.equal(two.u32(5000), 0xdead_bef0);
  two.close();
});

test("a segment outlives its name, and its file", () => {
  using scratch = new Scratch();
  const one = scratch.segment("s");
  fs.renameSync(scratch.at("s"), scratch.at("t"));
  const two = Segment.open(native, scratch.at("t"), connection)!;
  fs.rmSync(scratch.at("t"));
  one.releaseFile();
  one.setU32(1000, 5);
  assert.equal(two.u32(1000), 5);
  one.close();
  two.close();
});

test("what exists isn't made again", () => {
  using scratch = new Scratch();
  scratch.segment("s").close();
  assert.throws(() => scratch.segment("s"), NameTakenError);
  fs.symlinkSync(scratch.at("nowhere"), scratch.at("link"));
  assert.throws(() => scratch.segment("link"), NameTakenError);
  assert.equal(fs.existsSync(scratch.at("nowhere")), false);
});

test("there is nothing to open, or nowhere to make it", () => {
  using scratch = new Scratch();
  assert.equal(Segment.open(native, scratch.at("no"), connection), undefined);
  assert.equal(Segment.open(native, scratch.at("no", "no"), connection), undefined);
  assert.equal(
    Segment.create(native, scratch.at("no", "s"), { kind: node, pages: 1, creator: NOBODY }),
    undefined,
  );
});

/** Opens what `change` made of a good segment's file. */
function reopen(scratch: Scratch, change: (file: string) => void): Segment | undefined {
  const file = scratch.at("s");
  scratch.segment("s", { pages: 2 }).close();
  change(file);
  return Segment.open(native, file, connection);
}

function setWord(offset: number, value: number): (file: string) => void {
  return (file) => {
    const bytes = fs.readFileSync(file);
    bytes.writeUInt32LE(value, offset);
    fs.writeFileSync(file, bytes);
  };
}

type Refused = { what: string; error: new (...args: never[]) => Error; skip?: string | false };
const refused: (Refused & { change(file: string): void })[] = [
  { what: "no magic", error: CorruptSegmentError, change: setWord(Header.magic, 0) },
  { what: "magic of the other order", error: CorruptSegmentError, change: setWord(0, 0x43574159) },
  {
    what: "a newer version",
    error: VersionMismatchError,
    change: setWord(Header.version, LAYOUT_VERSION + 1),
  },
  { what: "version 0", error: VersionMismatchError, change: setWord(Header.version, 0) },
  { what: "another kind", error: KindMismatchError, change: setWord(Header.kind, node) },
  { what: "an unknown kind", error: KindMismatchError, change: setWord(Header.kind, 0xffff_ffff) },
  { what: "too many pages", error: CorruptSegmentError, change: setWord(Header.pages, 3) },
  { what: "no pages", error: CorruptSegmentError, change: setWord(Header.pages, 0) },
  {
    what: "2^20 pages more, whose bytes wrap",
    error: CorruptSegmentError,
    change: setWord(Header.pages, 0x0010_0002),
  },
  {
    what: "an empty file",
    error: CorruptSegmentError,
    change: (file) => fs.truncateSync(file, 0),
  },
  {
    what: "a file cut in the middle",
    error: CorruptSegmentError,
    change: (file) => fs.truncateSync(file, 5000),
  },
  {
    what: "a file cut by a page",
    error: CorruptSegmentError,
    change: (file) => fs.truncateSync(file, PAGE),
  },
  {
    what: "a file a page too long",
    error: CorruptSegmentError,
    change: (file) => fs.truncateSync(file, 3 * PAGE),
  },
  {
    what: "a link to a good segment",
    error: DirectoryError,
    change(file) {
      fs.renameSync(file, `${file}2`);
      fs.symlinkSync(`${file}2`, file);
    },
  },
  {
    what: "a file that others may read",
    error: OwnerError,
    change: (file) => fs.chmodSync(file, 0o644),
  },
  {
    what: "another user's file",
    error: OwnerError,
    skip: notRoot,
    change: (file) => fs.chownSync(file, 12345, 12345),
  },
];

for (const { what, error, change, skip = false } of refused) {
  test(`refused: ${what}`, { skip }, () => {
    using scratch = new Scratch();
    assert.throws(() => reopen(scratch, change), error);
  });
}

/** None of ours: as if there were nothing. */
const others: Record<string, (file: string) => void> = {
  "a directory": (file) => fs.mkdirSync(file),
  "a FIFO": (file) => void execFileSync("mkfifo", ["-m", "600", file]),
};

for (const [what, make] of Object.entries(others)) {
  test(`passed over: ${what}`, () => {
    using scratch = new Scratch();
    const opened = reopen(scratch, (file) => {
      fs.rmSync(file);
      make(file);
    });
    assert.equal(opened, undefined);
  });
}

test("what is refused leaves no descriptor open", { skip: !fs.existsSync("/proc/self/fd") }, () => {
  using scratch = new Scratch();
  const open = () => fs.readdirSync("/proc/self/fd").length;
  scratch.segment("s").close();
  const before = open();
  for (let i = 0; i < 100; i++) {
    assert.throws(() => Segment.open(native, scratch.at("s"), Kind.server), KindMismatchError);
    assert.equal(Segment.open(native, scratch.path, connection), undefined);
    assert.equal(Segment.probeLease(native, scratch.at("s")), false);
  }
  assert.equal(open(), before);
});

test("use after close is an exception", () => {
  using scratch = new Scratch();
  const segment = scratch.segment("s");
  const { bytes, words } = segment;
  segment.close();
  assert.equal(segment.mapped, false);
  assert.equal(bytes.length, 0);
  assert.equal(words.length, 0);
  assert.throws(() => segment.u32(0), TypeError);
  assert.throws(() => segment.setU32(0, 1), TypeError);
  assert.throws(() => Atomics.add(words, 0, 1), TypeError);
  assert.throws(() => bytes.set([1, 2, 3]), TypeError);
  segment.close();
});

test("a lease is held by one, and known to all", () => {
  using scratch = new Scratch();
  const owner = scratch.segment("s");
  const other = Segment.open(native, scratch.at("s"), connection)!;
  assert.equal(other.isLeaseHeld(), false);
  assert.equal(owner.takeLease(), true);
  assert.equal(other.isLeaseHeld(), true);
  assert.equal(other.takeLease(), false);
  assert.equal(Segment.probeLease(native, scratch.at("s")), true);
  owner.close();
  assert.equal(other.isLeaseHeld(), false);
  assert.equal(Segment.probeLease(native, scratch.at("s")), false);
  assert.equal(other.takeLease(), true);
  other.close();
});

test("probing the lease of what is no segment", () => {
  using scratch = new Scratch();
  assert.equal(Segment.probeLease(native, scratch.at("no")), undefined);
  assert.equal(Segment.probeLease(native, scratch.path), undefined);
  fs.writeFileSync(scratch.at("s"), "short", { mode: 0o600 });
  assert.equal(Segment.probeLease(native, scratch.at("s")), undefined);
  fs.writeFileSync(scratch.at("s"), new Uint8Array(PAGE));
  assert.equal(Segment.probeLease(native, scratch.at("s")), false);
});

test("a text comes back, and is cut at the end of a character", () => {
  using scratch = new Scratch();
  const segment = scratch.segment("s");
  for (const text of ["", "plain", "né 🦕"]) {
    writeText(segment, 128, 100, text);
    assert.equal(readText(segment, 128, 100), text);
  }
  writeText(segment, 128, 10, "🦕🦕🦕");
  assert.equal(readText(segment, 128, 10), "🦕🦕");
  assert.equal(segment.u32(128), 8);
  segment.close();
});

test("a text longer than there is room is refused", () => {
  using scratch = new Scratch();
  const segment = scratch.segment("s");
  for (const length of [101, 0x7fff_ffff, 0xffff_ffff]) {
    segment.setU32(128, length);
    assert.throws(() => readText(segment, 128, 100), CorruptSegmentError);
  }
  segment.close();
});

test("a text that is no UTF-8 is read all the same", () => {
  using scratch = new Scratch();
  const segment = scratch.segment("s");
  segment.setU32(128, 3);
  segment.bytes.set([0x61, 0xff, 0x62], 132);
  assert.equal(readText(segment, 128, 100), "a\ufffdb");
  segment.close();
});
