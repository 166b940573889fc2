// The writing end of a stream on a real connection; the reader is the test, which grants credit.
// What crosses on the way, and what is corrupt, is in streams.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ITEM_COST } from "../../src/connection/stream_host.ts";
import type { StreamSender } from "../../src/connection/stream_sender.ts";
import { ClosedError, StreamAbortedError } from "../../src/errors.ts";
import { RECORD_HEADER, RecordFlag, RecordKind } from "../../src/ring/record.ts";
import { bytesOf, errorOf, textOf } from "../support/api.ts";
import { pattern } from "../support/ring.ts";
import { until, within } from "../support/watchdog.ts";
import { CAPACITY, Wire } from "../support/wire.ts";

const { data, end, credit, stop } = RecordKind;
const { nothing, error, value } = RecordFlag;
/** An eighth of the ring. */
const PIECE = CAPACITY / 8 - RECORD_HEADER;
/** A stream of the test's side. */
const THEIRS = 7;

const grant = (wire: Wire, { id }: StreamSender, bytes: number): void =>
  wire.tell({ kind: credit, flags: nothing, correlation: id, extra: bytes });

/** Is a promise of `ready` or of a write settled? */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol();
  await undefined;
  return await Promise.race([promise, Promise.resolve(open)]) !== open;
}

/** All that the stream sends until so many bytes are there. */
async function receive(wire: Wire, bytes: number): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  let got = 0;
  await until(() => {
    for (const record of wire.all()) {
      assert.equal(record.kind, data);
      pieces.push(record.payload);
      got += record.payload.length;
    }
    wire.read();
    return got >= bytes;
  }, () => `${got} of ${bytes} bytes`);
  assert.equal(got, bytes);
  return pieces;
}

test("bytes are sent in pieces, as far as there is credit and one piece more", async () => {
  using wire = await Wire.open();
  const sender = wire.connection.streams.offerReading(false);
  const bytes = pattern(3 * PIECE, 1);
  const writing = sender.writeBytes(bytes)!;
  assert.deepEqual(wire.all(), []);
  grant(wire, sender, PIECE + 1);
  assert.deepEqual(await receive(wire, 2 * PIECE), [
    bytes.subarray(0, PIECE),
    bytes.subarray(PIECE, 2 * PIECE),
  ]);
  assert.equal(await isSettled(writing), false);
  grant(wire, sender, PIECE - 1); // that was overdrawn
  assert.deepEqual(wire.all(), []);
  grant(wire, sender, 1);
  assert.deepEqual(await receive(wire, PIECE), [bytes.subarray(2 * PIECE)]);
  await within(writing, "the write");
});

