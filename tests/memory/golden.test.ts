// Whole segments, byte for byte. Other versions of this library read and write the same
// bytes, so a golden file only changes together with LAYOUT_VERSION.
//
// To write the files anew: CAUSEWAY_WRITE_GOLDEN=1 npm test -- memory/golden --runtime=node

import assert from "node:assert/strict";
import fs from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { codecId } from "../../src/codec/codec_id.ts";
import { readSide, writeRefusal, writeSide } from "../../src/connection/handshake.ts";
import {
  ConnectionLayout,
  connectionPages,
  Header,
  Kind,
  LagPolicy,
  LAYOUT_VERSION,
  NodeLayout,
  publisherData,
  PublisherLayout,
  PublisherState,
  Refusal,
  RingWords,
  ServerLayout,
  Side,
  SideState,
  SlotState,
  SubscriberLayout,
  SubscriberSlot,
  SubscriberState,
  Wanted,
} from "../../src/memory/layout.ts";
import { readText, Segment, writeText } from "../../src/memory/segment.ts";
import { writeNodeId } from "../../src/memory/names.ts";
import { BroadcastConsumer, splitParts } from "../../src/ring/broadcast_consumer.ts";
import { BroadcastProducer, partsLength } from "../../src/ring/broadcast_producer.ts";
import { RingConsumer } from "../../src/ring/consumer.ts";
import { RingProducer } from "../../src/ring/producer.ts";
import { RecordFlag, RecordHeader, RecordKind } from "../../src/ring/record.ts";
import { ring } from "../../src/wake/doorbell.ts";
import { fromDump, toDump } from "../support/dump.ts";
import { native, Scratch } from "../support/scratch.ts";

const A = "a1a2a3a4a5a6a7a8";
const B = "b1b2b3b4b5b6b7b8";
const ID = Uint8Array.from({ length: 16 }, (_, i) => 0xe0 + i);
const CREATED = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const CAPACITY = 4096;

/** A segment whose header has nothing random in it. */
function make(
  scratch: Scratch,
  parameters: { kind: Kind; pages: number; capacity?: number; codec?: number },
): Segment {
  const segment = scratch.segment("golden", { creator: A, ...parameters });
  segment.bytes.set(ID, Header.id);
  new DataView(segment.bytes.buffer).setFloat64(Header.created, CREATED, true);
  return segment;
}

/** A node that sleeps and was rung for its sources 5 and 32767. */
function makeNode(scratch: Scratch): Segment {
  const segment = make(scratch, { kind: Kind.node, pages: NodeLayout.pages });
  const description = JSON.stringify({ runtime: "golden" });
  writeText(segment, NodeLayout.description, NodeLayout.descriptionBytes, description);
  segment.setU32(NodeLayout.bell, 2);
  segment.setU32(NodeLayout.deaths, 3);
  ring(native.shim, segment, 5);
  ring(native.shim, segment, 32767);
  return segment;
}

/** Two partners; a request from a with its answer, messages around the end of the ring. */
function makeConnection(scratch: Scratch): Segment {
  const segment = make(scratch, {
    kind: Kind.connection,
    pages: connectionPages(CAPACITY),
    capacity: CAPACITY,
    codec: codecId("messagepack"),
  });
  writeText(segment, ConnectionLayout.name, ConnectionLayout.nameBytes, "größe");
  writeSide(segment, "a", A, 7);
  writeSide(segment, "b", B, 0x7fff);
  const { request, response, message, define } = RecordKind;
  const end = -96;
  segment.setU32(ConnectionLayout.ringAB + RingWords.head, end);
  const { there, back } = ends(segment);
  const text = new TextEncoder().encode("add");
  there.producer.write(RecordHeader.of({ kind: define, method: 1 }), text, 0, 3);
  there.producer.write(
    RecordHeader.of({ kind: request, method: 1, correlation: 0xabcd, extra: 30_000 }),
    text,
    0,
    2,
  );
  there.producer.write(
    RecordHeader.of({ kind: message, flags: RecordFlag.more, method: 0xffff }),
    new Uint8Array(40).fill(0x55),
    0,
    40,
  );
  back.producer.write(
    RecordHeader.of({ kind: response, flags: RecordFlag.error, correlation: 0xabcd }),
    text,
    0,
    1,
  );
  back.producer.write(RecordHeader.of({ kind: message, flags: RecordFlag.nothing }), undefined);
  there.consumer.next();
  there.consumer.release();
  there.consumer.setWaiting();
  back.producer.setWaiting();
  return segment;
}

function ends(segment: Segment) {
  const { ringAB, ringBA, data } = ConnectionLayout;
  const of = (words: number, at: number) => ({
    producer: new RingProducer(segment, words, at, CAPACITY),
    consumer: new RingConsumer(segment, words, at, CAPACITY),
  });
  return { there: of(ringAB, data), back: of(ringBA, data + CAPACITY) };
}

