// A ring that is too small is replaced by a larger one: records stay in order, nothing depends on it,
// and what a hostile peer says of rings ends its connection only.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { GROWN_CAPACITY } from "../../src/connection/ring_growth.ts";
import { CorruptSegmentError } from "../../src/errors.ts";
import { Kind, PAGE, RingLayout } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { RingConsumer } from "../../src/ring/consumer.ts";
import { RecordFlag, RecordKind } from "../../src/ring/record.ts";
import { pattern } from "../support/ring.ts";
import { native, NOBODY } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";
import { CAPACITY, Pair, Wire } from "../support/wire.ts";

const { message, grow, moved, piece, request } = RecordKind;
const { nothing, more } = RecordFlag;
const PAGES = (RingLayout.data + GROWN_CAPACITY) / PAGE;

/** Files of rings that are there. */
const ringFiles = (directory: string) =>
  fs.existsSync(`${directory}/ring`)
    ? fs.readdirSync(`${directory}/ring`).flatMap((node) =>
      fs.readdirSync(`${directory}/ring/${node}`).map((file) => `${directory}/ring/${node}/${file}`)
    )
    : [];

/** Opens a pair whose `b` keeps what it hears. */
async function listeningPair(grows: boolean) {
  const heard: number[] = [];
  let sum = 0;
  const onMessage = (method: number, payload: Uint8Array | undefined): undefined => {
    heard.push(method);
    sum += payload?.length ?? 0;
    if (payload !== undefined) assert.deepEqual(payload, pattern(payload.length, method));
    return undefined;
  };
  const pair = await Pair.open({}, { handler: { onMessage } }, { grows });
  return { pair, heard, sum: () => sum };
}

test("messages of all sizes stay in order while the ring grows, and its file goes", async () => {
  const { pair, heard, sum } = await listeningPair(true);
  using _ = pair;
  const sizes = [10, 100_000, 5, 3_000_000, 0, 900, 1_500_000, 7];
  sizes.forEach((size, method) => pair.a.connection.send(method, pattern(size, method)));
  await until(() => heard.length === sizes.length, "all of them");
  assert.deepEqual(heard, sizes.map((_, method) => method));
  assert.equal(sum(), sizes.reduce((a, b) => a + b));
  await until(() => ringFiles(pair.scratch.path).length === 0, "the file is removed");
  assert.equal(fs.existsSync(`${pair.scratch.path}/ring`), false, "and its folder");
  // Now there is room for them at once, without waiting.
  const { waits } = pair.a.connection;
  for (let i = 0; i < 50; i++) pair.a.connection.send(i, pattern(15_000, i));
  assert.equal(pair.a.connection.waits, waits);
  await until(() => heard.length === sizes.length + 50, "those, too");
});

test("a ring that was full grows, too", async () => {
  const { pair, heard } = await listeningPair(true);
  using _ = pair;
  const { connection } = pair.a;
  for (let i = 0; i < 2000; i++) connection.send(i, pattern(50, i));
  assert.ok(connection.waits > 0);
  await until(() => heard.length === 2000, "all of them");
  const { waits } = connection;
  for (let i = 0; i < 2000; i++) connection.send(i, pattern(50, i));
  assert.equal(connection.waits, waits, "there is room for all");
  await until(() => heard.length === 4000, "those, too");
  assert.deepEqual(heard, [...heard.keys()].map((i) => i % 2000));
});

test("rings whose size was chosen stay", async () => {
  const { pair, heard } = await listeningPair(false);
  using _ = pair;
  for (let i = 0; i < 10; i++) pair.a.connection.send(i, pattern(100_000, i));
  await until(() => heard.length === 10, "all of them");
  assert.deepEqual(ringFiles(pair.scratch.path), []);
  const { waits } = pair.a.connection;
  pair.a.connection.send(1, pattern(10_000, 1));
  assert.equal(pair.a.connection.waits, waits + 1);
  await until(() => heard.length === 11, "the last");
});