test("a write is over when the memory can be used again", async () => {
  using wire = await Wire.open();
  const sender = wire.connection.streams.offerReading(false);
  grant(wire, sender, 1 << 20);
  const bytes = pattern(4 * CAPACITY, 1); // more than the ring holds
  const writing = sender.writeBytes(bytes)!;
  const pieces = receive(wire, bytes.length);
  await within(writing, "the write");
  bytes.fill(0);
  const all = new Uint8Array(bytes.length);
  let at = 0;
  for (const piece of await pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  assert.deepEqual(all, pattern(bytes.length, 1));
  assert.equal(sender.writeBytes(pattern(5, 2)), undefined, "there is room: it is over at once");
  assert.equal(sender.writeBytes(new Uint8Array(0)), undefined);
});

test("where writes are chunks, each is a record, however large; so are values", async () => {
  using wire = await Wire.open();
  const sender = wire.connection.streams.offerReading(true);
  grant(wire, sender, 2 * ITEM_COST + 30);
  for (const bytes of [pattern(20, 1), new Uint8Array(0)]) {
    assert.equal(sender.ready(), undefined);
    assert.equal(sender.writeBytes(bytes), undefined);
  }
  assert.equal(sender.ready(), undefined, "10 are left");
  sender.writeValue("a value", bytesOf);
  const ready = sender.ready()!;
  assert.deepEqual(wire.all().map(({ flags, payload }) => [flags, payload.length]), [
    [0, 20],
    [0, 0],
    [value, 7],
  ]);
  grant(wire, sender, ITEM_COST + 7 - 10);
  assert.equal(await isSettled(ready), false, "what was overdrawn is paid back first");
  grant(wire, sender, 1);
  await within(ready, "credit");
});

test("a chunk that waits for room holds up the write that follows, not the memory", async () => {
  using wire = await Wire.open();
  const sender = wire.connection.streams.offerReading(true);
  grant(wire, sender, 1 << 20);
  const chunk = pattern(2 * CAPACITY, 1);
  const writing = sender.writeBytes(chunk)!;
  assert.equal(await isSettled(writing), false);
  chunk.fill(0); // it was copied
  const bytes: number[] = [];
  await until(() => {
    for (const { payload } of wire.all()) bytes.push(...payload);
    wire.read();
    return bytes.length === chunk.length;
  }, "the chunk");
  await within(writing, "the write");
  assert.deepEqual(new Uint8Array(bytes), pattern(chunk.length, 1));
});

test("nothing is sent after the end, and the end is told once", async () => {
  using wire = await Wire.open();
  const { streams } = wire.connection;
  const endings: ((sender: StreamSender) => void)[] = [
    (sender) => sender.end(),
    (sender) => sender.fail(new Error("mine")),
    (sender) => sender.abort(new Error("mine")),
    (sender) => sender.giveUp(new Error("mine")),
  ];
  for (const [at, ending] of endings.entries()) {
    const sender = streams.offerReading(false);
    grant(wire, sender, 100);
    let over = 0;
    sender.whenOver(() => over++);
    const writing = sender.writeBytes(pattern(PIECE + 10, 1))!; // a piece is sent, 10 bytes wait
    ending(sender);
    await within(writing, "the write that was cut short");
    for (const again of endings) again(sender);
    assert.equal(sender.writeBytes(pattern(3, 1)), undefined);
    assert.equal(sender.writeValue("v", bytesOf), undefined);
    assert.equal(sender.ready(), undefined);
    assert.deepEqual(
      wire.all().map(({ kind, flags, payload }) => [kind, flags, payload.length]),
      [[data, 0, PIECE], at === 0 ? [end, nothing, 0] : [end, error, 4]],
    );
    assert.equal(over, 1);
    sender.whenOver(() => over++);
    assert.equal(over, 2, "it is over already");
    assert.equal(streams.size, 0);
  }
});

test("its source is told once that the reader wants no more, and why", async () => {
  using wire = await Wire.open();
  const { streams } = wire.connection;
  for (const why of ["full", undefined]) {
    const sender = streams.offerReading(false);
    const reasons: unknown[] = [];
    sender.onStop = (reason) => void reasons.push(reason);
    const writing = sender.writeBytes(pattern(5, 1))!;
    sender.throwIfStopped();
    const flags = why === undefined ? nothing : 0;
    wire.tell(
      { kind: stop, flags, correlation: sender.id },
      why === undefined ? why : bytesOf(why),
    );
    await within(writing, "the write that nobody wants");
    assert.deepEqual(reasons.map((reason) => (reason as Error | undefined)?.message), [why]);
    assert.throws(() => sender.throwIfStopped(), why ? { message: why } : StreamAbortedError);
    assert.deepEqual(wire.all().map(({ kind }) => kind), [end], "the reader's id is free then");
    sender.abort(new Error("mine"));
    assert.equal(reasons.length, 1);
  }
});

test("an abort is told to both sides", async () => {
  using wire = await Wire.open();
  const sender = wire.connection.streams.offerReading(false);
  const reasons: unknown[] = [];
  sender.onStop = (reason) => void reasons.push(reason);
  const failure = new RangeError("mine");
  sender.abort(failure);
  assert.deepEqual(reasons, [failure]);
  assert.throws(() => sender.throwIfStopped(), failure);
  const { kind, flags, payload } = wire.next()!;
  assert.deepEqual([kind, flags, textOf(payload)], [end, error, "mine"]);
});

test("its end is awaited until the reader has worked all off, or fails at it", async () => {
  using wire = await Wire.open();
  const { streams } = wire.connection;
  for (const why of [undefined, "no room left"]) {
    const sender = streams.write(THEIRS);
    const finished = sender.finish();
    const result = finished.then(() => undefined, (error: Error) => error.message);
    assert.deepEqual(wire.all().map(({ kind }) => kind), [end]);
    assert.equal(sender.isOver, true);
    assert.equal(await isSettled(finished), false);
    const flags = why === undefined ? nothing : 0;
    wire.tell({ kind: stop, flags, correlation: THEIRS }, why === undefined ? why : bytesOf(why));
    assert.equal(await within(result, "the reader"), why);
    assert.equal(streams.size, 0, "the id is free then");
  }
});

test("a writer that gives up waiting for the reader gets its own reason", async () => {
  using wire = await Wire.open();
  const { streams } = wire.connection;
  const sender = streams.write(THEIRS);
  const finished = errorOf(() => sender.finish());
  sender.giveUp(new RangeError("mine"));
  assert.equal((await within(finished, "the end")).message, "mine");
  assert.equal(streams.size, 0);
  const other = streams.write(THEIRS);
  other.giveUp(new RangeError("mine, before its end"));
  assert.throws(() => other.throwIfStopped(), { message: "mine, before its end" });
  assert.match((await errorOf(() => other.finish())).message, /mine, before its end/);
});

test("the end of the connection is the end of what waits, each way", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  const sender = connection.streams.offerReading(false);
  const reasons: unknown[] = [];
  sender.onStop = (reason) => void reasons.push(reason);
  const writing = sender.writeBytes(pattern(5, 1))!;
  const finished = errorOf(() => connection.streams.write(THEIRS).finish());
  connection.close();
  await within(writing, "the write");
  assert.ok(await within(finished, "the end") instanceof ClosedError);
  assert.ok(reasons[0] instanceof ClosedError && reasons.length === 1);
  assert.throws(() => sender.throwIfStopped(), ClosedError);
});

test("streams that wait for room have their turns", async () => {
  using wire = await Wire.open();
  const { streams } = wire.connection;
  const senders = [1, 2, 3].map(() => streams.offerReading(false));
  for (const sender of senders) grant(wire, sender, 1 << 20);
  const writes = senders.map((sender) => sender.writeBytes(new Uint8Array(20 * PIECE)));
  const order: number[] = [];
  await until(() => {
    order.push(...wire.all().map(({ correlation }) => correlation));
    wire.read();
    return order.length === 60;
  }, "all pieces");
  await within(Promise.all(writes), "the writes");
  // The first one filled the ring before the others came.
  const others = order.slice(order.indexOf(senders[1]!.id));
  for (const { id } of senders.slice(1)) {
    const at = others.flatMap((each, at) => each === id ? [at] : []);
    for (let i = 1; i < at.length; i++) {
      assert.ok(at[i]! - at[i - 1]! <= 3, `the stream ${id} waits for ${at[i]! - at[i - 1]!}`);
    }
  }
});
