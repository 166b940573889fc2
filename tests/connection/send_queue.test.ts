import assert from "node:assert/strict";
import { test } from "node:test";
import { Assembly } from "../../src/connection/assembly.ts";
import { MANY_CALLS, MAX_QUEUED, mostOwed, QUEUED_COST } from "../../src/connection/limits.ts";
import { SendQueue } from "../../src/connection/send_queue.ts";
import { BackpressureError } from "../../src/errors.ts";
import type { RingConsumer } from "../../src/ring/consumer.ts";
import { maxPayload, RecordFlag, RecordHeader, RecordKind } from "../../src/ring/record.ts";
import { Random, seed } from "../support/random.ts";
import { pattern, TestRing } from "../support/ring.ts";

const CAPACITY = 4096;
const PIECE = maxPayload(CAPACITY);

interface Message {
  kind: number;
  flags: number;
  method: number;
  correlation: number;
  extra: number;
  payload: Uint8Array;
}

/** Puts pieces together, as a connection does. */
class Reader {
  readonly messages: Message[] = [];
  pieces = 0;
  #assembly: Assembly | undefined;

  read(consumer: RingConsumer, most = Infinity): void {
    for (let i = 0; i < most && consumer.next(); i++) this.#take(consumer);
  }

  #take(record: RingConsumer): void {
    const { kind, flags } = record;
    this.pieces++;
    if (kind !== RecordKind.piece) {
      assert.equal(this.#assembly, undefined, "a message within another");
      this.#assembly = new Assembly(RecordHeader.copy(record));
    }
    const assembly = this.#assembly!;
    assembly.add(record.take(), Infinity);
    if ((flags & RecordFlag.more) !== 0) return;
    this.#assembly = undefined;
    this.messages.push({
      ...assembly.beginning,
      flags: assembly.beginning.flags & ~RecordFlag.more,
      payload: assembly.join(),
    });
  }
}

function post(outbox: SendQueue, payload: Uint8Array | undefined, id = 0, mayOverflow = false) {
  return outbox.post(
    RecordHeader.of({ kind: RecordKind.message, method: 7, correlation: id, extra: 9 }),
    payload,
    !mayOverflow,
  );
}

test("what fits goes at once", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 1000);
  const reader = new Reader();
  assert.equal(post(outbox, pattern(100, 1), 1), true);
  assert.equal(post(outbox, undefined, 2), true);
  assert.equal(outbox.isEmpty, true);
  assert.equal(outbox.waits, 0);
  reader.read(ring.consumer());
  assert.deepEqual(reader.messages.map(({ correlation }) => correlation), [1, 2]);
  assert.deepEqual(reader.messages[0]!.payload, pattern(100, 1));
});

test("a payload travels in as few pieces as there can be", () => {
  for (
    const [length, pieces] of [
      [0, 1],
      [1, 1],
      [PIECE - 1, 1],
      [PIECE, 1],
      [PIECE + 1, 2],
      [2 * PIECE, 2],
      [2 * PIECE + 1, 3],
      [10 * PIECE, 10],
    ] as const
  ) {
    using ring = new TestRing(CAPACITY, 0xffff_f000);
    const outbox = new SendQueue(ring.producer(), 1000);
    const consumer = ring.consumer();
    const reader = new Reader();
    post(outbox, pattern(length, 3), 4);
    do reader.read(consumer); while (outbox.flush());
    reader.read(consumer);
    const expected = { kind: RecordKind.message, flags: 0, method: 7, correlation: 4, extra: 9 };
    assert.deepEqual(reader.messages, [{ ...expected, payload: pattern(length, 3) }]);
    assert.equal(reader.pieces, pieces);
    assert.equal(outbox.isEmpty, true);
    assert.equal(outbox.queuedBytes, 0);
  }
});

test("what waits is what was given, whatever becomes of the caller's memory", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 100_000);
  const consumer = ring.consumer();
  const reader = new Reader();
  const payload = pattern(20_000, 1);
  assert.equal(post(outbox, payload), false);
  payload.fill(0);
  do reader.read(consumer); while (outbox.flush());
  reader.read(consumer);
  assert.deepEqual(reader.messages[0]!.payload, pattern(20_000, 1));
});

