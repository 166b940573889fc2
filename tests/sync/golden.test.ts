// Memory and locks in shared memory, byte by byte: their own words and a member's. The rest is the
// membership', see tests/memory/golden.test.ts.
//
// To write the files anew: CAUSEWAY_WRITE_GOLDEN=1 npm test -- sync/golden --runtime=node

import assert from "node:assert/strict";
import fs from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { Event, Mutex, RwLock, SharedArray } from "../../mod.ts";
import { Kind, LAYOUT_VERSION, Member, MembershipLayout, PAGE } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { toDump } from "../support/dump.ts";
import { native, Scratch } from "../support/scratch.ts";

/** The pattern's words, the name, and the first member without its node. */
function dumpOf(scratch: Scratch, path: string, kind: Kind): string {
  const segment = Segment.open(native, scratch.at(path), kind)!;
  const bytes = segment.bytes.slice(0, MembershipLayout.data + PAGE);
  segment.close();
  bytes.fill(0, 8 + 8, MembershipLayout.used);
  const member = MembershipLayout.slots;
  bytes.fill(0, member + Member.source, member + Member.waiting);
  return toDump(bytes);
}

function check(name: string, dump: string): void {
  const url = new URL(`../memory/golden/${name}.v${LAYOUT_VERSION}.txt`, import.meta.url);
  if (process.env["CAUSEWAY_WRITE_GOLDEN"]) fs.writeFileSync(url, dump);
  assert.equal(
    dump,
    fs.readFileSync(url, "utf8"),
    `the layout of a ${name} changed: raise LAYOUT_VERSION and write new golden files`,
  );
}

test("the bytes of shared memory", async () => {
  using scratch = new Scratch();
  const options = { type: "i16", length: 5, directory: scratch.path } as const;
  using array = await SharedArray.open("größe", options);
  array.array.set([1, 2, 3, 4, -5]);
  check("memory", dumpOf(scratch, "memory/gr%c3%b6%c3%9fe/shared", Kind.memory));
});

test("the bytes of a mutex that is held", async () => {
  using scratch = new Scratch();
  using mutex = await Mutex.open("m", { directory: scratch.path });
  using _guard = mutex.lockSync();
  check("mutex", dumpOf(scratch, "mutex/m/shared", Kind.mutex));
});

test("the bytes of a read-write lock that is read", async () => {
  using scratch = new Scratch();
  using lock = await RwLock.open("l", { directory: scratch.path });
  using _one = lock.readSync();
  using _two = lock.readSync();
  check("rwlock", dumpOf(scratch, "rwlock/l/shared", Kind.rwlock));
});

test("the bytes of an event that is set", async () => {
  using scratch = new Scratch();
  using event = await Event.open("e", { autoReset: true, directory: scratch.path });
  event.set();
  check("event", dumpOf(scratch, "event/e/shared", Kind.event));
});