test("a connection that ends leaves no file, however far its ring has come", async () => {
  for (const reads of [false, true]) {
    using wire = await Wire.open({ grows: true });
    wire.connection.send(1, new Uint8Array(100_000));
    const [offer] = wire.all();
    assert.equal(offer!.kind, grow);
    const [file] = ringFiles(wire.realm.directory.root);
    if (reads) {
      const ring = Segment.open(native, file!, Kind.ring)!;
      ring.setU32(RingLayout.taken, 1);
      ring.close();
    }
    wire.connection.close();
    await until(() => ringFiles(wire.realm.directory.root).length === 0, "no file");
  }
});

test("a peer that doesn't take the ring is sent all in the old one", async () => {
  using wire = await Wire.open({ grows: true });
  const payload = pattern(20_000, 3);
  wire.connection.send(3, payload);
  const records = [];
  for (let i = 0; i < 100 && records.at(-1)?.flags !== 0; i++) {
    records.push(...wire.all());
    wire.read();
  }
  assert.deepEqual([records.shift()!.kind, records[0]!.kind], [grow, message]);
  assert.ok(records.slice(1).every((each) => each.kind === piece && each.extra === 20_000));
  assert.deepEqual(Buffer.concat(records.map((each) => each.payload)), Buffer.from(payload));
  assert.equal(ringFiles(wire.realm.directory.root).length, 1, "it may take it later");
});

test("in the middle of a message it goes on in the new ring", async () => {
  using wire = await Wire.open({ grows: true });
  const payload = pattern(20_000, 3);
  wire.connection.send(3, payload);
  const first = wire.all();
  const ring = Segment.open(native, ringFiles(wire.realm.directory.root)[0]!, Kind.ring)!;
  ring.setU32(RingLayout.taken, 1);
  wire.read();
  const [last] = wire.all();
  assert.equal(last!.kind, moved);
  const consumer = new RingConsumer(ring, RingLayout.words, RingLayout.data, GROWN_CAPACITY);
  assert.ok(consumer.next());
  assert.deepEqual([consumer.kind, consumer.flags, consumer.extra], [piece, 0, 20_000]);
  const parts = [...first.map((each) => each.payload), consumer.take()];
  assert.deepEqual(Buffer.concat(parts), Buffer.from(payload));
  assert.equal(consumer.next(), false);
  ring.close();
});

test("without space for a larger ring, or its directory, it goes on with the one that it has", async () => {
  const heard: number[] = [];
  const onMessage = (method: number): undefined => void heard.push(method);
  using pair = await Pair.open({}, { handler: { onMessage } }, { grows: true });
  // A file where the folder would be.
  fs.writeFileSync(`${pair.scratch.path}/ring`, "");
  for (let i = 0; i < 5; i++) pair.a.connection.send(i, pattern(100_000, i));
  await until(() => heard.length === 5, "all of them");
  assert.equal(pair.b.connection.isOpen, true);
});

/** The test's side offers a ring, with another size than is due, if it is given. */
function offer(wire: Wire, capacity = GROWN_CAPACITY, pages = PAGES, number = 1): Segment {
  const folder = `${wire.realm.directory.root}/ring/${wire.node}`;
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ring = Segment.create(native, `${folder}/${number}-${wire.node}`, {
    kind: Kind.ring,
    pages,
    creator: NOBODY,
    capacity,
  })!;
  wire.tell({ kind: grow, correlation: number, flags: nothing });
  return ring;
}

function assertCorrupt({ connection, told }: Wire, why: RegExp): void {
  assert.equal(connection.isOpen, false);
  const [reason, cause] = told.gone[0]!;
  assert.equal(reason, "corrupt");
  assert.ok(cause instanceof CorruptSegmentError);
  assert.match(cause.message, why);
}

