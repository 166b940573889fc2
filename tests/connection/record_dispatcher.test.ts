// What becomes of each record that arrives. The test writes the records; what no correct peer writes
// ends the connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { attachmentsOf } from "../../src/codec/attachments.ts";
import type { ConnectionHandler } from "../../src/connection/handler.ts";
import { MAX_HANDLING, MOST_OWED } from "../../src/connection/limits.ts";
import type { ConnectionLimits } from "../../src/connection/options.ts";
import { CorruptSegmentError, MessageTooLargeError, PeerGoneError } from "../../src/errors.ts";
import { maxPayload, RecordFlag, RecordKind } from "../../src/ring/record.ts";
import type { RecordFields } from "../../src/ring/record.ts";
import { bytesOf, errorOf, textOf } from "../support/api.ts";
import { pattern } from "../support/ring.ts";
import { until, within } from "../support/watchdog.ts";
import { CAPACITY, Wire } from "../support/wire.ts";

const { request, response, message, cancel, piece, define, release, data } = RecordKind;
const { more, nothing, error, references, unread, attachment } = RecordFlag;
const PIECE = maxPayload(CAPACITY);
const forever = { timeout: Infinity };

/** Writes a message in pieces, each as long as it is given. */
function inPieces(wire: Wire, fields: Partial<RecordFields>, payload: Uint8Array): void {
  for (let from = 0; from < payload.length; from += PIECE) {
    const to = Math.min(from + PIECE, payload.length);
    const flags = to < payload.length ? more : 0;
    const first = { ...fields, flags: (fields.flags ?? 0) | flags };
    wire.write(from === 0 ? first : { kind: piece, flags }, payload, from, to);
    wire.read();
  }
}

/** The connection must have ended because of what it read. */
function assertCorrupt({ connection, told }: Wire, why: RegExp): void {
  assert.equal(connection.isOpen, false, `it goes on: ${why}`);
  const [[reason, cause], ...rest] = told.gone as [[string, unknown]];
  assert.deepEqual([reason, rest], ["corrupt", []]);
  assert.ok(cause instanceof CorruptSegmentError, String(cause));
  assert.match(cause.message, why);
}

test("messages, with their method, in order; no payload isn't an empty one", async () => {
  using wire = await Wire.open();
  wire.write({ kind: message, method: 1 }, pattern(5, 1));
  wire.write({ kind: message, method: 2, flags: nothing });
  wire.write({ kind: message, method: 3 });
  wire.read();
  assert.deepEqual(wire.told.messages, [
    [1, pattern(5, 1)],
    [2, undefined],
    [3, new Uint8Array(0)],
  ]);
  const { messagesReceived, bytesReceived } = wire.connection.statistics;
  assert.deepEqual([messagesReceived, bytesReceived], [3, 5]);
});

/** Writes messages and has them read, so many at a time as the ring holds. */
function tellMany(wire: Wire, count: number): void {
  for (let sent = 0; sent < count && wire.connection.isOpen; sent++) {
    wire.write({ kind: message, flags: nothing });
    if (sent % 64 === 63) wire.read();
  }
  wire.read();
}

test("a peer isn't read from while too many handlers of its messages run", async () => {
  const running: PromiseWithResolvers<void>[] = [];
  using wire = await Wire.open({
    handler: {
      onMessage() {
        const handler = Promise.withResolvers<void>();
        running.push(handler);
        return handler.promise;
      },
    },
  });
  tellMany(wire, MAX_HANDLING + 2);
  assert.equal(running.length, MAX_HANDLING);
  assert.equal(wire.connection.arm(), true, "there is nothing to do for it");
  running[7]!.resolve();
  await until(() => running.length === MAX_HANDLING + 1, "the next one");
  running[3]!.resolve();
  running[4]!.resolve();
  await until(() => running.length === MAX_HANDLING + 2, "the last one");
  tellMany(wire, 1);
  assert.equal(running.length, MAX_HANDLING + 3, "two had ended");
  assert.ok(wire.connection.isOpen);
});

test("while this side waits for an answer it is, up to a limit that ends the connection", async () => {
  const never = new Promise<never>(() => {});
  let running = 0;
  using wire = await Wire.open({
    handler: {
      onMessage() {
        running++;
        return never;
      },
    },
  });
  wire.connection.request(0, undefined, forever).catch(() => {});
  tellMany(wire, MOST_OWED * MAX_HANDLING);
  assert.equal(running, MOST_OWED * MAX_HANDLING);
  assert.ok(wire.connection.isOpen);
  tellMany(wire, 1);
  assertCorrupt(wire, /handlers of 1048577 messages/);
});