/** An open server that speaks JSON; one client is in, two have announced themselves. */
function makeServer(scratch: Scratch): Segment {
  const segment = make(scratch, {
    kind: Kind.server,
    pages: ServerLayout.pages,
    capacity: 65536,
    codec: codecId("json"),
  });
  writeText(segment, ServerLayout.name, ServerLayout.nameBytes, "math");
  segment.setU32(ServerLayout.source, 9);
  segment.setU32(ServerLayout.limit, 16384);
  segment.setU32(ServerLayout.state, SideState.open);
  segment.setU32(ServerLayout.announcements, 2);
  segment.setU32(ServerLayout.connections, 1);
  return segment;
}

/** A publisher whose two subscribers are one behind, and one that wants to be disconnected. */
function makePublisher(scratch: Scratch): Segment {
  const slots = 3;
  const data = publisherData(slots);
  const segment = make(scratch, {
    kind: Kind.publisher,
    pages: (data + CAPACITY) / 4096,
    capacity: CAPACITY,
  });
  writeText(segment, PublisherLayout.name, PublisherLayout.nameBytes, "prices");
  segment.setU32(PublisherLayout.source, 11);
  segment.setU32(PublisherLayout.state, PublisherState.open);
  segment.setU32(PublisherLayout.slots, slots);
  segment.setU32(PublisherLayout.overtakes, 1);
  const producer = new BroadcastProducer(segment, data, CAPACITY, () => {}, -64);
  const text = new TextEncoder().encode("EURUSD");
  producer.write(text);
  [LagPolicy.block, LagPolicy.disconnect].forEach((policy, index) => {
    const slot = PublisherLayout.table + index * SubscriberSlot.bytes;
    producer.add(slot, policy, 1 - index);
    segment.setU32(slot + SubscriberSlot.source, 7 + index);
    writeNodeId(segment.bytes, slot + SubscriberSlot.node, B);
    segment.setU32(slot + SubscriberSlot.count, 40 + index);
    segment.setU32(slot + SubscriberSlot.policy, policy);
    segment.setU32(slot + SubscriberSlot.history, 1 - index);
    segment.setU32(slot + SubscriberSlot.attached, 1);
    segment.setU32(slot + SubscriberSlot.state, SlotState.open);
  });
  const parts = [text, text.subarray(3)];
  producer.writeParts(parts, partsLength(parts));
  producer.setWaiting();
  const reader = consumerOf(segment, 0);
  while (reader.next());
  reader.setWaiting();
  return segment;
}

function consumerOf(segment: Segment, index: number): BroadcastConsumer {
  const slot = PublisherLayout.table + index * SubscriberSlot.bytes;
  const policy = segment.u32(slot + SubscriberSlot.policy) as LagPolicy;
  const mode = { policy, mayBeOvertaken: false };
  return new BroadcastConsumer(segment, slot, publisherData(3), CAPACITY, mode);
}

/** A subscriber that two publishers have announced themselves at. */
function makeSubscriber(scratch: Scratch): Segment {
  const parameters = { kind: Kind.member, pages: SubscriberLayout.pages, codec: codecId("json") };
  const segment = make(scratch, parameters);
  segment.setU32(SubscriberLayout.policy, LagPolicy.dropOldest);
  segment.setU32(SubscriberLayout.announcements, 2);
  segment.setU32(SubscriberLayout.missed, 3);
  segment.setU32(SubscriberLayout.state, SubscriberState.closed);
  segment.setU32(SubscriberLayout.shortage, 1);
  return segment;
}

const file = (name: string) => new URL(`./golden/${name}.v${LAYOUT_VERSION}.txt`, import.meta.url);

for (
  const [name, build] of Object.entries({
    node: makeNode,
    connection: makeConnection,
    server: makeServer,
    publisher: makePublisher,
    subscriber: makeSubscriber,
  })
) {
  test(`the bytes of a ${name}`, () => {
    using scratch = new Scratch();
    const segment = build(scratch);
    const dump = toDump(segment.bytes);
    segment.close();
    if (process.env["CAUSEWAY_WRITE_GOLDEN"]) fs.writeFileSync(file(name), dump);
    assert.ok(
      fs.existsSync(file(name)),
      `there is no golden file for layout version ${LAYOUT_VERSION}: see the head of this test`,
    );
    assert.equal(
      dump,
      fs.readFileSync(file(name), "utf8"),
      `the layout of a ${name} changed, but LAYOUT_VERSION is still ${LAYOUT_VERSION}: processes with ` +
        "the old layout would misread it. Raise LAYOUT_VERSION, write new golden files beside the " +
        "old ones, and bring docs/protocol.md up to date",
    );
  });
}

/** The golden bytes, opened as a segment. */
function openGolden(scratch: Scratch, name: string, kind: Kind): Segment {
  const bytes = fromDump(fs.readFileSync(file(name), "utf8"));
  fs.writeFileSync(scratch.at(name), bytes, { mode: 0o600 });
  return Segment.open(native, scratch.at(name), kind)!;
}