test("backpressure: what is too much is refused as a whole, and counted exactly", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 1000);
  while (post(outbox, new Uint8Array(PIECE)));
  assert.equal(outbox.length, 1);
  assert.equal(outbox.queuedBytes, PIECE, "one may wait alone, whatever its size");
  const error = thrown(() => post(outbox, new Uint8Array(1)));
  assert.ok(error instanceof BackpressureError);
  assert.deepEqual([error.queued, error.limit], [PIECE, 1000]);
  assert.equal(outbox.length, 1);
  assert.equal(post(outbox, new Uint8Array(500), 0, true), false, "but answers may overflow");
  assert.equal(post(outbox, undefined, 0, true), false);
  assert.equal(outbox.length, 3);
  assert.equal(outbox.queuedBytes, PIECE + 500);
});

test("backpressure: the limit itself may wait", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 100);
  while (post(outbox, new Uint8Array(10)));
  assert.equal(outbox.queuedBytes, 10);
  assert.equal(post(outbox, new Uint8Array(90)), false);
  assert.throws(() => post(outbox, new Uint8Array(1)), BackpressureError);
  assert.equal(post(outbox, new Uint8Array(0)), false);
});

function thrown(task: () => unknown): unknown {
  try {
    task();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("canFlush says whether flush writes", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 100_000);
  const consumer = ring.consumer();
  const reader = new Reader();
  assert.equal(outbox.canFlush(), false);
  assert.equal(outbox.flush(), false);
  post(outbox, pattern(30_000, 1));
  while (!outbox.isEmpty) {
    assert.equal(outbox.canFlush(), outbox.flush());
    assert.equal(outbox.canFlush(), false);
    reader.read(consumer);
  }
  assert.equal(reader.messages.length, 1);
});

test("a request that is no longer waited for is taken back while nothing of it is sent", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 100_000);
  const consumer = ring.consumer();
  const reader = new Reader();
  for (let id = 0; id < 100; id++) request(outbox, id, PIECE + id);
  const { queuedBytes, length } = outbox;
  assert.equal(outbox.withdraw(0), false, "its first piece is in the ring");
  for (let id = 1; id < 100; id++) outbox.withdraw(id);
  assert.equal(outbox.withdraw(99), false, "once");
  assert.ok(outbox.length < length && outbox.queuedBytes < queuedBytes);
  request(outbox, 200, 10);
  do reader.read(consumer); while (outbox.flush());
  reader.read(consumer);
  const ids = reader.messages.map(({ correlation }) => correlation);
  assert.equal(ids.at(-1), 200);
  assert.ok(ids.length < 6, String(ids));
  assert.deepEqual([outbox.isEmpty, outbox.queuedBytes, outbox.length], [true, 0, 0]);
});

function request(outbox: SendQueue, correlation: number, length: number): void {
  const header = RecordHeader.of({ kind: RecordKind.request, correlation });
  outbox.post(header, pattern(length, correlation), false);
}

test("what is taken back leaves nothing, also while the ring stays full", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 100_000);
  while (post(outbox, new Uint8Array(PIECE)));
  const { length, queuedBytes } = outbox;
  for (let id = 0; id < 10_000; id++) {
    request(outbox, id, 100);
    assert.equal(outbox.withdraw(id), true);
    assert.deepEqual([outbox.length, outbox.queuedBytes], [length, queuedBytes]);
  }
});

test("what is owed to the peer is counted with what each record costs", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 100_000);
  const consumer = ring.consumer();
  const reader = new Reader();
  while (post(outbox, new Uint8Array(PIECE)));
  assert.equal(outbox.owed, 0, "messages aren't");
  for (const kind of [RecordKind.response, RecordKind.credit, RecordKind.stop, RecordKind.end]) {
    outbox.post(RecordHeader.of({ kind }), undefined, false);
  }
  outbox.post(RecordHeader.of({ kind: RecordKind.response }), new Uint8Array(5000), false);
  assert.equal(outbox.owed, 5 * QUEUED_COST + 5000);
  do reader.read(consumer); while (outbox.flush());
  assert.equal(outbox.owed, 0);
  while (post(outbox, new Uint8Array(PIECE)));
  outbox.post(RecordHeader.of({ kind: RecordKind.response }), undefined, false);
  outbox.discard();
  assert.equal(outbox.owed, 0);
});

