// A queue's segment, byte for byte. See golden.test.ts.

import assert from "node:assert/strict";
import fs from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { codecId } from "../../src/codec/codec_id.ts";
import {
  ChunkState,
  Header,
  Kind,
  LAYOUT_VERSION,
  Member,
  MembershipLayout,
  QueueLayout,
} from "../../src/memory/layout.ts";
import { writeNodeId } from "../../src/memory/names.ts";
import { Segment, writeText } from "../../src/memory/segment.ts";
import { ChunkPool, queueBytes } from "../../src/queue/pool.ts";
import { ChunkReader } from "../../src/queue/reader.ts";
import { WaiterBitmap } from "../../src/queue/waiter_bitmap.ts";
import { ChunkWriter } from "../../src/queue/writer.ts";
import type { MemberTable } from "../../src/membership/member_table.ts";
import { fromDump, toDump } from "../support/dump.ts";
import { native, Scratch } from "../support/scratch.ts";

const NODES = ["a1a2a3a4a5a6a7a8", "b1b2b3b4b5b6b7b8"] as const;
const CAPACITY = 4096;
const file = new URL(`./golden/queue.v${LAYOUT_VERSION}.txt`, import.meta.url);
const utf8 = new TextEncoder();

/** What reader and writer need to know of the members. */
const members = {
  used: NODES.length,
  word: (member: number, offset: number) =>
    (MembershipLayout.slots + member * Member.bytes + offset) >> 2,
} as unknown as MemberTable;

/**
 * Messages done, taken, given back and ready; a chunk that is full, one that a member holds, one
 * that is open; a consumer that sleeps and one that was stopped while it read.
 */
function makeQueue(scratch: Scratch): Segment {
  const segment = scratch.segment("golden", {
    kind: Kind.queue,
    creator: NODES[0],
    pages: MembershipLayout.pages + queueBytes(CAPACITY) / 4096,
    capacity: CAPACITY,
    codec: codecId("messagepack"),
  });
  segment.bytes.set(Uint8Array.from({ length: 16 }, (_, i) => 0xe0 + i), Header.id);
  const created = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  new DataView(segment.bytes.buffer).setFloat64(Header.created, created, true);
  writeText(segment, MembershipLayout.name, MembershipLayout.nameBytes, "größe");
  segment.setU32(MembershipLayout.used, NODES.length);
  for (const [i, node] of NODES.entries()) {
    const at = MembershipLayout.slots + i * Member.bytes;
    segment.setU32(at + Member.state, 1);
    segment.setU32(at + Member.source, 7 + i);
    writeNodeId(segment.bytes, at + Member.node, node);
  }
  const pool = new ChunkPool(segment);
  const writer = new ChunkWriter(pool, members, 0);
  const reader = new ChunkReader(pool, members, 1);
  for (const text of ["done", "given back", "taken", "ready"]) writer.put(utf8.encode(text));
  writer.put(new Uint8Array(100).fill(0x55)); // in the next chunk
  reader.claim(false);
  reader.claim(true);
  const { chunk, position, word } = reader;
  reader.claim(true);
  reader.giveBack({ chunk, position, word });
  const second = new ChunkWriter(pool, members, 1);
  segment.words[pool.header(0, 0)] = ChunkState.filling | (1 << 8);
  segment.words[pool.header(1, 0)] = ChunkState.full;
  second.put(utf8.encode("in the third"));
  new WaiterBitmap(members, segment.words, QueueLayout.wantMessage).add(1);
  return segment;
}

test("the bytes of a queue", () => {
  using scratch = new Scratch();
  const segment = makeQueue(scratch);
  const dump = toDump(segment.bytes);
  segment.close();
  if (process.env["CAUSEWAY_WRITE_GOLDEN"]) fs.writeFileSync(file, dump);
  assert.equal(
    dump,
    fs.readFileSync(file, "utf8"),
    `the layout of a queue changed, but LAYOUT_VERSION is still ${LAYOUT_VERSION}: see golden.test.ts`,
  );
});

test("reading a golden queue", () => {
  using scratch = new Scratch();
  fs.writeFileSync(scratch.at("queue"), fromDump(fs.readFileSync(file, "utf8")), { mode: 0o600 });
  const segment = Segment.open(native, scratch.at("queue"), Kind.queue)!;
  const reader = new ChunkReader(new ChunkPool(segment), members, 0);
  assert.equal(reader.count(), 4);
  const got: [string, number][] = [];
  while (reader.claim(false)) {
    got.push([new TextDecoder().decode(reader.payload), reader.returns]);
  }
  assert.deepEqual(got, [
    ["given back", 1],
    ["ready", 0],
    ["U".repeat(100), 0],
    ["in the third", 0],
  ]);
  segment.close();
});