test("names of methods and functions given back reach the pattern, and are no messages", async () => {
  const told: unknown[] = [];
  using wire = await Wire.open({
    handler: {
      onDefine: (method, name) => void told.push(["define", method, textOf(name)]),
      onRelease: (id, count) => void told.push(["release", id, count]),
    },
  });
  wire.tell({ kind: define, method: 6 }, bytesOf("add"));
  wire.tell({ kind: define, method: 7, flags: nothing });
  wire.tell({ kind: release, correlation: 2, extra: 9, flags: nothing });
  assert.deepEqual(told, [["define", 6, "add"], ["define", 7, ""], ["release", 9, 2]]);
  assert.equal(wire.connection.statistics.messagesReceived, 0);
});

test("a pattern without methods and functions ignores theirs", async () => {
  using wire = await Wire.open();
  wire.tell({ kind: define, method: 6 }, bytesOf("add"));
  wire.tell({ kind: release, correlation: 2, extra: 9, flags: nothing });
  assert.ok(wire.connection.isOpen);
});

const corrupt: [what: string, why: RegExp, ...records: [Partial<RecordFields>, number?][]][] = [
  ["a kind that there isn't", /unknown kind 14/, [{ kind: 14 }]],
  ["the last kind", /unknown kind 255/, [{ kind: 255 }]],
  ["an answer to no call", /answer to the call 0/, [{ kind: response }]],
  ["an answer to a call that can't be", /4294967295/, [{ kind: response, correlation: -1 }]],
  ["a piece of nothing", /a piece of no message/, [{ kind: piece }, 5]],
  ["a method's name in pieces", /name in pieces/, [{ kind: define, flags: more }, PIECE]],
  ["a message within another", /within the pieces/, [{ kind: message, flags: more }, PIECE], [
    { kind: message },
    5,
  ]],
  ["a first piece of nothing", /each but the first/, [{ kind: message, flags: more }]],
  [
    "a piece behind a short one",
    /a piece of 5 bytes, where 0 are missing/,
    [
      { kind: message, flags: more },
      PIECE - 1,
    ],
    [{ kind: piece, flags: more }, PIECE - 1],
    [{ kind: piece }, 5],
  ],
  ["a last piece of nothing", /each but the first/, [{ kind: message, flags: more }, PIECE], [{
    kind: piece,
  }]],
  ["data that is nothing", /stream that is nothing/, [{ kind: data, flags: nothing }]],
  ["data of no stream", /stream 5, which isn't there/, [{ kind: data, correlation: 5 }, 1]],
];
for (const [what, why, ...records] of corrupt) {
  test(`it ends the connection: ${what}`, async () => {
    using wire = await Wire.open();
    const isAsked = !what.startsWith("an answer");
    const call = isAsked && errorOf(() => wire.connection.request(0, undefined, forever));
    // A record before is handled, those behind aren't.
    wire.write({ kind: message, flags: nothing, method: 1 });
    for (const [fields, length = 0] of records) wire.write(fields, new Uint8Array(length));
    wire.write({ kind: message, flags: nothing, method: 2 });
    wire.read();
    assertCorrupt(wire, why);
    assert.deepEqual(wire.told.messages, [[1, undefined]]);
    if (call) assert.ok(await within(call, "the call") instanceof PeerGoneError);
  });
}

const LARGE = 1 << 17;
const FULL = maxPayload(LARGE);
const SIZE = 20_000;
/** Attachments that no correct peer sends, behind a body of 5 bytes. */
const attached: [what: string, why: RegExp, ...records: [Partial<RecordFields>, number][]][] = [
  ["one in short pieces", /each but the first/, [
    { kind: piece, flags: more | attachment, extra: SIZE },
    100,
  ]],
  ["one that ends early", /where 20000 are missing/, [
    { kind: piece, flags: attachment, extra: SIZE },
    SIZE - 1,
  ]],
  ["one that is longer than it says", /where 20000 are missing/, [
    { kind: piece, flags: attachment, extra: SIZE },
    SIZE + 1,
  ]],
  [
    "one within another",
    /32752 of the part before/,
    [{ kind: piece, flags: more | attachment, extra: 2 * FULL }, FULL],
    [{ kind: piece, flags: attachment, extra: SIZE }, SIZE],
  ],
  [
    "more of one that is whole",
    /where 0 are missing/,
    [{ kind: piece, flags: more | attachment, extra: SIZE }, SIZE],
    [{ kind: piece }, 100],
  ],
  ["one that begins with nothing", /a piece of 0 bytes/, [
    { kind: piece, flags: more | attachment, extra: SIZE },
    0,
  ]],
];
for (const [what, why, ...records] of attached) {
  test(`it ends the connection: attachments, ${what}`, async () => {
    using wire = await Wire.open({ capacity: LARGE });
    wire.tell({ kind: message, flags: more }, new Uint8Array(5));
    for (const [fields, length] of records) wire.tell(fields, new Uint8Array(length));
    assertCorrupt(wire, why);
    assert.deepEqual(wire.told.messages, []);
  });
}

test("attachments come with their message, each in memory of its own", async () => {
  using wire = await Wire.open({ capacity: LARGE });
  const parts = [pattern(SIZE, 2), pattern(2 * FULL + 10, 3), pattern(FULL, 4)];
  wire.tell({ kind: message, method: 9, flags: more }, pattern(5, 1));
  for (const [at, part] of parts.entries()) {
    for (let from = 0; from < part.length; from += FULL) {
      const to = Math.min(from + FULL, part.length);
      const isLast = at === 2 && to === part.length;
      const flags = (isLast ? 0 : more) | (from === 0 ? attachment : 0);
      wire.write({ kind: piece, flags, extra: part.length }, part, from, to);
      wire.read();
    }
  }
  const [[method, body]] = wire.told.messages as [[number, Uint8Array]];
  assert.deepEqual([method, body], [9, pattern(5, 1)]);
  assert.deepEqual(attachmentsOf(body), parts);
  for (const part of attachmentsOf(body)!) assert.equal(part.buffer.byteLength, part.length);
  assert.equal(wire.connection.statistics.bytesReceived, 5 + SIZE + 3 * FULL + 10);
});

test("a message whose attachments are over the limit is refused, and the next one is read", async () => {
  using wire = await Wire.open({ capacity: LARGE, limits: { maxMessageBytes: SIZE } });
  wire.tell({ kind: request, correlation: 3, flags: more }, pattern(5, 1));
  wire.tell({ kind: piece, flags: attachment, extra: SIZE }, pattern(SIZE, 2));
  wire.tell({ kind: message, method: 1, flags: nothing });
  assert.deepEqual(wire.told.requests, []);
  assert.deepEqual(wire.told.messages, [[1, undefined]]);
  const [answer] = wire.all();
  assert.deepEqual([answer!.kind, answer!.correlation, answer!.flags], [
    response,
    3,
    error | unread,
  ]);
});

test("pieces are one message, whatever arrives of it when", async () => {
  using wire = await Wire.open();
  for (const length of [PIECE + 1, 2 * PIECE, 20 * PIECE + 7]) {
    inPieces(wire, { kind: message, method: 4 }, pattern(length, 1));
    assert.deepEqual(wire.told.messages.splice(0), [[4, pattern(length, 1)]]);
    inPieces(wire, { kind: request, correlation: 3, method: 8, extra: 5 }, pattern(length, 2));
    const { call, payload } = wire.told.requests.at(-1)!;
    assert.deepEqual([call.method, call.timeout, payload], [8, 5, pattern(length, 2)]);
    call.reply(undefined);
    assert.equal(wire.next()!.correlation, 3);
  }
  const { messagesReceived } = wire.connection.statistics;
  assert.equal(messagesReceived, 6, "a message counts once, however many pieces it has");
});

const small: Partial<ConnectionLimits> = { maxMessageBytes: PIECE - 1 };
for (const length of [PIECE, 3 * PIECE]) {
  const what = `too large by ${length === PIECE ? "itself" : "its pieces"}`;

  test(`a request ${what} is answered with an error, unread`, async () => {
    using wire = await Wire.open({ limits: small });
    inPieces(wire, { kind: request, correlation: 6 }, new Uint8Array(length));
    const answer = wire.next()!;
    assert.deepEqual(
      [answer.kind, answer.correlation, answer.flags],
      [response, 6, error | unread],
    );
    assert.match(textOf(answer.payload), new RegExp(`${length} .*${PIECE - 1}`));
    assert.deepEqual(wire.told.requests, []);
    inPieces(wire, { kind: request, correlation: 6 }, new Uint8Array(PIECE - 1));
    assert.equal(wire.told.requests.length, 1, "the next one is served");
  });

  test(`an answer ${what} rejects its call only`, async () => {
    using wire = await Wire.open({ limits: small });
    const call = errorOf(() => wire.connection.request(0, undefined, forever));
    const other = wire.connection.request(0, undefined, forever);
    inPieces(wire, { kind: response, correlation: 0 }, new Uint8Array(length));
    assert.ok(await within(call, "the call") instanceof MessageTooLargeError);
    wire.tell({ kind: response, correlation: 1 }, pattern(3, 3));
    assert.deepEqual(await within(other, "the other"), pattern(3, 3));
  });

  test(`a message ${what} is dropped, counted and told`, async () => {
    using wire = await Wire.open({ limits: small });
    inPieces(wire, { kind: message }, new Uint8Array(length));
    inPieces(wire, { kind: message }, pattern(PIECE - 1, 1));
    assert.equal(wire.told.messages.length, 1);
    assert.equal(wire.connection.statistics.dropped, 1);
    assert.ok(wire.told.peerErrors[0] instanceof MessageTooLargeError);
  });
}

test("errors and names aren't messages of users: their size isn't limited by theirs", async () => {
  let name: Uint8Array | undefined;
  using wire = await Wire.open({
    limits: { maxMessageBytes: 2 },
    handler: { onDefine: (_method, given) => void (name = given) },
  });
  const call = errorOf(() => wire.connection.request(0, undefined, forever));
  wire.tell({ kind: response, flags: error }, bytesOf("a long reason"));
  assert.equal((await within(call, "the error")).message, "a long reason");
  wire.tell({ kind: define }, bytesOf("a long name"));
  assert.equal(textOf(name), "a long name");
});

test("an error tells that the request wasn't read, if so", async () => {
  using wire = await Wire.open();
  for (const flags of [error, error | unread]) {
    let times = 0;
    const call = errorOf(() =>
      wire.connection.request(0, undefined, forever, 0, () => void times++)
    );
    wire.tell({ kind: response, flags }, bytesOf("no"));
    assert.equal((await within(call, "the error")).message, "no");
    assert.equal(times, flags === error ? 0 : 1);
  }
});

test("an answer that brings something goes through the pattern; its failure is the call's", async () => {
  const handler: Partial<ConnectionHandler> = {
    onStreamAnswer(payload) {
      if (textOf(payload) === "bad") throw new RangeError("not readable");
      return `<${textOf(payload)}>`;
    },
  };
  using wire = await Wire.open({ handler });
  const answers: [flags: number, text: string][] = [
    [references, "one"],
    [0, "two"],
    [references, "bad"],
  ];
  const calls = answers.map(() => wire.connection.request(0, undefined, forever));
  const results = Promise.allSettled(calls);
  for (const [correlation, [flags, text]] of answers.entries()) {
    wire.tell({ kind: response, correlation, flags }, bytesOf(text));
  }
  const [first, second, third] = await within(results, "the calls");
  assert.deepEqual(first, { status: "fulfilled", value: "<one>" as unknown });
  assert.equal(textOf((second as PromiseFulfilledResult<Uint8Array>).value), "two");
  assert.match(String((third as PromiseRejectedResult).reason), /not readable/);
  assert.ok(wire.connection.isOpen);
});

test("an answer that came too late is dropped; what it brings is given back", async () => {
  const unwanted: string[] = [];
  using wire = await Wire.open({
    handler: { onUnwanted: (payload) => void unwanted.push(textOf(payload)) },
  });
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [0, 1].map(() =>
    errorOf(() => wire.connection.request(0, undefined, { timeout: 60_000, signal }))
  );
  controller.abort();
  await within(Promise.all(calls), "the aborts");
  wire.tell({ kind: response, correlation: 0 }, bytesOf("bytes"));
  wire.tell({ kind: response, correlation: 1, flags: references }, bytesOf("a stream"));
  assert.deepEqual(unwanted, ["a stream"]);
  assert.ok(wire.connection.isOpen);
});

test("a cancel reaches its request only, and none is as good as one that is answered", async () => {
  using wire = await Wire.open();
  for (const correlation of [4, 5]) wire.tell({ kind: request, correlation, flags: nothing });
  const [first, second] = wire.told.requests.map(({ call }) => call);
  second!.reply(undefined);
  for (const correlation of [4, 5, 6, 0xffff_ffff]) wire.tell({ kind: cancel, correlation });
  assert.equal(first!.signal.aborted, true);
  assert.equal(second!.signal.aborted, false);
  assert.deepEqual(wire.all().map(({ correlation }) => correlation), [5, 4]);
  assert.ok(wire.connection.isOpen);
});

test("a request that was answered before its handler returned has left nothing", async () => {
  using wire = await Wire.open({
    handler: {
      onRequest(call) {
        call.reply(undefined);
        return true;
      },
    },
  });
  for (let i = 0; i < 3; i++) wire.tell({ kind: request, correlation: 1, flags: nothing });
  assert.deepEqual(wire.all().map(({ correlation }) => correlation), [1, 1, 1]);
  assert.ok(wire.connection.isOpen, "the id is free for the next");
});

test("what a handler throws where none may ends this connection", async () => {
  const failure = new RangeError("a fault of the pattern");
  using wire = await Wire.open({
    handler: {
      onMessage() {
        throw failure;
      },
    },
  });
  wire.tell({ kind: message, flags: nothing });
  assert.deepEqual(wire.told.gone, [["corrupt", failure]]);
});
