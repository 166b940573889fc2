// A connection that comes, goes and comes again. How a partner is found is the test's: it makes
// both ends when it likes.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import type { Connection } from "../../src/connection/connection.ts";
import { ReconnectingConnection } from "../../src/connection/reconnecting_connection.ts";
import type { ReconnectingParts } from "../../src/connection/reconnecting_connection.ts";
import {
  BackpressureError,
  FilesRemovedError,
  LimitError,
  MessageTooLargeError,
  TimeoutError,
} from "../../src/errors.ts";
import { BUSY } from "../../src/memory/directory.ts";
import { Handle } from "../../src/wake/handle.ts";
import { errorOf } from "../support/api.ts";
import { pattern } from "../support/ring.ts";
import { Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";
import { connectPair } from "../support/wire.ts";
import type { End } from "../support/wire.ts";

/** See the file. */
class Meeting implements Disposable {
  readonly scratch: Scratch;
  readonly handle: Handle;
  readonly subject: ReconnectingConnection;
  /** What the subject told, and what was reported. */
  readonly events: string[] = [];
  readonly errors: unknown[];
  /** How often it looked for a partner, and what that does. */
  seeks = 0;
  onSeek: () => number | undefined | typeof BUSY = () => undefined;
  reconnect = true;
  /** The subject's end, and the partner's. */
  own!: End;
  partner!: End;

  private constructor(
    scratch: Scratch,
    handle: Handle,
    errors: unknown[],
    parts: Partial<ReconnectingParts>,
  ) {
    this.scratch = scratch;
    this.handle = handle;
    this.errors = errors;
    this.subject = new ReconnectingConnection(handle, {
      partner: 'partner "name"',
      hint: "is it open?",
      timeout: 60_000,
      sendQueueBytes: 1 << 20,
      maxMessageBytes: 1 << 20,
      seek: () => {
        this.seeks++;
        return this.onSeek();
      },
      onConnect: () => void this.events.push("connect"),
      onDisconnect: (reason) => void this.events.push(reason),
      ...parts,
    });
  }

  static async open(parts: Partial<ReconnectingParts> = {}): Promise<Meeting> {
    const scratch = new Scratch();
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const options = { what: "a meeting", directory: scratch.path, onError };
    const handle = await Handle.open(options, (handle) => handle);
    return new Meeting(scratch, handle, errors, parts);
  }

  /** Makes a pair; `before` is what the partner does before this side looks. */
  connect(before: (partner: Connection) => void = () => {}): void {
    const { subject } = this;
    const handler = {
      onGone: (...[reason, cause]: [Parameters<typeof subject.gone>[0], unknown]) =>
        subject.gone(reason, cause, this.reconnect),
    };
    const answers = {
      onRequest: (
        call: { reply(payload: Uint8Array | undefined): boolean },
        payload?: Uint8Array,
      ) => call.reply(payload) || true,
    };
    const { a, b } = connectPair(this.handle.realm, this.scratch, { handler }, {
      handler: answers,
    });
    this.own = a;
    this.partner = b;
    before(b.connection);
    subject.connected(a.connection);
  }

  [Symbol.dispose](): void {
    this.handle.close();
    this.partner?.connection.close();
    this.scratch[Symbol.dispose]();
  }
}

const method = (id: number) => (): number => id;

test("messages and calls wait for a partner, as they were given", async () => {
  using it = await Meeting.open();
  const { subject } = it;
  const payload = pattern(10, 1);
  assert.equal(subject.send(method(1), payload), false);
  assert.equal(subject.send(method(2), undefined), false);
  const call = subject.request(method(3), payload.slice(), undefined);
  payload.fill(0);
  assert.deepEqual([subject.queuedMessages, subject.queuedBytes], [2, 10]);
  const connected = subject.whenConnected();
  it.connect();
  await within(connected, "the partner");
  assert.deepEqual(await within(call, "the answer"), pattern(10, 1));
  assert.deepEqual(it.partner.told.messages, [[1, pattern(10, 1)], [2, undefined]]);
  assert.deepEqual([subject.queuedMessages, subject.queuedBytes], [0, 0]);
  assert.deepEqual(it.events, ["connect"]);
});

test("what waits for a partner is limited; a message alone may be larger", async () => {
  using it = await Meeting.open({ sendQueueBytes: 100, maxMessageBytes: 1000 });
  const { subject } = it;
  assert.throws(() => subject.send(method(1), new Uint8Array(1001)), MessageTooLargeError);
  subject.send(method(1), new Uint8Array(500));
  assert.throws(() => subject.send(method(1), new Uint8Array(1)), BackpressureError);
  assert.equal(subject.statistics.overflows, 1);
  assert.deepEqual([subject.queuedMessages, subject.queuedBytes], [1, 500]);
});

test("a wait for a partner ends at a time-out, an abort, or the end", async () => {
  using it = await Meeting.open();
  const { subject, handle } = it;
  const late = await within(errorOf(() => subject.whenConnected({ timeout: 1 })), "the time-out");
  assert.ok(late instanceof TimeoutError);
  assert.match(late.message, /partner "name" to be connected.*is it open\?/);
  assert.ok(
    await errorOf(() => subject.request(method(1), undefined, { timeout: 1 })) instanceof
      TimeoutError,
  );
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = errorOf(() => subject.request(method(1), undefined, { signal }));
  controller.abort(new RangeError("mine"));
  assert.equal((await within(aborted, "the abort")).message, "mine");
  assert.equal((await errorOf(() => subject.whenConnected({ signal }))).message, "mine");
  const ended = [1, 2].map(() => errorOf(() => subject.request(method(1), undefined, undefined)));
  subject.send(method(1), new Uint8Array(5));
  handle.close(new RangeError("its end"));
  for (const error of await within(Promise.all(ended), "the end")) {
    assert.equal(error.message, "its end");
  }
  assert.throws(() => subject.send(method(1), undefined), { message: "its end" });
  assert.deepEqual([subject.statistics.dropped, subject.queuedMessages], [1, 0]);
});

test("when a connection is gone the next is looked for, and all are counted", async () => {
  using it = await Meeting.open();
  const { subject } = it;
  for (let round = 1; round <= 3; round++) {
    it.connect();
    subject.send(method(1), new Uint8Array(5));
    await until(() => it.partner.told.messages.length === 1, "the message");
    it.partner.connection.close();
    await until(() => subject.connection === undefined, "the end");
    assert.equal(it.seeks, round);
    assert.equal(subject.statistics.messagesSent, round);
    assert.equal(subject.statistics.bytesSent, 5 * round);
  }
  it.reconnect = false;
  it.connect();
  it.partner.connection.close();
  await until(() => subject.connection === undefined, "the end");
  assert.equal(it.seeks, 3, "not when there is to be none");
  const rounds = new Array(4).fill(["connect", "closed"]).flat();
  assert.deepEqual(it.events, rounds);
});

test("what a partner wrote that left before this side looked is read; what waits stays", async () => {
  using it = await Meeting.open();
  const { subject } = it;
  subject.send(method(1), pattern(5, 1));
  it.connect((partner) => {
    partner.send(9, pattern(3, 3));
    partner.close();
  });
  assert.equal(subject.connection, undefined, "there is nothing to send to");
  await until(() => it.seeks === 1, "the search for the next");
  assert.deepEqual(it.own.told.messages, [[9, pattern(3, 3)]]);
  assert.equal(subject.queuedMessages, 1);
  it.connect();
  await until(() => it.partner.told.messages.length === 1, "what waited");
  assert.deepEqual(it.events, ["connect", "closed", "connect"]);
});

test("what a connection that ends meanwhile didn't take waits for the next", async () => {
  using it = await Meeting.open();
  const { subject } = it;
  subject.send(method(1), pattern(5, 1));
  let ends = 1;
  subject.send((connection) => {
    if (ends-- > 0) {
      it.partner.connection.close();
      while (connection.isOpen) connection.poll();
    }
    return 2;
  }, pattern(6, 2));
  subject.send(method(3), pattern(7, 3));
  it.connect();
  assert.equal(subject.connection, undefined);
  assert.deepEqual([subject.queuedMessages, subject.queuedBytes], [2, 13]);
  it.connect();
  await until(() => it.partner.told.messages.length === 2, "the rest");
  assert.deepEqual(it.partner.told.messages, [[2, pattern(6, 2)], [3, pattern(7, 3)]]);
});

test("a search that isn't possible now is made again; a shortage is reported", async () => {
  using it = await Meeting.open();
  it.onSeek = () => {
    if (it.seeks === 1) return BUSY;
    if (it.seeks === 2) throw new LimitError("no descriptors");
    it.connect();
    return undefined;
  };
  it.subject.seek();
  assert.equal(it.seeks, 1);
  await within(it.subject.whenConnected(), "the partner");
  assert.equal(it.seeks, 3);
  assert.deepEqual(it.errors.map(String), ["LimitError: no descriptors"]);
  it.subject.seek();
  assert.equal(it.seeks, 3, "there is one");
});

test("any other failure of a search ends the handle; of the first, its opening", async () => {
  using it = await Meeting.open();
  const failure = new RangeError("a fault");
  it.onSeek = () => {
    throw failure;
  };
  assert.throws(() => it.subject.open(), failure);
  assert.equal(it.handle.isClosed, false, "its opener is told");
  it.subject.seek();
  assert.equal(it.handle.reason, failure);
  it.subject.seek();
  assert.equal(it.seeks, 2);
});

test("without files no partner can be found, though one that is there goes on", async () => {
  using it = await Meeting.open();
  const { subject, handle, scratch } = it;
  it.connect();
  fs.rmSync(scratch.at("nodes", handle.realm.id));
  assert.equal(handle.realm.checkFiles(), false);
  assert.equal(handle.isClosed, false);
  assert.deepEqual(
    await within(subject.request(method(1), pattern(3, 1), undefined), "the answer"),
    pattern(3, 1),
  );
  it.partner.connection.close();
  await until(() => handle.isClosed, "the end");
  assert.ok(handle.reason instanceof FilesRemovedError, String(handle.reason));
});

test("a blocking call looks for a partner itself, and has the time that is left", async () => {
  using it = await Meeting.open();
  const { subject } = it;
  assert.throws(() => subject.requestSync(method(1), undefined, 20), TimeoutError);
  assert.ok(it.seeks > 1, "it has looked again and again");
  const before = it.seeks;
  it.onSeek = () => {
    if (it.seeks === before + 1) return BUSY;
    if (it.seeks === before + 2) throw new LimitError("no descriptors");
    it.connect();
    return undefined;
  };
  const left = subject.connectSync(60_000);
  assert.ok(left > 0 && left <= 60_000);
  assert.equal(it.seeks, before + 3);
  assert.deepEqual(subject.requestSync(method(1), pattern(4, 1), undefined), pattern(4, 1));
});