test("messages of no bytes are backpressure, too", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 1000);
  const fill = (): void => {
    for (let i = 0; i <= MAX_QUEUED + CAPACITY; i++) post(outbox, undefined);
  };
  assert.throws(fill, { name: "BackpressureError", message: /1048576 messages/ });
  assert.equal(outbox.length, MAX_QUEUED);
});

test("a queue that is never empty keeps nothing of what was sent", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 1 << 20);
  const consumer = ring.consumer();
  for (let i = 0; i < 2000; i++) {
    post(outbox, new Uint8Array(800), i);
    if (outbox.length < 8) continue;
    outbox.flush();
    while (consumer.next() && outbox.length > 4);
    outbox.flush();
    assert.ok(outbox.length > 0 && outbox.length < 40);
  }
  assert.ok(outbox.places < 100, `${outbox.places} places for ${outbox.length} records`);
});

test("discard forgets all, and counts it", () => {
  using ring = new TestRing(CAPACITY);
  const outbox = new SendQueue(ring.producer(), 100_000);
  for (let i = 0; i < 5; i++) post(outbox, new Uint8Array(5000));
  assert.equal(outbox.discard(), 5);
  assert.deepEqual([outbox.isEmpty, outbox.queuedBytes, outbox.length], [true, 0, 0]);
  assert.equal(outbox.discard(), 0);
});

test(`random messages arrive whole and in order (seed ${seed})`, () => {
  const random = new Random();
  using ring = new TestRing(CAPACITY, 0xffff_e000);
  const outbox = new SendQueue(ring.producer(), 20_000);
  const consumer = ring.consumer();
  const reader = new Reader();
  const sent: { id: number; length: number }[] = [];
  let checked = 0;
  for (let id = 0; id < 20_000; id++) {
    const length = random.pick([0, random.below(50), random.below(PIECE + 2), random.below(9000)]);
    try {
      post(outbox, pattern(length, id), id, random.below(20) === 0);
      sent.push({ id, length });
    } catch (error) {
      assert.ok(error instanceof BackpressureError);
    }
    if (random.below(3) === 0) outbox.flush();
    if (random.below(2) === 0) reader.read(consumer, random.below(6));
    checked = check(reader, sent, checked);
  }
  do reader.read(consumer); while (outbox.flush());
  reader.read(consumer);
  assert.equal(check(reader, sent, checked), sent.length);
  assert.equal(outbox.queuedBytes, 0);
});

function check(reader: Reader, sent: { id: number; length: number }[], from: number): number {
  for (const message of reader.messages.splice(0)) {
    const { id, length } = sent[from++]!;
    assert.equal(message.correlation, id);
    const expected = pattern(length, id);
    assert.equal(message.payload.length, length);
    assert.ok(message.payload.every((byte, i) => byte === expected[i]), `message ${id}`);
  }
  return from;
}

test("calls are refused far beyond the limit of messages, and only if many wait", () => {
  using ring = new TestRing(CAPACITY);
  const limit = mostOwed(1000);
  const outbox = new SendQueue(ring.producer(), 1000);
  const call = (id: number, bytes: number) => {
    const header = RecordHeader.of({ kind: RecordKind.request, correlation: id });
    outbox.post(header, new Uint8Array(bytes), false);
  };
  for (let id = 0; id < MANY_CALLS - 1; id++) call(id, id < 2 ? limit : 10);
  call(MANY_CALLS, 10);
  assert.throws(() => call(MANY_CALLS + 1, 10), BackpressureError);
  assert.equal(outbox.length, MANY_CALLS);
  assert.equal(outbox.withdraw(1), true);
  call(MANY_CALLS + 1, 10);
  call(MANY_CALLS + 2, 10);
});
