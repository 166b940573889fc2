// The rules of streams, on a table without memory between: what a correct peer never does ends
// the connection, what may cross on the way doesn't.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Streams } from "../../src/connection/streams.ts";
import { CodecError, CorruptSegmentError } from "../../src/errors.ts";
import { RecordFlag, RecordHeader, RecordKind } from "../../src/ring/record.ts";

const WINDOW = 1000;
const { data, end, credit, stop } = RecordKind;
const { nothing, error } = RecordFlag;

/** Side a, and what it sends. */
function table() {
  const sent: [kind: number, id: number, extra: number, length: number][] = [];
  let waiting = 0;
  const streams = new Streams(
    {
      pieceBytes: 100,
      header: new RecordHeader(),
      isClear: () => true,
      post({ kind, correlation: id, extra }, payload) {
        sent.push([kind, id, extra, payload?.length ?? 0]);
        return true;
      },
      writePiece(id, _bytes, from, to) {
        sent.push([data, id, 0, to - from]);
        return true;
      },
      expect: () => void waiting++,
      unexpect: () => void waiting--,
      pause: () => undefined,
      encodeError: (reason) => new TextEncoder().encode(String(reason)),
      decodeError: (payload) => new Error(new TextDecoder().decode(payload)),
      heat() {},
    },
    0,
    WINDOW,
  );
  streams.decodeWith((payload) => payload.length);
  return { streams, sent, waiting: () => waiting };
}

function control(
  streams: Streams,
  kind: number,
  flags: number,
  correlation: number,
  extra: number,
  payload: Uint8Array<ArrayBuffer> | undefined,
): void {
  streams.onControl(RecordHeader.of({ kind, flags, correlation, extra }), payload);
}

const bytes = (length: number) => new Uint8Array(length);
const corrupt = (task: () => unknown) => assert.throws(task, CorruptSegmentError);

test("a reader: credit at the first read, then for what was read", async () => {
  const { streams, sent, waiting } = table();
  const reader = streams.read(1, false);
  corrupt(() => streams.onBytes(1, bytes(1)));
  const wait = reader.wait();
  assert.deepEqual(sent.splice(0), [[credit, 1, WINDOW, 0]]);
  assert.equal(waiting(), 1, "it keeps the process alive");
  streams.onBytes(1, bytes(400));
  streams.deliver();
  await wait;
  assert.equal(waiting(), 0);
  assert.equal((reader.take() as Uint8Array).length, 400);
  assert.deepEqual(sent.splice(0), [[credit, 1, 400, 0]]);
  streams.onBytes(1, bytes(600));
  streams.onBytes(1, bytes(5000)); // the last one may overdraw
  corrupt(() => streams.onBytes(1, bytes(1)));
  control(streams, end, nothing, 1, 0, undefined);
  corrupt(() => streams.onBytes(1, bytes(1)));
  let left = 0;
  while (reader.has) left += (reader.take() as Uint8Array).length;
  assert.equal(left, 5600);
  assert.deepEqual(sent, [], "after the end nothing is granted");
  assert.equal(streams.size, 0);
});

test("values count more than their bytes", () => {
  const { streams } = table();
  const reader = streams.read(1, true);
  void reader.wait();
  for (let i = 0; i < 4; i++) streams.onValue(1, bytes(1));
  corrupt(() => streams.onValue(1, bytes(1)));
});

test("a reader that stops drops what comes until the end", async () => {
  const { streams, sent } = table();
  const reader = streams.read(1, false);
  const wait = reader.wait();
  reader.stop("why");
  await wait;
  assert.deepEqual(sent.splice(0), [[credit, 1, WINDOW, 0], [stop, 1, 0, 3]]);
  streams.onBytes(1, bytes(10));
  assert.equal(reader.has, false);
  control(streams, end, nothing, 1, 0, undefined);
  corrupt(() => streams.onBytes(1, bytes(1)));
  reader.stop("again");
  assert.deepEqual(sent, []);
});

test("a writer: nothing without credit, and its end once", async () => {
  const { streams, sent } = table();
  const writer = streams.offerReading(false);
  const { id } = writer;
  assert.equal(id & 1, 0);
  assert.notEqual(writer.ready(), undefined);
  control(streams, credit, nothing, id, 150, undefined);
  assert.equal(writer.ready(), undefined);
  const writing = writer.writeBytes(bytes(350));
  assert.deepEqual(sent.splice(0), [[data, id, 0, 100], [data, id, 0, 100]]);
  control(streams, credit, nothing, id, 1000, undefined);
  streams.flush();
  await writing;
  assert.deepEqual(sent.splice(0), [[data, id, 0, 100], [data, id, 0, 50]]);
  writer.end();
  writer.end();
  writer.fail(new Error("too late"));
  assert.deepEqual(sent.splice(0), [[end, id, 0, 0]]);
  // These crossed with the end.
  control(streams, credit, nothing, id, 10, undefined);
  control(streams, stop, nothing, id, 0, undefined);
  assert.deepEqual(sent, []);
});

