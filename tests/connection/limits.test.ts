// What a partner can make this side hold is limited; a correct one never notices.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BackpressureError, Channel, TimeoutError } from "../../mod.ts";
import { MAX_CALLS, MAX_QUEUED, MOST_OWED } from "../../src/connection/limits.ts";
import type { StreamSender } from "../../src/connection/stream_sender.ts";
import { maxPayload, RecordFlag, RecordHeader, RecordKind } from "../../src/ring/record.ts";
import { assertEmpty, errorOf } from "../support/api.ts";
import type { HostilePartner } from "../support/hostile.ts";
import { sleep } from "../support/remote_functions.ts";
import { Scratch } from "../support/scratch.ts";
import { pump } from "../../src/rpc/stream_ends.ts";
import { CAPACITY, Victim } from "../support/victim.ts";
import { until, within } from "../support/watchdog.ts";
import { Wire } from "../support/wire.ts";

const { request, response, message, piece, cancel } = RecordKind;
const FULL = maxPayload(CAPACITY);

/** Writes records, each `[fields, bytes of payload]`. */
function write(
  partner: HostilePartner,
  ...records: [Parameters<typeof RecordHeader.of>[0], number][]
): void {
  const producer = partner.producer();
  for (const [fields, bytes] of records) {
    assert.ok(producer.write(RecordHeader.of(fields), new Uint8Array(bytes)));
  }
  partner.ring();
}

const { more, attachment } = RecordFlag;
const pieces: [string, Parameters<typeof write>[1][]][] = [
  ["no bytes", [[{ kind: request, flags: more }, FULL], [{ kind: piece, flags: more }, 0]]],
  ["one byte and more", [
    [{ kind: request, flags: more }, FULL],
    [{ kind: piece, flags: more }, 1],
    [{ kind: piece, flags: more }, 1],
  ]],
  ["an attachment of nothing", [
    [{ kind: request, flags: more }, 5],
    [{ kind: piece, flags: more | attachment }, 0],
  ]],
  ["an attachment that is too small to be one", [
    [{ kind: request, flags: more }, 5],
    [{ kind: piece, flags: attachment, extra: FULL }, FULL],
  ]],
  ["no bytes, the last", [[{ kind: request, flags: more }, FULL], [{ kind: piece }, 0]]],
  ["no bytes, the first", [[{ kind: request, flags: more }, 0]]],
  ["another message", [[{ kind: request, flags: more }, FULL], [{ kind: message }, 5]]],
];
for (const [what, records] of pieces) {
  test(`pieces that no correct partner writes: ${what}`, async () => {
    await using victim = await Victim.open();
    write(victim.partner, ...records);
    await victim.mustRecover(/piece|attachment/);
  });
}

test("requests under way have ids below a limit, each once", async () => {
  for (const ids of [[MAX_CALLS], [0xffff_ffff], [3, 4, 3]]) {
    await using victim = await Victim.open({ onRequest: () => new Promise(() => {}) });
    write(
      victim.partner,
      ...ids.map((correlation) => {
        return [{ kind: request, correlation }, 0] as Parameters<typeof write>[1];
      }),
    );
    await victim.mustRecover(new RegExp(`${ids.at(-1)}.*${MAX_CALLS}`));
  }
});

test("a request that is given up is answered at once, whatever its handler does", async () => {
  let aborted = 0;
  const late = Promise.withResolvers<Uint8Array>();
  await using victim = await Victim.open({
    onRequest(_payload, { signal }) {
      signal.addEventListener("abort", () => void aborted++);
      return late.promise;
    },
  });
  const consumer = victim.partner.consumer();
  const producer = victim.partner.producer();
  for (let round = 0; round < 3; round++) {
    producer.write(RecordHeader.of({ kind: request, correlation: 7 }), undefined);
    producer.write(RecordHeader.of({ kind: cancel, correlation: 7 }), undefined);
    victim.partner.ring();
    await until(() => consumer.next(), "the answer");
    assert.deepEqual(
      [consumer.kind, consumer.correlation, consumer.flags],
      [response, 7, RecordFlag.nothing],
    );
  }
  assert.equal(aborted, 3);
  late.resolve(new Uint8Array(1));
  await sleep(5);
  assert.equal(consumer.next(), false, "the id may be another call's by now");
});

test("a partner that doesn't read its answers isn't read from either, until it does", async () => {
  const limit = 10_000;
  await using victim = await Victim.open({
    sendQueueBytes: limit,
    onRequest: (payload) => payload,
  });
  const producer = victim.partner.producer();
  const consumer = victim.partner.consumer();
  const header = RecordHeader.of({ kind: request });
  let asked = 0;
  let refused = 0;
  while (refused < 50) {
    header.correlation = asked & 0xff;
    if (producer.write(header, new Uint8Array(500))) {
      asked++;
      refused = 0;
    } else {
      refused++;
    }
    victim.partner.ring();
    if (refused > 0) await sleep(2);
  }
  const { queuedBytes } = victim.channel.stats;
  assert.ok(queuedBytes <= limit + 1000, `${queuedBytes} bytes wait`);
  let answers = 0;
  await until(() => {
    while (consumer.next()) answers++;
    if (consumer.takeProducerWaiting()) victim.partner.ring();
    return answers === asked;
  }, "all answers");
  assert.deepEqual(victim.gone, []);
  assert.equal(victim.channel.stats.queuedBytes, 0);
});

