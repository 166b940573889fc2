// The functions of a user as the handler of a connection. The peer is the test, on the same rings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesHandler, hasCallbacks } from "../../src/connection/bytes_handler.ts";
import type { AnyHandlers, ByteStreams } from "../../src/connection/bytes_handler.ts";
import type { ConnectionHandler } from "../../src/connection/handler.ts";
import type { OpenOptions } from "../../src/connection/options.ts";
import { CodecError, UnknownMethodError } from "../../src/errors.ts";
import { RecordFlag, RecordKind } from "../../src/ring/record.ts";
import { Handle } from "../../src/wake/handle.ts";
import { bytesOf, textOf } from "../support/api.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";
import { Wire } from "../support/wire.ts";

const { request, response, message } = RecordKind;
const { nothing, error, references } = RecordFlag;

/** Room for an error with its stack in one piece. */
const CAPACITY = 1 << 16;

/** A peer's view of handlers. */
class Asked implements Disposable {
  /** What was reported on the side of the handlers. */
  readonly errors: unknown[];
  readonly handler: ConnectionHandler;
  readonly wire: Wire;
  readonly #handle: Handle;
  readonly #scratch: Scratch;

  private constructor(
    scratch: Scratch,
    handle: Handle,
    errors: unknown[],
    handler: ConnectionHandler,
    wire: Wire,
  ) {
    this.#scratch = scratch;
    this.#handle = handle;
    this.errors = errors;
    this.handler = handler;
    this.wire = wire;
  }

  static async open(options: AnyHandlers & OpenOptions, streams?: ByteStreams): Promise<Asked> {
    const scratch = new Scratch();
    const errors: unknown[] = [];
    const onError = (failure: unknown): void => void errors.push(failure);
    const opened = { what: "a handler", directory: scratch.path, onError };
    const handle = await Handle.open(opened, (handle) => handle);
    const handler = bytesHandler(handle, options, () => {}, streams);
    const wire = await Wire.open({ handler, capacity: CAPACITY });
    return new Asked(scratch, handle, errors, handler, wire);
  }

  /** What a request is answered with. */
  async ask(payload?: Uint8Array, flags = 0): Promise<{ flags: number; payload: Uint8Array }> {
    const all = flags | (payload === undefined ? nothing : 0);
    this.wire.tell({ kind: request, flags: all }, payload);
    let answer = this.wire.next();
    await until(() => (answer ??= this.wire.next()) !== undefined, "the answer");
    assert.equal(answer!.kind, response);
    return answer!;
  }

  /** The error that a request is answered with. */
  async fail(payload?: Uint8Array, flags = 0): Promise<Error> {
    const answer = await this.ask(payload, flags);
    assert.equal(answer.flags, error);
    return this.handler.decodeError(answer.payload as Uint8Array<ArrayBuffer>) as Error;
  }

  [Symbol.dispose](): void {
    this.wire[Symbol.dispose]();
    this.#handle.close();
    this.#scratch[Symbol.dispose]();
  }
}

test("a request is answered with what its handler returns, now or later", async () => {
  const results: [result: unknown, flags: number, text: string][] = [
    [bytesOf("now"), 0, "now"],
    [Promise.resolve(bytesOf("later")), 0, "later"],
    [{ then: (go: (value: Uint8Array) => void) => go(bytesOf("a thenable")) }, 0, "a thenable"],
    [new Uint8Array(0), 0, ""],
    [undefined, nothing, ""],
    [Promise.resolve(), nothing, ""],
  ];
  let result: unknown;
  const asked: unknown[] = [];
  using peer = await Asked.open({
    onRequest(payload) {
      asked.push(payload && textOf(payload));
      return result;
    },
  });
  for (const [returned, flags, text] of results) {
    result = returned;
    const answer = await peer.ask(bytesOf("?"));
    assert.deepEqual([answer.flags, textOf(answer.payload)], [flags, text]);
  }
  await peer.ask();
  assert.deepEqual(asked, [...results.map(() => "?"), undefined]);
  assert.deepEqual(peer.errors, []);
});

test("what it throws, or rejects with, is the caller's, with or without its stack", async () => {
  for (const exposeStacks of [undefined, true, false]) {
    let isLate = false;
    using peer = await Asked.open({
      onRequest() {
        const failure = new RangeError("mine", { cause: "why" });
        if (isLate) return Promise.reject(failure);
        throw failure;
      },
      ...(exposeStacks !== undefined && { exposeStacks }),
    });
    for (isLate of [false, true]) {
      const failure = await peer.fail();
      assert.ok(failure instanceof RangeError);
      assert.deepEqual([failure.message, failure.cause], ["mine", "why"]);
      const isExposed = failure.stack!.includes("bytes_handler.test");
      assert.equal(isExposed, exposeStacks !== false, String(failure.stack));
    }
    assert.deepEqual(peer.errors, [], "the caller was told");
  }
});

