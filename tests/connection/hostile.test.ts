// A partner that writes garbage loses its connection; nothing else happens to anybody.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import process from "node:process";
import { PeerGoneError } from "../../mod.ts";
import { ConnectionLayout, Header, MAX_SOURCES, Side } from "../../src/memory/layout.ts";
import { maxPayload, RecordFlag, RecordHeader, RecordKind } from "../../src/ring/record.ts";
import { errorOf } from "../support/api.ts";
import { HostilePartner } from "../support/hostile.ts";
import { CAPACITY, Victim } from "../support/victim.ts";
import { until, within } from "../support/watchdog.ts";

const uncaught: unknown[] = [];
process.on("uncaughtException", (error) => void uncaught.push(error));
process.on("unhandledRejection", (error) => void uncaught.push(error));
afterEach(() => {
  assert.deepEqual(uncaught.splice(0), [], "errors that nobody caught");
});

const EMPTY = new Uint8Array(0);
const garbage: Record<string, (partner: HostilePartner) => void> = {
  "an answer to no call"(partner) {
    partner.producer().write(RecordHeader.of({ kind: RecordKind.response, correlation: 5 }), EMPTY);
  },
  "an unknown kind"(partner) {
    partner.producer().write(RecordHeader.of({ kind: 200 }), EMPTY);
  },
  "a piece of no message"(partner) {
    partner.producer().write(RecordHeader.of({ kind: RecordKind.piece }), EMPTY);
  },
  "a commit word of ones"(partner) {
    partner.data[1] = RecordKind.message;
    partner.data[0] = -1;
  },
  "a pad of the whole ring"(partner) {
    partner.data[0] = CAPACITY - 8 + 1;
  },
  "ones everywhere"(partner) {
    partner.data.fill(-1);
  },
};

for (const [what, write] of Object.entries(garbage)) {
  test(`${what}: pending calls are rejected, and the name works again`, async () => {
    await using victim = await Victim.open();
    const pending = errorOf(() => victim.channel.request());
    write(victim.partner);
    victim.partner.ring();
    const error = await within(pending, "the call", 20_000);
    assert.ok(error instanceof PeerGoneError, String(error));
    assert.equal(error.reason, "corrupt");
    await victim.mustRecover();
  });
}

test("garbage while a call blocks", async () => {
  await using victim = await Victim.open();
  victim.partner.producer().write(RecordHeader.of({ kind: 200 }), EMPTY);
  const error = await errorOf(() => victim.channel.requestSync(undefined, { timeout: 20_000 }));
  assert.ok(error instanceof PeerGoneError, String(error));
  await victim.mustRecover();
});

test("words of the sides that mean nothing", async () => {
  for (const value of [0, 3, 77, 0xffff_ffff]) {
    await using victim = await Victim.open();
    victim.partner.segment.setU32(ConnectionLayout.b + Side.state, value);
    victim.partner.ring();
    await until(() => victim.gone.length === 1, "the end of the connection");
    assert.deepEqual(victim.gone, ["closed"]);
    await victim.mustServe();
  }
});

test("a source that no node has is rung by nobody", async () => {
  for (const source of [MAX_SOURCES, 0x7fff_ffff, 0xffff_ffff]) {
    await using victim = await Victim.open({}, false);
    victim.partner.answer(undefined, source);
    await victim.channel.whenConnected();
    victim.partner.consumer().setWaiting();
    assert.equal(victim.channel.send(new Uint8Array(10)), true);
    const consumer = victim.partner.consumer();
    assert.equal(consumer.next(), true);
  }
});

/** Fills the victim's ring so that its next record needs room it must ask for. */
function fillRing(victim: Victim, records: number): void {
  for (let i = 0; i < records; i++) assert.equal(victim.channel.send(EMPTY), true);
}
const RECORDS = CAPACITY / 16 - 1;

test("a head that can't be, when a call is aborted", async () => {
  await using victim = await Victim.open();
  const controller = new AbortController();
  const { signal } = controller;
  const pending = errorOf(() => victim.channel.request(EMPTY, { signal }));
  fillRing(victim, RECORDS - 1);
  victim.partner.setHead(12_345);
  controller.abort(new RangeError("mine"));
  const error = await within(pending, "the aborted call", 20_000);
  assert.ok(error instanceof RangeError, String(error));
  await victim.mustRecover();
});

test("a head that can't be, when calls time out", async () => {
  await using victim = await Victim.open();
  const pending = [5, 5, 6, 10_000].map((timeout) =>
    errorOf(() => victim.channel.request(EMPTY, { timeout }))
  );
  fillRing(victim, RECORDS - 4);
  victim.partner.setHead(12_345);
  const errors = await within(Promise.all(pending), "calls", 20_000);
  assert.deepEqual(errors.map(({ name }) => name).sort(), [
    "PeerGoneError",
    "PeerGoneError",
    "PeerGoneError",
    "TimeoutError",
  ]);
  await victim.mustRecover();
});

