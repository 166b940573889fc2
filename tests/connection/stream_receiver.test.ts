// The reading end of a stream on a real connection; the writer is the test. What crosses on the
// way, and what is corrupt, is in streams.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ITEM_COST } from "../../src/connection/stream_host.ts";
import type { StreamReceiver } from "../../src/connection/stream_receiver.ts";
import { CorruptSegmentError, PeerGoneError } from "../../src/errors.ts";
import { SideState } from "../../src/memory/layout.ts";
import { RecordFlag, RecordKind } from "../../src/ring/record.ts";
import { bytesOf, textOf } from "../support/api.ts";
import { pattern } from "../support/ring.ts";
import { until, within } from "../support/watchdog.ts";
import { Wire } from "../support/wire.ts";
import type { WireOptions } from "../support/wire.ts";

const { data, end, credit, stop } = RecordKind;
const { nothing, error, value } = RecordFlag;
const WINDOW = 4000;
const ID = 7;

async function open(options: WireOptions = {}): Promise<Wire> {
  const wire = await Wire.open({ ...options, limits: { streamWindowBytes: WINDOW } });
  wire.connection.streams.decodeWith((payload) => {
    const text = textOf(payload);
    if (text === "bad") throw new RangeError("not readable");
    return `<${text}>`;
  });
  return wire;
}

/** The credit that was granted since the last time. */
function granted(wire: Wire): number[] {
  return wire.all().map(({ kind, correlation, extra }) => {
    assert.deepEqual([kind, correlation], [credit, ID]);
    return extra;
  });
}

const write = (wire: Wire, bytes: Uint8Array, flags = 0): void =>
  wire.tell({ kind: data, correlation: ID, flags }, bytes);
const finish = (wire: Wire, flags: number = nothing, why?: Uint8Array): void =>
  wire.tell({ kind: end, correlation: ID, flags }, why);

/** All that can be taken now. */
function taken(reader: StreamReceiver): unknown[] {
  const all = [];
  while (reader.has) all.push(reader.take());
  return all;
}

test("nothing is granted before the first read; then again when a quarter was read", async () => {
  using wire = await open();
  const reader = wire.connection.streams.read(ID, false);
  assert.deepEqual(wire.all(), []);
  const wait = reader.wait();
  assert.deepEqual(granted(wire), [WINDOW]);
  write(wire, pattern(WINDOW / 4 - 1, 1));
  await within(wait, "the bytes");
  taken(reader);
  assert.deepEqual(granted(wire), []);
  write(wire, pattern(1, 1));
  taken(reader);
  assert.deepEqual(granted(wire), [WINDOW / 4]);
  void reader.wait();
  assert.deepEqual(granted(wire), [], "the window is granted once");
});

test("a stream offered for writing has its credit from the start", async () => {
  using wire = await open();
  const reader = wire.connection.streams.offerWriting();
  assert.equal(reader.preGrant(), WINDOW);
  wire.tell({ kind: data, correlation: reader.id }, pattern(9, 1));
  assert.deepEqual(taken(reader), [pattern(9, 1)]);
  void reader.wait();
  assert.deepEqual(wire.all(), []);
});

test("what arrives is copied, in order, whatever is in the ring later", async () => {
  using wire = await open();
  const reader = wire.connection.streams.read(ID, false);
  void reader.wait();
  const all: number[] = [];
  let sent = 0;
  // Several laps of the ring; what is here at a time stays below the window.
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 3; i++, sent++) write(wire, pattern(300, sent));
    for (const bytes of taken(reader)) all.push(...bytes as Uint8Array);
    wire.all();
  }
  const expected = Array.from({ length: sent }, (_, i) => [...pattern(300, i)]).flat();
  assert.deepEqual(all, expected);
});

