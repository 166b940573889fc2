// The requests of one side: what they send, what they wait for, and how they end. The other side
// is the test, on the same rings.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallOptions } from "../../src/connection/handler.ts";
import { MANY_CALLS, MAX_CALLS, MAX_WAITING_CALLS, mostOwed } from "../../src/connection/limits.ts";
import { PORTION } from "../../src/connection/portions.ts";
import {
  ArgumentError,
  BackpressureError,
  ClosedError,
  DeadlockError,
  LimitError,
  MessageTooLargeError,
  TimeoutError,
} from "../../src/errors.ts";
import { RecordFlag, RecordKind } from "../../src/ring/record.ts";
import { Polled } from "../../src/wake/reactor.ts";
import { errorOf } from "../support/api.ts";
import { pattern } from "../support/ring.ts";
import { until, within } from "../support/watchdog.ts";
import { CAPACITY, Pair, Wire } from "../support/wire.ts";

const { request, response, cancel, message } = RecordKind;
const { nothing } = RecordFlag;
const forever = { timeout: Infinity };

/** Fills the ring, so that what follows waits for room; returns how many records that took. */
function fill({ connection }: Wire): number {
  for (let sent = 1;; sent++) if (!connection.send(0, new Uint8Array(500))) return sent;
}

test("a request says how long its caller waits, in whole milliseconds", async () => {
  using wire = await Wire.open();
  const times: [timeout: number, extra: number][] = [
    [Infinity, 0],
    [0.2, 1],
    [1500.5, 1501],
    [1e12, 0xffff_ffff],
  ];
  for (const [timeout, extra] of times) {
    const call = wire.connection.request(7, pattern(5, 1), { timeout }, RecordFlag.references);
    const { payload, ...fields } = wire.next()!;
    const { correlation } = fields;
    const flags = RecordFlag.references;
    assert.deepEqual(fields, { kind: request, flags, method: 7, correlation, extra });
    assert.deepEqual(payload, pattern(5, 1));
    wire.tell({ kind: response, correlation }, pattern(3, 2));
    assert.deepEqual(await within(call, "the answer"), pattern(3, 2));
  }
});

test("a call that can't be sent tells once that it wasn't read, and sends nothing", async () => {
  using wire = await Wire.open({ limits: { maxMessageBytes: 100 } });
  const { connection } = wire;
  const aborted = AbortSignal.abort(new RangeError("mine"));
  const bad: [why: new (...args: never[]) => Error, payload: Uint8Array, signal?: AbortSignal][] = [
    [MessageTooLargeError, new Uint8Array(101)],
    [ArgumentError, "text" as unknown as Uint8Array],
    [RangeError, new Uint8Array(1), aborted],
  ];
  for (const [why, payload, signal] of bad) {
    let unread = 0;
    const onUnread = (): void => void unread++;
    const call = connection.request(0, payload, { timeout: 1000, signal }, 0, onUnread);
    assert.ok(await errorOf(() => call) instanceof why);
    assert.equal(unread, 1, why.name);
    if (signal !== undefined) continue; // a blocking call has none
    assert.throws(() => connection.requestSync(0, payload, 1000, onUnread), why);
    assert.equal(unread, 2, why.name);
  }
  assert.equal(wire.next(), undefined);
  assert.equal(connection.pendingCalls, 0);
  connection.close();
  let unread = 0;
  const call = connection.request(0, undefined, forever, 0, () => void unread++);
  assert.ok(await errorOf(() => call) instanceof ClosedError);
  assert.equal(unread, 1);
});

test("an abort before the request is sent takes it back", async () => {
  using wire = await Wire.open();
  const sent = fill(wire);
  const controller = new AbortController();
  const { signal } = controller;
  let unread = 0;
  const options = { timeout: 60_000, signal };
  const call = wire.connection.request(0, undefined, options, 0, () => void unread++);
  controller.abort(new RangeError("mine"));
  assert.ok(await errorOf(() => call) instanceof RangeError);
  assert.equal(unread, 1);
  const next = wire.connection.request(0, undefined, forever);
  const kinds: number[] = [];
  await until(() => {
    kinds.push(...wire.all().map(({ kind }) => kind));
    wire.read();
    return kinds.includes(request);
  }, "what waited");
  assert.deepEqual(kinds, [...new Array(sent).fill(message), request]);
  wire.tell({ kind: response, flags: nothing, correlation: 0 });
  assert.equal(await within(next, "the answer"), undefined, "its id was free again");
});