function checkHeader(segment: Segment): void {
  assert.equal(segment.creator, A);
  assert.deepEqual([...segment.bytes.subarray(Header.id, Header.id + 16)], [...ID]);
  assert.equal(new DataView(segment.bytes.buffer).getFloat64(Header.created, true), CREATED);
}

test("reading a golden node", () => {
  using scratch = new Scratch();
  const segment = openGolden(scratch, "node", Kind.node);
  checkHeader(segment);
  const { description, descriptionBytes } = NodeLayout;
  assert.equal(readText(segment, description, descriptionBytes), '{"runtime":"golden"}');
  assert.equal(segment.u32(NodeLayout.bell), 0);
  assert.equal(segment.u32(NodeLayout.block), 1);
  assert.equal(segment.u32(NodeLayout.deaths), 3);
  assert.equal(segment.u32(NodeLayout.top), 0x8000_0001);
  assert.equal(segment.u32(NodeLayout.ready), 1 << 5);
  assert.equal(segment.u32(NodeLayout.ready + 4 * 1023), 0x8000_0000);
  segment.close();
});

test("reading a golden connection", () => {
  using scratch = new Scratch();
  const segment = openGolden(scratch, "connection", Kind.connection);
  checkHeader(segment);
  assert.equal(segment.u32(Header.capacity), CAPACITY);
  assert.equal(segment.u32(Header.codec), codecId("messagepack"));
  assert.equal(readText(segment, ConnectionLayout.name, ConnectionLayout.nameBytes), "größe");
  assert.deepEqual(readSide(segment, "a"), { node: A, source: 7, state: SideState.open });
  assert.deepEqual(readSide(segment, "b"), { node: B, source: 0x7fff, state: SideState.open });
  const { there, back } = ends(segment);
  assert.deepEqual(records(there.consumer), [[3, 1, 0xffff, 0, 0, "U".repeat(40)]]);
  assert.deepEqual(records(back.consumer), [[2, 4, 0, 0xabcd, 0, "a"], [3, 2, 0, 0, 0, ""]]);
  assert.equal(there.producer.takeConsumerWaiting(), true);
  assert.equal(back.consumer.takeProducerWaiting(), true);
  assert.equal(there.consumer.takeProducerWaiting(), false);
  segment.close();
});

function records(consumer: RingConsumer): unknown[] {
  const found: unknown[] = [];
  while (consumer.next()) {
    const { kind, flags, method, correlation, extra } = consumer;
    const text = new TextDecoder().decode(consumer.take());
    found.push([kind, flags, method, correlation, extra, text]);
  }
  return found;
}

test("reading a golden server", () => {
  using scratch = new Scratch();
  const segment = openGolden(scratch, "server", Kind.server);
  checkHeader(segment);
  assert.equal(segment.u32(Header.capacity), 65536);
  assert.equal(segment.u32(Header.codec), codecId("json"));
  assert.equal(readText(segment, ServerLayout.name, ServerLayout.nameBytes), "math");
  assert.equal(segment.u32(ServerLayout.source), 9);
  assert.equal(segment.u32(ServerLayout.state), SideState.open);
  assert.equal(segment.u32(ServerLayout.limit), 16384);
  assert.equal(segment.u32(ServerLayout.announcements), 2);
  assert.equal(segment.u32(ServerLayout.connections), 1);
  segment.close();
});

test("reading a golden publisher", () => {
  using scratch = new Scratch();
  const segment = openGolden(scratch, "publisher", Kind.publisher);
  checkHeader(segment);
  assert.equal(readText(segment, PublisherLayout.name, PublisherLayout.nameBytes), "prices");
  assert.equal(segment.u32(PublisherLayout.slots), 3);
  assert.equal(segment.u32(PublisherLayout.overtakes), 1);
  assert.equal(segment.u32(PublisherLayout.wanted), Wanted.wake);
  assert.equal(segment.u32(PublisherLayout.oldest), 0xffff_ffc0);
  const second = consumerOf(segment, 1);
  assert.ok(second.next());
  assert.deepEqual([second.sequence, second.isParts, second.length], [1, true, 21]);
  assert.deepEqual(
    splitParts(second.take()).map((part) => new TextDecoder().decode(part)),
    ["EURUSD", "USD"],
  );
  assert.ok(!second.next());
  assert.ok(consumerOf(segment, 0).next(), "its start is before the first message");
  segment.close();
});

test("a refusal in memory", () => {
  using scratch = new Scratch();
  const segment = make(scratch, { kind: Kind.connection, pages: 3, capacity: CAPACITY });
  writeRefusal(segment, Refusal.codec, 0x1234_5678);
  const at = ConnectionLayout.b;
  assert.equal(segment.u32(at + Side.state), 3);
  assert.equal(segment.u32(at + Side.refusal), 2);
  assert.equal(segment.u32(at + Side.value), 0x1234_5678);
  segment.close();
});

test("codecs have the numbers they always had", () => {
  const numbers = ["bytes", "json", "messagepack"].map(codecId);
  assert.deepEqual(numbers.map((id) => id.toString(16)), ["0", "36a1a243", "f4ae225"]);
});
