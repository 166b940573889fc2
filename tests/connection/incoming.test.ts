// A request of the peer, from its arrival to its answer: what the handler is told, and what the
// peer gets.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncomingCall } from "../../src/connection/incoming.ts";
import { MAX_GIVEN_UP } from "../../src/connection/limits.ts";
import { PeerGoneError } from "../../src/errors.ts";
import { SideState } from "../../src/memory/layout.ts";
import { RecordFlag, RecordKind } from "../../src/ring/record.ts";
import { bytesOf, textOf } from "../support/api.ts";
import { pattern } from "../support/ring.ts";
import { Wire } from "../support/wire.ts";

const { request, response, cancel } = RecordKind;
const { nothing, error, references } = RecordFlag;

/** Lets a request arrive. */
function arrive(wire: Wire, correlation = 3, extra = 0): IncomingCall {
  wire.tell({ kind: request, correlation, method: 9, flags: references, extra }, bytesOf("?"));
  return wire.told.requests.at(-1)!.call;
}

test("it says what was called, and how long its caller waits from when it came", async () => {
  using wire = await Wire.open();
  const before = performance.now();
  const call = arrive(wire, 3, 1500);
  const after = performance.now();
  assert.deepEqual([call.method, call.flags, call.timeout], [9, references, 1500]);
  assert.ok(call.deadline <= after + 1500, "not after the request was read");
  assert.ok(call.deadline > before, "and it lies ahead");
  const { deadline } = call;
  for (const end = performance.now() + 2; performance.now() < end;);
  assert.equal(call.deadline, deadline, "it stays where it is");
  assert.equal(arrive(wire, 4, 0).deadline, Infinity);
});

test("it is answered once", async () => {
  using wire = await Wire.open();
  const call = arrive(wire);
  assert.equal(call.isAnswered, false);
  assert.equal(call.reply(pattern(5, 1), references), true);
  assert.equal(call.isAnswered, true);
  assert.equal(call.reply(pattern(5, 2)), false);
  call.fail(bytesOf("too late"));
  call.cancel();
  const [answer, ...rest] = wire.all();
  assert.deepEqual(rest, []);
  assert.deepEqual(
    [answer!.kind, answer!.correlation, answer!.flags, answer!.payload],
    [response, 3, references, pattern(5, 1)],
  );
});

test("an answer is bytes, no bytes, or nothing, or an error", async () => {
  using wire = await Wire.open();
  const answers: [(call: IncomingCall) => unknown, flags: number, text: string][] = [
    [(call) => call.reply(bytesOf("yes")), 0, "yes"],
    [(call) => call.reply(new Uint8Array(0)), 0, ""],
    [(call) => call.reply(undefined), nothing, ""],
    [(call) => call.fail(bytesOf("no")), error, "no"],
    [(call) => call.fail(bytesOf("no"), RecordFlag.unread), error | RecordFlag.unread, "no"],
    [(call) => call.cancel(), nothing, ""],
  ];
  for (const [answer, flags, text] of answers) {
    answer(arrive(wire));
    const { flags: sent, payload } = wire.next()!;
    assert.deepEqual([sent, textOf(payload)], [flags, text]);
  }
});

test("an answer that is too large is an error of the caller", async () => {
  using wire = await Wire.open({ limits: { maxMessageBytes: 100 } });
  assert.equal(arrive(wire).reply(new Uint8Array(101)), false);
  const { flags, correlation, payload } = wire.next()!;
  assert.deepEqual([flags, correlation], [error, 3]);
  assert.match(textOf(payload), /101 .*100/);
  assert.equal(arrive(wire).reply(new Uint8Array(100)), true, "the id is free again");
});

test("its signal is aborted when the caller gives up, also if it is asked for later", async () => {
  using wire = await Wire.open();
  const early = arrive(wire, 1);
  const { signal } = early;
  assert.equal(signal.aborted, false);
  const late = arrive(wire, 2);
  for (const correlation of [1, 2]) wire.tell({ kind: cancel, correlation });
  assert.equal(signal.aborted, true);
  assert.equal(early.signal, signal);
  assert.equal(late.signal.aborted, true);
  assert.deepEqual(wire.all().map((record) => [record.kind, record.correlation]), [
    [response, 1],
    [response, 2],
  ]);
  assert.equal(early.reply(pattern(1, 1)), false, "its id may be another call's by now");
});

test("its signal is aborted when the caller is gone, with the reason; no answer goes out", async () => {
  using wire = await Wire.open();
  const early = arrive(wire, 1);
  const { signal } = early;
  const late = arrive(wire, 2);
  wire.leave(SideState.closed);
  wire.read();
  for (const { reason } of [signal, late.signal]) {
    assert.ok(reason instanceof PeerGoneError, String(reason));
    assert.equal(reason.reason, "closed");
  }
  assert.equal(early.reply(pattern(1, 1)), false);
  assert.equal(wire.next(), undefined);
});

test("what runs on though its caller gave up is bounded: then its end gives the id back", async () => {
  using wire = await Wire.open();
  const { requests } = wire.told;
  const giveUp = (correlation: number): void => {
    wire.tell({ kind: request, correlation });
    wire.tell({ kind: cancel, correlation });
  };
  const answers = () => wire.all().map(({ correlation }) => correlation);
  for (let i = 0; i < MAX_GIVEN_UP; i++) {
    giveUp(0);
    if (i % 32 === 0) wire.consumer.next() && wire.all();
  }
  wire.all();
  giveUp(1);
  giveUp(2);
  assert.deepEqual(answers(), [], "their ids stay in use");
  assert.equal(requests.at(-1)!.call.signal.aborted, true, "but they are told");
  assert.equal(requests.at(-2)!.call.reply(undefined), true);
  assert.deepEqual(answers(), [1]);
  assert.equal(requests[0]!.call.reply(undefined), false);
  requests[0]!.call.fail(bytesOf("once is enough"));
  giveUp(3);
  giveUp(4);
  assert.deepEqual(answers(), [3], "there was room for one");
  wire.tell({ kind: request, correlation: 5 });
  requests.at(-1)!.call.reply(undefined);
  assert.deepEqual(answers(), [5], "other calls go on");
  wire.tell({ kind: request, correlation: 4 });
  assert.equal(wire.connection.isOpen, false, "an id that is in use is no honest caller's");
});