test("a larger ring is taken, and read from when the peer moves", async () => {
  using wire = await Wire.open();
  const ring = offer(wire);
  assert.equal(ring.u32(RingLayout.taken), 1);
  wire.tell({ kind: message, method: 1 }, pattern(10, 1));
  wire.write({ kind: moved, flags: nothing });
  wire.producer.moveTo(ring, RingLayout.words, RingLayout.data, GROWN_CAPACITY);
  wire.tell({ kind: message, method: 2 }, pattern(100_000, 2));
  assert.deepEqual(wire.told.messages, [[1, pattern(10, 1)], [2, pattern(100_000, 2)]]);
  ring.close();
});

test("an offer that can't be opened is as none", async () => {
  using wire = await Wire.open();
  wire.tell({ kind: grow, correlation: 9, flags: nothing });
  wire.tell({ kind: message, method: 1, flags: nothing });
  assert.deepEqual(wire.told.messages, [[1, undefined]]);
  wire.tell({ kind: moved, flags: nothing });
  assertCorrupt(wire, /hasn't taken/);
});

test("what a hostile peer says of rings ends its connection", async () => {
  for (
    const [why, task] of [
      [/hasn't taken/, (wire: Wire) => wire.tell({ kind: moved, flags: nothing })],
      [/a second ring/, (wire: Wire) => {
        offer(wire).close();
        offer(wire, GROWN_CAPACITY, PAGES, 2).close();
      }],
      [/hasn't taken/, (wire: Wire) => {
        const ring = offer(wire);
        wire.tell({ kind: moved, flags: nothing });
        wire.producer.moveTo(ring, RingLayout.words, RingLayout.data, GROWN_CAPACITY);
        wire.tell({ kind: moved, flags: nothing });
        ring.close();
      }],
      [/a ring of 8192 bytes/, (wire: Wire) => offer(wire, 8192, 3).close()],
      [/a ring of 1048576 bytes in 8192/, (wire: Wire) => {
        offer(wire, GROWN_CAPACITY, 2).close();
      }],
      [/claims|size|pages|header/, (wire: Wire) => {
        const folder = `${wire.realm.directory.root}/ring/${wire.node}`;
        fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
        fs.writeFileSync(`${folder}/5-${wire.node}`, new Uint8Array(PAGE), { mode: 0o600 });
        wire.tell({ kind: grow, correlation: 5, flags: nothing });
      }],
    ] as const
  ) {
    using wire = await Wire.open();
    task(wire);
    assertCorrupt(wire, why);
  }
});

test("a peer that dies after it has moved: what it wrote into both rings is read", async () => {
  using wire = await Wire.open();
  const ring = offer(wire);
  for (let i = 0; i < 100; i++) wire.write({ kind: message, method: i, flags: nothing });
  wire.write({ kind: moved, flags: nothing });
  wire.producer.moveTo(ring, RingLayout.words, RingLayout.data, GROWN_CAPACITY);
  for (let i = 100; i < 5000; i++) wire.write({ kind: message, method: i, flags: nothing });
  ring.close();
  wire.die();
  await until(() => wire.told.gone.length > 0, "it is told of the death");
  assert.equal(wire.told.gone[0]![0], "died");
  assert.deepEqual(wire.told.messages.map(([method]) => method), [...Array(5000).keys()]);
});

test("a message in pieces of two sizes is one", async () => {
  using wire = await Wire.open();
  const ring = offer(wire);
  const payload = pattern(5000, 1);
  const small = CAPACITY / 4 - 16;
  wire.write({ kind: request, correlation: 1, flags: more }, payload, 0, 100);
  wire.write({ kind: piece, flags: more, extra: 5000 }, payload, 100, 100 + small);
  wire.write({ kind: moved, flags: nothing });
  wire.producer.moveTo(ring, RingLayout.words, RingLayout.data, GROWN_CAPACITY);
  wire.tell({ kind: piece, extra: 5000 }, payload, 100 + small);
  assert.deepEqual(wire.told.requests[0]!.payload, payload);
  ring.close();
});