test("a writer that is stopped answers with its end, and tells its source", () => {
  const { streams, sent } = table();
  const writer = streams.offerReading(false);
  const reasons: unknown[] = [];
  writer.onStop = (reason) => void reasons.push(reason);
  control(streams, stop, 0, writer.id, 0, new TextEncoder().encode("full"));
  assert.deepEqual(sent, [[end, writer.id, 0, 0]]);
  assert.equal((reasons[0] as Error).message, "full");
  assert.equal(writer.isOver, true);
  assert.equal(writer.writeBytes(bytes(5)), undefined);
  assert.equal(sent.length, 1);
});

test("a stream that we offer for writing: its end is acknowledged", () => {
  const { streams, sent } = table();
  const reader = streams.offerWriting();
  assert.equal(reader.preGrant(), WINDOW);
  streams.onBytes(reader.id, bytes(10));
  control(streams, end, nothing, reader.id, 0, undefined);
  reader.take();
  reader.finished();
  assert.deepEqual(sent, [[stop, reader.id, 0, 0]]);
});

test("a stream of the peer that we write waits for the acknowledgement", async () => {
  const { streams, sent } = table();
  for (const flags of [nothing, 0]) {
    const writer = streams.write(7);
    writer.onCredit(10);
    const finished = writer.finish();
    assert.deepEqual(sent.splice(0), [[end, 7, 0, 0]]);
    control(streams, stop, flags, 7, 0, flags === 0 ? new Uint8Array(0) : undefined);
    if (flags === 0) await assert.rejects(finished);
    else await finished;
  }
});

test("what no correct peer sends is corrupt", () => {
  const { streams } = table();
  const reader = streams.read(1, false);
  const writer = streams.offerReading(false);
  corrupt(() => streams.onBytes(99, bytes(1)));
  corrupt(() => streams.onBytes(writer.id, bytes(1)));
  corrupt(() => streams.onValue(writer.id, bytes(1)));
  corrupt(() => control(streams, end, nothing, writer.id, 0, undefined));
  corrupt(() => control(streams, credit, nothing, reader.id, 1, undefined));
  corrupt(() => control(streams, stop, nothing, reader.id, 0, undefined));
  corrupt(() => control(streams, credit, nothing, writer.id + 2, 1, undefined));
  corrupt(() => control(streams, end, nothing, writer.id, 0, undefined));
  corrupt(() => control(streams, end, error, writer.id + 100, 0, undefined));
  control(streams, credit, nothing, writer.id, 0x7fff_ffff, undefined);
  corrupt(() => control(streams, credit, nothing, writer.id, 1, undefined));
  corrupt(() =>
    control(streams, credit, nothing, streams.offerReading(true).id, 2 ** 31, undefined)
  );
});

test("ids that can't be", () => {
  const { streams } = table();
  const ours = streams.offerReading(false).id;
  for (const id of [ours, ours + 2, -1, 1.5, NaN, 2 ** 32 + 1, "1", undefined, null, {}]) {
    assert.throws(() => streams.read(id, false), CodecError);
    assert.throws(() => streams.write(id), CodecError);
  }
  streams.read(1, false);
  assert.throws(() => streams.read(1, false), CodecError, "it is there already");
});

test("the end of the connection: what came can be read, then there is the error", async () => {
  const { streams, waiting } = table();
  const reader = streams.read(1, false);
  const wait = reader.wait();
  streams.onBytes(1, bytes(10));
  const writer = streams.offerReading(false);
  const reasons: unknown[] = [];
  writer.onStop = (reason) => void reasons.push(reason);
  const finishing = streams.write(3);
  const finished = assert.rejects(finishing.finish(), { message: "gone" });
  streams.close(new Error("gone"));
  await wait;
  await finished;
  assert.equal((reader.take() as Uint8Array).length, 10);
  assert.throws(() => reader.throwIfFailed(), { message: "gone" });
  assert.equal((reasons[0] as Error).message, "gone");
  assert.equal(waiting(), 0);
  assert.equal(streams.size, 0);
  assert.throws(() => streams.offerReading(false), { message: "gone" });
});