test("an abort after that tells the peer, and the id stays taken until it answers", async () => {
  using wire = await Wire.open();
  const controller = new AbortController();
  const { signal } = controller;
  let unread = 0;
  const onUnread = (): void => void unread++;
  const call = wire.connection.request(0, undefined, { timeout: 60_000, signal }, 0, onUnread);
  const first = wire.next()!;
  controller.abort(new RangeError("mine"));
  controller.abort(new RangeError("again"));
  assert.equal((await errorOf(() => call)).message, "mine");
  const [told, ...rest] = wire.all();
  assert.deepEqual([told!.kind, told!.correlation, rest], [cancel, first.correlation, []]);
  assert.equal(wire.connection.pendingCalls, 0);
  const second = wire.connection.request(0, undefined, forever);
  const { correlation } = wire.next()!;
  assert.notEqual(correlation, first.correlation);
  wire.tell({ kind: response, correlation: first.correlation }, pattern(1, 1));
  wire.tell({ kind: response, correlation }, pattern(2, 2));
  assert.deepEqual(await within(second, "the answer"), pattern(2, 2));
  void wire.connection.request(0, undefined, forever).catch(() => {});
  assert.equal(wire.next()!.kind, request);
  assert.equal(unread, 0, "the peer has read it");
});

test("of what is sent in part the rest follows, and then that it was given up", async () => {
  using wire = await Wire.open();
  const controller = new AbortController();
  const { signal } = controller;
  const payload = pattern(3 * CAPACITY, 1);
  const call = wire.connection.request(0, payload, { timeout: 60_000, signal });
  controller.abort(new RangeError("mine"));
  assert.ok(await errorOf(() => call) instanceof RangeError);
  let got = 0;
  let last = 0;
  await until(() => {
    for (const { kind, payload } of wire.all()) {
      got += payload.length;
      last = kind;
    }
    wire.read();
    return last === cancel;
  }, "the cancel");
  assert.equal(got, payload.length);
});

test("time-outs are counted, aborts aren't, and both tell the peer", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  const call = connection.request(0, undefined, { timeout: 2 });
  const error = await within(errorOf(() => call), "the time-out");
  assert.ok(error instanceof TimeoutError);
  assert.match(error.message, /"wire".* 2 ms/);
  assert.equal(connection.statistics.timeouts, 1);
  assert.throws(() => connection.requestSync(0, undefined, 2), TimeoutError);
  assert.equal(connection.statistics.timeouts, 2);
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = errorOf(() => connection.request(0, undefined, { timeout: 60_000, signal }));
  controller.abort(new RangeError("mine"));
  await aborted;
  assert.equal(connection.statistics.timeouts, 2);
  const kinds = wire.all().map(({ kind, correlation }) => [kind, correlation]);
  assert.deepEqual(kinds, [0, 1, 2].flatMap((id) => [[request, id], [cancel, id]]));
});

test("the earliest of many deadlines comes first, whatever the order of the calls", async () => {
  using wire = await Wire.open();
  const ended: number[] = [];
  const calls = [60, 30, 1].map((timeout) =>
    wire.connection.request(0, undefined, { timeout }).catch((error: unknown) => {
      assert.ok(error instanceof TimeoutError);
      ended.push(timeout);
    })
  );
  await within(Promise.all(calls), "the time-outs");
  assert.deepEqual(ended, [1, 30, 60]);
});

test("an answer that is there when the time is over came in time", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  // Until the connection sleeps: then only the deadline can find an answer without a ring.
  for (let timeout = 50, sleeps = false; !sleeps; timeout *= 2) {
    const call = connection.request(0, undefined, { timeout });
    const { correlation } = wire.next()!;
    const late = errorOf(() => connection.request(0, undefined, { timeout }));
    wire.next();
    await until(() => {
      sleeps = wire.producer.takeConsumerWaiting();
      return sleeps || connection.pendingCalls === 0;
    }, "sleep");
    const { timeouts } = connection.statistics;
    if (sleeps) {
      wire.write({ kind: response, correlation }, pattern(4, 4));
      assert.deepEqual(await within(call, "the answer"), pattern(4, 4));
      assert.ok(await within(late, "the other call") instanceof TimeoutError);
      assert.equal(connection.statistics.timeouts, timeouts + 1);
    } else {
      await Promise.allSettled([call, late]);
      for (const { kind, correlation } of wire.all()) {
        if (kind === cancel) wire.tell({ kind: response, correlation });
      }
    }
  }
});

test("a blocking call of a peer in this thread: its answer, or a deadlock", async () => {
  const released = Promise.withResolvers<void>();
  using pair = await Pair.open({}, {
    handler: {
      onRequest(call, payload) {
        if (payload !== undefined) return call.reply(payload);
        void released.promise.then(() => call.reply(undefined));
        return false;
      },
    },
  });
  const { connection } = pair.a;
  assert.deepEqual(connection.requestSync(0, pattern(9, 1), Infinity), pattern(9, 1));
  assert.throws(() => connection.requestSync(0, undefined, Infinity), (error) => {
    assert.ok(error instanceof DeadlockError, String(error));
    assert.match(error.message, /wire/);
    return true;
  });
  assert.equal(connection.pendingCalls, 0);
  assert.equal(connection.statistics.timeouts, 0, "that is no time-out");
  released.resolve(); // its late answer is dropped
  assert.deepEqual(
    await within(connection.request(0, pattern(2, 2), forever), "the next"),
    pattern(2, 2),
  );
  assert.ok(connection.isOpen);
});

