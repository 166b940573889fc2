// A pipe's segment, byte for byte. See golden.test.ts.

import assert from "node:assert/strict";
import fs from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fixedString, struct, u32 } from "../../mod.ts";
import { codecId } from "../../src/codec/codec_id.ts";
import {
  Header,
  Kind,
  LAYOUT_VERSION,
  Member,
  MembershipLayout,
  PipeLayout,
  Role,
} from "../../src/memory/layout.ts";
import { writeNodeId } from "../../src/memory/names.ts";
import { readText, Segment, writeText } from "../../src/memory/segment.ts";
import { claim, holderOf, nodeOf, release, roleWord } from "../../src/pipe/roles.ts";
import { SlotReader, Slots, SlotWriter } from "../../src/pipe/slots.ts";
import { fromDump, toDump } from "../support/dump.ts";
import { native, Scratch } from "../support/scratch.ts";

const NODES = ["a1a2a3a4a5a6a7a8", "b1b2b3b4b5b6b7b8"] as const;
const Reading = struct({ id: u32, unit: fixedString(3) });
const file = new URL(`./golden/pipe.v${LAYOUT_VERSION}.txt`, import.meta.url);

/** A sender that went and came again, a receiver that sleeps, two messages around the end. */
function makePipe(scratch: Scratch): Segment {
  const segment = scratch.segment("golden", {
    kind: Kind.pipe,
    creator: NODES[0],
    pages: MembershipLayout.pages + 1,
    capacity: 4,
    codec: codecId(Reading.name),
  });
  segment.bytes.set(Uint8Array.from({ length: 16 }, (_, i) => 0xe0 + i), Header.id);
  const created = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  new DataView(segment.bytes.buffer).setFloat64(Header.created, created, true);
  writeText(segment, MembershipLayout.name, MembershipLayout.nameBytes, "größe");
  segment.setU32(MembershipLayout.used, 2);
  for (const [i, node] of NODES.entries()) {
    const at = MembershipLayout.slots + i * Member.bytes;
    segment.setU32(at + Member.state, 1);
    segment.setU32(at + Member.source, 7 + i);
    writeNodeId(segment.bytes, at + Member.node, node);
  }
  writeText(segment, PipeLayout.codecName, PipeLayout.codecNameBytes, Reading.name);
  segment.setU32(PipeLayout.messageBytes, Reading.size);
  segment.setU32(PipeLayout.stride, Reading.size);
  segment.setU32(PipeLayout.fixed, 1);
  claim(segment, "sender", 0);
  release(segment, "sender", 0, "died");
  claim(segment, "sender", 0);
  claim(segment, "receiver", 1);
  segment.setU32(PipeLayout.receiverWaiting, 1);
  segment.setU32(PipeLayout.head, -1);
  segment.setU32(PipeLayout.tail, -1);
  const slots = new Slots(segment);
  const writer = new SlotWriter(slots);
  for (const [i, unit] of ["°C", "m"].entries()) {
    Reading.encodeInto(
      { id: 100 + i, unit },
      slots.data,
      slots.offset((writer.position + i) >>> 0),
    );
  }
  writer.publish(2);
  return segment;
}

test("the bytes of a pipe", () => {
  using scratch = new Scratch();
  const segment = makePipe(scratch);
  const dump = toDump(segment.bytes);
  segment.close();
  if (process.env["CAUSEWAY_WRITE_GOLDEN"]) fs.writeFileSync(file, dump);
  assert.equal(
    dump,
    fs.readFileSync(file, "utf8"),
    `the layout of a pipe changed, but LAYOUT_VERSION is still ${LAYOUT_VERSION}: see golden.test.ts`,
  );
});

test("reading a golden pipe", () => {
  using scratch = new Scratch();
  const bytes = fromDump(fs.readFileSync(file, "utf8"));
  fs.writeFileSync(scratch.at("pipe"), bytes, { mode: 0o600 });
  const segment = Segment.open(native, scratch.at("pipe"), Kind.pipe)!;
  const { codecName, codecNameBytes } = PipeLayout;
  assert.equal(readText(segment, codecName, codecNameBytes), 'struct{"id":u32,"unit":string(3)}');
  assert.deepEqual([holderOf(segment, "sender"), holderOf(segment, "receiver")], [0, 1]);
  assert.equal(nodeOf(segment, 1), NODES[1]);
  assert.equal(roleWord(segment, "sender"), 2 * Role.taken + Role.died + 1);
  const reader = new SlotReader(new Slots(segment));
  assert.deepEqual([reader.position, reader.available(1)], [0xffff_ffff, 2]);
  const read = (i: number) => {
    const { slots } = reader;
    return Reading.decodeFrom(slots.data, slots.offset((reader.position + i) >>> 0));
  };
  assert.deepEqual([read(0), read(1)], [{ id: 100, unit: "°C" }, { id: 101, unit: "m" }]);
  assert.equal(segment.u32(PipeLayout.slots + 3 * 8), 100, "the last slot, then the first");
  reader.release(2);
  assert.equal(segment.u32(PipeLayout.head), 1);
  segment.close();
});