test("a partner that this side waits for is read from, but not for ever", async () => {
  await using victim = await Victim.open({ onRequest: () => new Uint8Array(200_000) });
  const waiting = errorOf(() => victim.channel.request());
  const producer = victim.partner.producer();
  for (let id = 0; victim.gone.length === 0; id = (id + 1) & 0xff) {
    producer.write(RecordHeader.of({ kind: request, correlation: id }), undefined);
    victim.partner.ring();
    if ((id & 31) === 0) await sleep(1);
  }
  await waiting;
  await victim.mustRecover(new RegExp(`${MOST_OWED} times .sendQueueBytes`));
});

test("calls that time out while nothing is read leave nothing", async () => {
  await using victim = await Victim.open();
  while (victim.channel.send(new Uint8Array(500)));
  const { queuedMessages, queuedBytes } = victim.channel.stats;
  for (let round = 0; round < 20; round++) {
    const calls = Array.from({ length: 50 }, () => {
      return errorOf(() => victim.channel.request(new Uint8Array(3000), { timeout: 1 }));
    });
    for (const error of await Promise.all(calls)) assert.ok(error instanceof TimeoutError);
  }
  const now = victim.channel.stats;
  assert.deepEqual(
    [now.queuedMessages, now.queuedBytes, now.pendingCalls],
    [queuedMessages, queuedBytes, 0],
  );
});

test("more calls than can be under way wait for their turn, in order", async () => {
  using scratch = new Scratch();
  {
    const order: number[] = [];
    let open = false;
    const held: (() => void)[] = [];
    await using server = await Channel.open("many", {
      directory: scratch.path,
      onRequest(payload) {
        order.push(payload![0]! | (payload![1]! << 8) | (payload![2]! << 16));
        if (open) return undefined;
        return new Promise((resolve) => held.push(() => resolve(undefined)));
      },
    });
    await using client = await Channel.open("many", { directory: scratch.path });
    await Promise.all([server.whenConnected(), client.whenConnected()]);
    const count = MAX_CALLS + 500;
    const payload = new Uint8Array(3);
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < count; i++) {
      payload.set([i, i >> 8, i >> 16]);
      calls.push(client.request(payload, { timeout: Infinity }));
    }
    const impatient = errorOf(() => client.request(payload, { timeout: 20 }));
    const controller = new AbortController();
    const aborted = errorOf(() => client.request(payload, { signal: controller.signal }));
    await until(() => held.length === MAX_CALLS, "as many as there can be");
    assert.equal(client.stats.pendingCalls, MAX_CALLS);
    assert.match(String(await within(impatient, "the time-out", 60_000)), /65536 calls/);
    controller.abort(new RangeError("mine"));
    assert.ok(await aborted instanceof RangeError);
    open = true;
    for (const answer of held) answer();
    await within(Promise.all(calls), "the answers", 60_000);
    assert.equal(order.length, count);
    assert.ok(order.every((number, i) => number === i));
  }
  assertEmpty(scratch);
});

test("messages without bytes that wait for a partner are bounded, and reach it", async () => {
  using scratch = new Scratch();
  await using channel = await Channel.open("name", { directory: scratch.path });
  for (let i = 0; i < MAX_QUEUED; i++) channel.send();
  assert.throws(() => channel.send(), (error) => {
    assert.ok(error instanceof BackpressureError, String(error));
    assert.match(error.message, new RegExp(`${MAX_QUEUED} messages wait`));
    return true;
  });
  assert.equal(channel.stats.queuedMessages, MAX_QUEUED);
  assert.equal(channel.stats.overflows, 1);
  let got = 0;
  await using partner = await Channel.open("name", {
    directory: scratch.path,
    onMessage: () => void got++,
  });
  await until(() => got === MAX_QUEUED, "all of them", 60_000);
  assert.equal(partner.isConnected, true);
});

/** Streams of one value each, which counts what is asked for and what is encoded. */
function valueStreams({ connection: { streams } }: Wire, count: number, size: number) {
  const counts = { asked: 0, encoded: 0 };
  const senders: StreamSender[] = [];
  for (let i = 0; i < count; i++) {
    const sender = streams.offerReading(true);
    let left = 1;
    const source = {
      next: () => {
        if (left-- === 0) return Promise.resolve({ done: true });
        counts.asked++;
        return Promise.resolve({ value: sender.id });
      },
      cancel() {},
    };
    void pump(sender, source, (id) => {
      counts.encoded++;
      return new Uint8Array(size).fill(id as number);
    });
    senders.push(sender);
  }
  return { counts, senders };
}

test("values of streams wait at their sources for a partner that doesn't read", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  const [count, size] = [250, 3000];
  const { counts, senders } = valueStreams(wire, count, size);
  for (const { id } of senders) {
    wire.tell({ kind: RecordKind.credit, correlation: id, extra: 1 });
    if (id % 50 === 0) await sleep(0);
  }
  connection.poll();
  await sleep(5);
  const { queuedBytes } = connection;
  assert.ok(queuedBytes > 0 && queuedBytes <= size, `${queuedBytes} bytes wait`);
  assert.ok(counts.encoded <= 3, `${counts.encoded} are encoded`);
  assert.ok(counts.asked < count / 2, `${counts.asked} were asked for`);
  const got = new Set<number>();
  const ended = new Set<number>();
  await until(() => {
    for (const { kind, correlation, payload } of wire.all()) {
      if (kind === RecordKind.end) {
        ended.add(correlation);
      } else if (kind === RecordKind.data) {
        assert.ok(!got.has(correlation));
        got.add(correlation);
        assert.equal(payload[0], correlation & 0xff);
        // The value overdrew its credit: its stream needs some to go on, and so to end.
        wire.tell({ kind: RecordKind.credit, correlation, extra: 10_000 });
      }
    }
    connection.poll();
    return ended.size === count;
  }, "all values and ends");
  assert.equal(got.size, count);
  assert.deepEqual(counts, { asked: count, encoded: count });
});