test("a head that can't be, when a blocking call times out", async () => {
  await using victim = await Victim.open();
  fillRing(victim, RECORDS - 1);
  setTimeout(() => {}, 0);
  victim.partner.setHead(0);
  const words = victim.partner.segment;
  // The request itself takes the last room; its cancel then looks at the head.
  words.setU32(ConnectionLayout.ringAB, 12_345);
  const error = await errorOf(() => victim.channel.requestSync(EMPTY, { timeout: 20 }));
  assert.ok(/TimeoutError|PeerGoneError/.test(error.name), String(error));
  await victim.mustRecover();
});

test("a head that can't be, when an answer is sent", async () => {
  let answered = 0;
  await using victim = await Victim.open({ onRequest: () => void answered++ });
  fillRing(victim, RECORDS);
  victim.partner.setHead(12_345);
  victim.partner.producer().write(RecordHeader.of({ kind: RecordKind.request }), EMPTY);
  victim.partner.ring();
  await victim.mustRecover();
  assert.equal(answered, 1);
});

test("a head that can't be, when an answer is sent later", async () => {
  await using victim = await Victim.open({
    onRequest: () => new Promise((resolve) => setTimeout(resolve, 5)),
  });
  fillRing(victim, RECORDS);
  victim.partner.setHead(12_345);
  victim.partner.producer().write(RecordHeader.of({ kind: RecordKind.request }), EMPTY);
  victim.partner.ring();
  await victim.mustRecover();
});

test("a head that can't be, when a request is refused", async () => {
  await using victim = await Victim.open({ maxMessageBytes: 100 });
  fillRing(victim, RECORDS);
  victim.partner.setHead(12_345);
  const producer = victim.partner.producer();
  const piece = new Uint8Array(maxPayload(CAPACITY));
  producer.write(RecordHeader.of({ kind: RecordKind.request, flags: RecordFlag.more }), piece);
  producer.write(RecordHeader.of({ kind: RecordKind.piece }), piece, 0, 90);
  victim.partner.ring();
  await victim.mustRecover();
});

test("a head that can't be, while something waits for room", async () => {
  await using victim = await Victim.open();
  while (victim.channel.send(new Uint8Array(500)));
  const writable = errorOf(() => victim.channel.writable);
  victim.partner.setHead(12_345);
  victim.partner.ring();
  const error = await within(writable, "writable", 20_000);
  assert.ok(error instanceof PeerGoneError, String(error));
  await victim.mustRecover();
});

test("a ring without an end, and then its writer dies", async () => {
  await using victim = await Victim.open();
  const { data } = victim.partner;
  for (let at = 0; at < data.length; at += 4) {
    data[at + 1] = RecordKind.cancel;
    data[at] = 1;
  }
  victim.partner.ring();
  victim.partner.die();
  await until(() => victim.gone.length === 1, "the end of the connection");
  assert.ok(["died", "corrupt"].includes(victim.gone[0]!));
  await victim.mustServe();
});

test("a ring without an end, and its writer says that it closed", async () => {
  await using victim = await Victim.open();
  const { data } = victim.partner;
  for (let at = 0; at < data.length; at += 4) {
    data[at + 1] = RecordKind.cancel;
    data[at] = 1;
  }
  victim.partner.segment.setU32(ConnectionLayout.b + Side.state, 2);
  victim.partner.ring();
  await new Promise((resolve) => setTimeout(resolve, 20));
  // It may go on reading as long as the writer lives; timers and others have their turn.
  await victim.channel.close();
});
// ------------------------------------------------------------------- at the handshake

const broken: Record<string, (partner: HostilePartner) => void> = {
  "a capacity that is none": (partner) => {
    partner.segment.setU32(Header.capacity, 5);
    partner.answer();
  },
  "a capacity that is too large": (partner) => {
    partner.segment.setU32(Header.capacity, 8192);
    partner.answer();
  },
  "a position that is no multiple of 8": (partner) => {
    partner.setHead(4);
    partner.answer();
  },
  "a node that isn't there": (partner) => partner.answer("0123456789abcdef"),
  "no node at all": (partner) => partner.answer("0000000000000000"),
  "a state that means nothing": (partner) => {
    partner.segment.setU32(ConnectionLayout.b + Side.state, 99);
    partner.ring();
  },
  "a refusal, which no channel gives": (partner) => {
    partner.segment.setU32(ConnectionLayout.b + Side.state, 3);
    partner.ring();
  },
};

for (const [what, answer] of Object.entries(broken)) {
  test(`an answer with ${what}: the channel goes on`, async () => {
    await using victim = await Victim.open({}, false);
    victim.channel.send(new Uint8Array([9]));
    answer(victim.partner);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await victim.mustServe();
  });
}

test("an answer with a node that is no node: the channel goes on", async () => {
  const fs = await import("node:fs");
  await using victim = await Victim.open({}, false);
  const file = `${victim.partner.segment.path.split("/channel/")[0]}/nodes/0123456789abcdef`;
  fs.writeFileSync(file, new Uint8Array(8192), { mode: 0o600 });
  victim.partner.answer("0123456789abcdef");
  await new Promise((resolve) => setTimeout(resolve, 30));
  fs.rmSync(file, { force: true });
  await victim.mustServe();
});