test("an answer that is neither bytes nor nothing is an error", async () => {
  let result: unknown;
  using peer = await Asked.open({ onRequest: () => result });
  for (result of ["text", 5, null, [1], Promise.resolve("late text")]) {
    const failure = await peer.fail();
    assert.ok(failure instanceof TypeError, String(failure));
    assert.match(failure.message, /onRequest must return a Uint8Array or undefined/);
  }
});

test("a side without a handler says so; its messages are dropped", async () => {
  using peer = await Asked.open({});
  const failure = await peer.fail();
  assert.ok(failure instanceof UnknownMethodError, String(failure));
  assert.match(failure.message, /no `onRequest` handler/);
  peer.wire.tell({ kind: message, flags: nothing });
  assert.ok(peer.wire.connection.isOpen);
  assert.deepEqual(peer.errors, []);
});

test("what a message's handler throws, or rejects with, is reported, and ends nothing", async () => {
  const got: unknown[] = [];
  using peer = await Asked.open({
    onMessage(payload) {
      got.push(payload && textOf(payload));
      if (got.length === 1) throw new RangeError("now");
      if (got.length === 2) return Promise.reject(new RangeError("later")) as unknown as void;
    },
  });
  peer.wire.tell({ kind: message }, bytesOf("one"));
  peer.wire.tell({ kind: message }, bytesOf("two"));
  peer.wire.tell({ kind: message, flags: nothing });
  await until(() => peer.errors.length === 2, "the reports");
  assert.deepEqual(peer.errors.map(String), ["RangeError: now", "RangeError: later"]);
  assert.deepEqual(got, ["one", "two", undefined]);
  assert.ok(peer.wire.connection.isOpen);
});

test("where there are no streams, one that arrives is an error", async () => {
  using peer = await Asked.open({ onRequest: () => undefined, onStream: () => undefined });
  assert.ok(await peer.fail(bytesOf("a stream"), references) instanceof CodecError);
  assert.throws(() => peer.handler.onStreamAnswer!(undefined), CodecError);
  peer.handler.onUnwanted!(undefined);
  assert.ok(
    peer.errors[0] instanceof CodecError,
    "an answer that came from the peer, for no call",
  );
});

test("streams as requests and answers", async () => {
  const cancelled: unknown[] = [];
  const streams: ByteStreams = {
    accept: (payload) => ({
      stream: new ReadableStream({
        start: (controller) => controller.enqueue(payload!),
        cancel: () => void cancelled.push(textOf(payload)),
      }),
    }),
    offerAnswer: (value) => value instanceof ReadableStream ? bytesOf("an answer") : undefined,
  };
  using peer = await Asked.open({
    onRequest: () => new ReadableStream(),
    async onStream(stream) {
      const { value } = await stream.getReader().read();
      return bytesOf(`read: ${textOf(value)}`);
    },
  }, streams);
  const answer = await peer.ask();
  assert.deepEqual([answer.flags, textOf(answer.payload)], [references, "an answer"]);
  const read = await peer.ask(bytesOf("a request"), references);
  assert.deepEqual([read.flags, textOf(read.payload)], [0, "read: a request"]);
  peer.handler.onUnwanted!(bytesOf("late") as Uint8Array<ArrayBuffer>);
  await until(() => cancelled.length > 0, "the unwanted stream");
  assert.deepEqual(cancelled, ["late"]);
});

test("handlers that take streams only, and none", async () => {
  const streams: ByteStreams = {
    accept: () => ({ stream: new ReadableStream() }),
    offerAnswer: () => undefined,
  };
  using peer = await Asked.open({ onRequest: () => undefined }, streams);
  assert.match((await peer.fail(bytesOf("!"), references)).message, /no `onStream` handler/);
  using other = await Asked.open({ onStream: () => undefined }, streams);
  assert.match((await other.fail()).message, /no `onRequest` handler/);
});

test("callbacks are options that begin with on", () => {
  assert.equal(hasCallbacks({ onMessage: () => {} }), true);
  assert.equal(hasCallbacks({ onMessage: undefined, once: () => {}, timeout: 5 }), false);
});