test("values and bytes keep their order, and where writes are chunks they stay so", async () => {
  using wire = await open();
  const reader = wire.connection.streams.read(ID, false);
  void reader.wait();
  write(wire, pattern(3, 1));
  write(wire, pattern(4, 2));
  write(wire, bytesOf("v"), value);
  write(wire, pattern(5, 3));
  assert.deepEqual(taken(reader), [
    new Uint8Array([...pattern(3, 1), ...pattern(4, 2)]),
    "<v>",
    pattern(5, 3),
  ]);
  finish(wire);
  const exact = wire.connection.streams.read(ID, true);
  void exact.wait();
  for (const length of [3, 0, 4]) write(wire, pattern(length, 1));
  assert.deepEqual(taken(exact), [pattern(3, 1), pattern(0, 1), pattern(4, 1)]);
});

test("a writer beyond its window is corrupt; items count more than their bytes", async () => {
  const most = Math.ceil(WINDOW / (ITEM_COST + 10));
  for (const isValue of [true, false]) {
    using wire = await open();
    const reader = wire.connection.streams.read(ID, true);
    void reader.wait();
    for (let i = 0; i < most; i++) write(wire, pattern(10, i), isValue ? value : 0);
    assert.ok(wire.connection.isOpen);
    write(wire, pattern(10, 0), isValue ? value : 0);
    const [reason, cause] = wire.told.gone[0]!;
    assert.equal(reason, "corrupt");
    assert.ok(cause instanceof CorruptSegmentError && /without credit/.test(cause.message));
    assert.equal(taken(reader).length, most, "what came before can be read");
    assert.throws(() => reader.throwIfFailed(), PeerGoneError);
  }
});

test("bytes that come go right into the memory of a reader that waits", async () => {
  using wire = await open();
  const reader = wire.connection.streams.read(ID, false);
  const target = new Uint8Array(10);
  const first = reader.wait(target);
  write(wire, pattern(4, 1));
  assert.equal(await within(first, "some"), 4);
  assert.deepEqual(target.subarray(0, 4), pattern(4, 1));
  const second = reader.wait(target);
  write(wire, pattern(12, 2));
  assert.equal(await within(second, "as many as fit"), 10);
  assert.deepEqual(target, pattern(12, 2).subarray(0, 10));
  assert.deepEqual(taken(reader), [pattern(12, 2).subarray(10)], "the rest stays");
  write(wire, pattern(6, 3));
  assert.equal(await within(reader.wait(target), "no wait"), 0, "there is something to take");
  assert.deepEqual([reader.fill(target), target.subarray(0, 6)], [6, pattern(6, 3)]);
  assert.equal(reader.fill(target), 0);
});

test("a reader that stops tells why, once, and drops what comes until the end", async () => {
  using wire = await open();
  const { streams } = wire.connection;
  for (const why of [new RangeError("enough"), undefined]) {
    const reader = streams.read(ID, false);
    const wait = reader.wait();
    let over = 0;
    reader.whenOver(() => over++);
    write(wire, pattern(3, 1));
    granted(wire);
    reader.stop(why);
    await within(wait, "the reader that waits");
    reader.stop(why);
    const [told, ...rest] = wire.all();
    assert.deepEqual([told!.kind, textOf(told!.payload), rest], [stop, why?.message ?? "", []]);
    assert.equal((told!.flags & nothing) !== 0, why === undefined);
    write(wire, pattern(3, 1));
    write(wire, bytesOf("v"), value);
    assert.deepEqual([reader.has, reader.isOver, over], [false, true, 1]);
    reader.throwIfFailed();
    finish(wire);
    assert.equal(streams.size, 0);
  }
});

test("an abort stops, and tells what waits here the reason", async () => {
  using wire = await open();
  const reader = wire.connection.streams.read(ID, false);
  const failures: unknown[] = [];
  reader.onFailure = (failure) => void failures.push(failure);
  const wait = reader.wait();
  write(wire, pattern(3, 1));
  granted(wire);
  const failure = new RangeError("mine");
  reader.abort(failure);
  reader.abort(new RangeError("again"));
  await within(wait, "the reader that waits");
  assert.throws(() => reader.throwIfFailed(), failure);
  assert.deepEqual([failures, reader.has], [[failure], false]);
  assert.deepEqual(wire.all().map(({ payload }) => textOf(payload)), ["mine"]);
});