test("a blocking call handles what comes before its answer, and gives back its error", async () => {
  using wire = await Wire.open();
  wire.write({ kind: message, method: 3, flags: nothing });
  wire.write({ kind: response, correlation: 0 }, pattern(5, 5));
  assert.deepEqual(wire.connection.requestSync(0, undefined, Infinity), pattern(5, 5));
  assert.deepEqual(wire.told.messages, [[3, undefined]]);
  const why = new TextEncoder().encode("no");
  wire.write({ kind: response, correlation: 0, flags: RecordFlag.error }, why);
  assert.throws(() => wire.connection.requestSync(0, undefined, Infinity), { message: "no" });
});

test("calls beyond the ids there are wait, with a copy of what they send", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  let unread = 0;
  /** A call that has to wait for an id. */
  const later = (payload: Uint8Array, options: CallOptions) =>
    connection.request(9, payload, options, 0, () => void unread++);
  const first = connection.request(0, undefined, forever);
  for (let id = 1; id < MAX_CALLS; id++) void connection.request(0, undefined, forever);
  const payload = pattern(50, 1);
  const controller = new AbortController();
  const { signal } = controller;
  const late = later(payload, { timeout: 600_000 });
  const aborted = errorOf(() => later(payload, { timeout: 600_000, signal }));
  const timed = errorOf(() => later(payload, { timeout: 1 }));
  const ended = errorOf(() => later(payload, forever));
  payload.fill(0);
  assert.equal(connection.pendingCalls, MAX_CALLS);
  controller.abort(new RangeError("mine"));
  assert.ok(await within(aborted, "the abort") instanceof RangeError);
  assert.match(String(await within(timed, "the time-out")), new RegExp(`${MAX_CALLS} calls`));
  assert.equal(unread, 2);
  const blocking = (): unknown => connection.requestSync(9, undefined, 1000, () => void unread++);
  assert.throws(blocking, new RegExp(`${MAX_CALLS} calls`), "it can't wait for an id");
  assert.equal(unread, 3);

  wire.tell({ kind: response, flags: nothing, correlation: 0 });
  assert.equal(await within(first, "the answer"), undefined);
  // It comes after all that waited for room before.
  const { consumer } = wire;
  await until(() => {
    for (;;) {
      while (consumer.next()) if (consumer.method === 9) return true;
      consumer.release();
      if (connection.poll() === Polled.nothing) return false;
    }
  }, "the call that waited");
  assert.equal(consumer.correlation, 0);
  assert.deepEqual(consumer.take(), pattern(50, 1));
  connection.close();
  assert.ok(await within(errorOf(() => late), "the end") instanceof ClosedError);
  assert.ok(await within(ended, "the end") instanceof ClosedError);
  assert.equal(unread, 4, "the call for which there was no id until the end");
});

test("the end rejects every call, whatever one of them throws", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  const { signal } = new AbortController();
  signal.removeEventListener = () => {
    throw new RangeError("a signal that fails");
  };
  const before = errorOf(() => connection.request(0, undefined, forever));
  void connection.request(0, undefined, { timeout: 60_000, signal });
  const after = errorOf(() => connection.request(0, undefined, forever));
  connection.close();
  for (const error of await within(Promise.all([before, after]), "the others")) {
    assert.ok(error instanceof ClosedError, String(error));
  }
  assert.deepEqual(wire.told.peerErrors.map(String), ["RangeError: a signal that fails"]);
  assert.equal(connection.pendingCalls, 0);
});

test("calls that wait for their turn are bounded, and end in portions", async () => {
  using wire = await Wire.open({ limits: { sendQueueBytes: 0 } });
  const { connection } = wire;
  let rejected = 0;
  let closed = 0;
  const call = (payload?: Uint8Array): void => {
    connection.request(0, payload, { timeout: Infinity }).catch((error: unknown) => {
      rejected++;
      if (error instanceof ClosedError) closed++;
    });
  };
  for (let i = 0; i < MAX_CALLS; i++) call();
  const large = new Uint8Array(mostOwed(0) / MANY_CALLS);
  for (let i = 0; i < MANY_CALLS; i++) call(large);
  const tooMuch = await errorOf(() => connection.request(0, large, { timeout: Infinity }));
  assert.ok(tooMuch instanceof BackpressureError, String(tooMuch));
  assert.match(tooMuch.message, /await some calls/);
  for (let i = MANY_CALLS; i < MAX_WAITING_CALLS; i++) call();
  const tooMany = await errorOf(() => connection.request(0, undefined, { timeout: Infinity }));
  assert.ok(tooMany instanceof LimitError, String(tooMany));
  assert.match(tooMany.message, new RegExp(`${MAX_CALLS} .*${MAX_WAITING_CALLS} more`));
  assert.equal(rejected, 0);
  connection.close();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assert.equal(rejected, PORTION, "the first at once, the others when others had their turns");
  await until(() => rejected === MAX_CALLS + MAX_WAITING_CALLS, "the end of all", 60_000);
  assert.equal(closed, rejected);
});
