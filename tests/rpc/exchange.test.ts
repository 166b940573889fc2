// What a call brings is taken back in every way in which it can fail: functions of either side
// that the other never received are kept by none.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CodecError, UnknownMethodError } from "../../mod.ts";
import type { Codec } from "../../mod.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import { EXTENDED, Kind } from "../../src/codec/messagepack_format.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { ClientCore } from "../../src/rpc/client_core.ts";
import { Exchange } from "../../src/rpc/exchange.ts";
import type { ExchangeOptions } from "../../src/rpc/exchange.ts";
import { startServer } from "../../src/rpc/server.ts";
import type { Handle } from "../../src/wake/handle.ts";
import { assertEmpty, errorOf } from "../support/api.ts";
import { Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

interface Options {
  api?: object;
  codec?: Codec;
  client?: { maxMessageBytes?: number; sendQueueBytes?: number; capacity?: number };
  server?: { maxMessageBytes?: number };
}

/** A client and a server over a real connection, and the exchanges of both. */
class Pair implements AsyncDisposable {
  readonly #scratch = new Scratch();
  readonly #closed: (() => Promise<void>)[] = [];
  client!: Exchange;
  server!: Exchange;
  connection!: Connection;

  static async open(options: Options): Promise<Pair> {
    const pair = new Pair();
    const directory = pair.#scratch.path;
    const { codec = messagePack, api = {} } = options;
    const make = (isServer: boolean, handle: Handle, onGone: ExchangeOptions["onGone"]) =>
      new Exchange({
        codec,
        api: isServer ? api : undefined,
        exposeStacks: true,
        timeout: 10_000,
        handle,
        onGone,
      });
    const server = await startServer(
      "pair",
      { directory, ...options.server },
      codec.name,
      (...given) => {
        const exchange = pair.server = make(true, ...given);
        return { handler: exchange, onOpen: (connection) => exchange.use(connection) };
      },
    );
    const settings = { directory, reconnect: false, ...options.client };
    const core = await ClientCore.open("pair", settings, codec.name, (...given) => {
      const exchange = pair.client = make(false, ...given);
      return {
        handler: exchange,
        onOpen(connection) {
          exchange.use(connection);
          pair.connection = connection;
        },
      };
    });
    pair.#closed.push(() => core.close(), () => server.close());
    return pair;
  }

  call(path: string, ...args: unknown[]): Promise<unknown> {
    return this.client.call(this.connection, path, args, { timeout: 10_000 });
  }

  /** A call that fails must leave nothing. */
  async mustFail(task: () => unknown, name: string): Promise<void> {
    const error = await within(errorOf(task), "the call");
    assert.equal(error.name, name, String(error));
    assert.equal(this.client.functions.exported, 0, `after ${error}`);
    assert.equal(this.server.functions.imported, 0, `after ${error}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closed) await close();
    assertEmpty(this.#scratch);
    this.#scratch[Symbol.dispose]();
  }
}

const fn = (): number => 1;
const big = new Uint8Array(2000);
const takes = { take: () => 1 };

test("arguments that can't be encoded, behind a function", async () => {
  await using pair = await Pair.open({ api: takes });
  await pair.mustFail(() => pair.call("take", fn, Symbol("no")), "CodecError");
  await pair.mustFail(
    () => pair.client.send(pair.connection, "take", [fn, Symbol()]),
    "CodecError",
  );
});

test("too large for this side, and for the other", async () => {
  for (
    const limits of [{ client: { maxMessageBytes: 1000 } }, { server: { maxMessageBytes: 1000 } }]
  ) {
    await using pair = await Pair.open({ api: takes, ...limits });
    await pair.mustFail(() => pair.call("take", fn, big), "MessageTooLargeError");
  }
});

test("given up before it is sent", async () => {
  await using pair = await Pair.open({ api: takes });
  const signal = AbortSignal.abort(new RangeError("mine"));
  const options = { timeout: 1000, signal };
  await pair.mustFail(
    () => pair.client.call(pair.connection, "take", [fn], options),
    "RangeError",
  );
});

test("timed out in the queue, as a call and as a blocking one", async () => {
  await using pair = await Pair.open({ api: takes, client: { capacity: 65_536 } });
  // More than the ring takes: what comes behind it waits.
  const first = pair.call("take", new Uint8Array(1_000_000));
  const timeout = 0;
  await pair.mustFail(
    () => pair.client.call(pair.connection, "take", [fn, big], { timeout }),
    "TimeoutError",
  );
  assert.equal(await first, 1);
  assert.equal(await pair.call("take", 1), 1);
});

test("one way: refused, and over the limit of this side", async () => {
  await using pair = await Pair.open({ api: takes, client: { sendQueueBytes: 0 } });
  pair.client.send(pair.connection, "take", [new Uint8Array(1_000_000)]);
  await pair.mustFail(() => pair.client.send(pair.connection, "take", [fn]), "BackpressureError");
});

test("the connection is closed", async () => {
  await using pair = await Pair.open({ api: takes });
  await pair.call("take");
  pair.connection.close();
  for (const call of [() => pair.call("take", fn), () => pair.call("other", fn)]) {
    await pair.mustFail(call, "ClosedError");
  }
  const blocking = () => pair.client.callSync(pair.connection, "take", [fn], 1000);
  await pair.mustFail(blocking, "ClosedError");
});

/** A codec whose decoder fails behind the functions of a message that says so. */
const picky: Codec = {
  name: "picky",
  encode: (value, functions) => messagePack.encode(value, functions),
  decode(bytes, functions) {
    const value = messagePack.decode(bytes, functions);
    if (Array.isArray(value) && value.includes("poison")) throw new CodecError("poison");
    return value;
  },
};

test("arguments that can't be decoded", async () => {
  await using pair = await Pair.open({ api: takes, codec: picky });
  await pair.mustFail(() => pair.call("take", fn, fn, "poison"), "CodecError");
  assert.equal(await pair.call("take", fn), 1);
  assert.deepEqual(pair.client.functions, { exported: 1, imported: 0 }, "that one is received");
});

test("a result that can't be decoded", async () => {
  await using pair = await Pair.open({ api: { give: () => [fn, "poison"] }, codec: picky });
  await pair.mustFail(() => pair.call("give"), "CodecError");
  await until(() => pair.server.functions.exported === 0, "the function is given back");
  assert.equal(pair.client.functions.imported, 0);
});

test("results that aren't sent: too large, can't be encoded, given up meanwhile", async () => {
  const later = Promise.withResolvers<unknown>();
  const api = {
    large: () => [fn, big],
    symbol: () => [fn, Symbol("no")],
    later: () => later.promise,
    ping: () => 1,
  };
  await using pair = await Pair.open({ api, server: { maxMessageBytes: 1000 } });
  await pair.mustFail(() => pair.call("large"), "MessageTooLargeError");
  await pair.mustFail(() => pair.call("symbol"), "CodecError");
  const controller = new AbortController();
  const options = { timeout: 10_000, signal: controller.signal };
  const call = errorOf(() => pair.client.call(pair.connection, "later", [], options));
  await pair.call("ping");
  controller.abort(new RangeError("mine"));
  await call;
  await pair.call("ping");
  let cancelled = false;
  const stream = new ReadableStream({ cancel: () => void (cancelled = true) });
  later.resolve({ fn, stream });
  await until(() => cancelled, "the stream in it is cancelled");
  assert.equal(pair.server.functions.exported, 0);
});

/** Ids of what is in a message: an array of 60 times the same array, which is one of 60 … */
function unfolding(first: number): number[] {
  const LEVELS = 8;
  let bytes = [0x91, 1];
  for (let level = LEVELS - 1; level >= 0; level--) {
    const again = [EXTENDED, Kind.again, first + level + 1];
    bytes = [0xdc, 0, 60, ...bytes, ...Array.from({ length: 59 }, () => again).flat()];
  }
  return bytes;
}

// As text they would be 60^8 ones, and the thread would never come back.
const references = [1, 2, 3, 4].flatMap((tag) => [
  {
    what: `the id of a reference ${tag}`,
    bytes: [0x91, EXTENDED, Kind.reference, tag, ...unfolding(2)],
  },
  {
    what: `a number beside the id of a reference ${tag}`,
    bytes: [0x91, EXTENDED, Kind.reference, tag, 0x92, 3, ...unfolding(3)],
  },
]);
const hostile = [
  { what: "the id of a function", method: 65535, bytes: [0x92, ...unfolding(1), 0x90] },
  ...references.map((each) => ({ ...each, method: 0 })),
];

for (const { what, method, bytes } of hostile) {
  test(`what a peer sends as ${what} isn't made into text`, async () => {
    await using pair = await Pair.open({ api: { take: () => 1 } });
    assert.equal(await within(pair.call("take"), "the call"), 1);
    const request = pair.connection.request(method, new Uint8Array(bytes), { timeout: 20_000 });
    const error = await within(errorOf(() => request), "the answer");
    assert.ok(error instanceof CodecError || error instanceof UnknownMethodError, String(error));
    assert.equal(await within(pair.call("take"), "the next call"), 1);
  });
}

test("a value that comes back as the cause of an error isn't either", async () => {
  let value: unknown = [1];
  for (let level = 0; level < 8; level++) value = new Array<unknown>(60).fill(value);
  const api = {
    wrap(input: unknown): never {
      throw new Error("refused", { cause: input });
    },
  };
  await using pair = await Pair.open({ api });
  const error = await within(errorOf(() => pair.call("wrap", [value, () => 1])), "the call");
  assert.equal(error.message, "refused");
  assert.equal(error.cause, "[object Array]");
});