test("a value that can't be read fails its stream, and nothing else", async () => {
  using wire = await open();
  const { streams } = wire.connection;
  const reader = streams.read(ID, false);
  const other = streams.read(9, false);
  void other.wait();
  const wait = reader.wait();
  write(wire, bytesOf("bad"), value);
  await within(wait, "the failure");
  assert.throws(() => reader.throwIfFailed(), { message: "not readable" });
  finish(wire);
  wire.tell({ kind: data, correlation: 9, flags: value }, bytesOf("good"));
  assert.deepEqual(taken(other), ["<good>"]);
});

test("what came before the end can be read before its error is told", async () => {
  using wire = await open();
  for (const why of ["gone wrong", undefined]) {
    const reader = wire.connection.streams.read(ID, false);
    const failures: unknown[] = [];
    reader.onFailure = (failure) => void failures.push(failure);
    void reader.wait();
    write(wire, pattern(3, 1));
    finish(wire, why === undefined ? nothing : error, why === undefined ? why : bytesOf(why));
    assert.deepEqual([failures, reader.isOver, reader.has], [[], true, true]);
    assert.deepEqual(taken(reader), [pattern(3, 1)]);
    assert.equal(await within(reader.wait(), "no wait"), 0);
    if (why === undefined) reader.throwIfFailed();
    else assert.throws(() => reader.throwIfFailed(), { message: why });
  }
  const empty = wire.connection.streams.read(ID, false);
  const failures: unknown[] = [];
  empty.onFailure = (failure) => void failures.push(failure);
  finish(wire, error, bytesOf("at once"));
  assert.equal((failures[0] as Error).message, "at once", "nothing is left to read");
});

test("so can what came before the peer left or died", async () => {
  for (const how of ["left", "died"]) {
    using wire = await open();
    const reader = wire.connection.streams.read(ID, false);
    const wait = reader.wait();
    wire.write({ kind: data, correlation: ID }, pattern(3, 1));
    if (how === "left") wire.leave(SideState.closed);
    else wire.die();
    wire.connection.realm.reactor.heat(wire.connection.index);
    await within(wait, "the bytes");
    await until(() => wire.told.gone.length > 0, "the end");
    assert.deepEqual(taken(reader), [pattern(3, 1)]);
    assert.throws(() => reader.throwIfFailed(), PeerGoneError);
  }
});

test("a writer that waits hears once what became of it all", async () => {
  using wire = await open();
  const { streams } = wire.connection;
  const reports: [(reader: StreamReceiver) => void, string | undefined][] = [
    [(reader) => reader.finished(), undefined],
    [(reader) => reader.finished({ error: new RangeError("no room left") }), "no room left"],
    [(reader) => reader.stop(new RangeError("enough")), "enough"],
  ];
  for (const [report, why] of reports) {
    const reader = streams.offerWriting();
    reader.preGrant();
    reader.finished(); // not before the end
    assert.deepEqual(wire.all(), []);
    wire.tell({ kind: end, correlation: reader.id, flags: nothing });
    report(reader);
    report(reader);
    const [told, ...rest] = wire.all();
    assert.deepEqual([told!.kind, told!.correlation, rest], [stop, reader.id, []]);
    assert.equal(textOf(told!.payload), why ?? "");
    assert.equal((told!.flags & nothing) !== 0, why === undefined);
  }
  const failed = streams.offerWriting();
  wire.tell({ kind: end, correlation: failed.id, flags: error }, bytesOf("theirs"));
  failed.finished();
  assert.deepEqual(wire.all(), [], "a writer that failed knows it");
});
