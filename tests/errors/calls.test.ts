// Whatever can be wrong with a call or a message has its error, on the side that caused it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel, connect, json, RpcClient, RpcServer, serve } from "../../mod.ts";
import * as errors from "../../src/errors.ts";
import { assertEmpty, bytesOf, errorOf, textOf } from "../support/api.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

type Method = (...args: unknown[]) => unknown;

test("message too large: the sender's limit", async () => {
  using scratch = new Scratch();
  const options = { directory: scratch.path, maxMessageBytes: 1000 };
  {
    await using one = await Channel.open("name", options);
    await using two = await Channel.open("name", {
      ...options,
      onRequest: (payload) => payload!.length === 1 ? new Uint8Array(1001) : payload,
    });
    await one.whenConnected();
    await two.whenConnected();
    const large = new Uint8Array(1001);
    for (
      const task of [
        () => one.send(large),
        () => one.request(large),
        () => one.requestSync(large),
      ]
    ) {
      const error = await errorOf(task);
      assert.ok(error instanceof errors.MessageTooLargeError, String(error));
      assert.match(error.message, /1001 bytes.*1000 bytes of this side/);
    }
    const error = await errorOf(() => one.request(new Uint8Array(1)));
    assert.ok(error instanceof errors.MessageTooLargeError, String(error));
    assert.match(error.message, /of the side that answers/);
    assert.equal((await one.request(new Uint8Array(1000)))!.length, 1000, "it works on");
  }
  assertEmpty(scratch);
});

test("message too large: the sender's limit, before there is a partner", async () => {
  using scratch = new Scratch();
  const options = { directory: scratch.path, maxMessageBytes: 1000 };
  {
    await using one = await Channel.open("name", options);
    const error = await errorOf(() => one.send(new Uint8Array(1001)));
    assert.ok(error instanceof errors.MessageTooLargeError, String(error));
    await errorOf(() => one.send("text" as unknown as Uint8Array));
    assert.equal(one.send(new Uint8Array(1000)), false);
    const got: number[] = [];
    await using _two = await Channel.open("name", {
      ...options,
      onMessage: (payload) => void got.push(payload!.length),
    });
    await until(() => got.length > 0, "the message");
    assert.deepEqual(got, [1000]);
  }
  assertEmpty(scratch);
});

test("message too large: the receiver's limit", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const capacity = 4096;
  for (const limit of [1000, 50_000]) {
    const seen: unknown[] = [];
    await using one = await Channel.open("name", { directory, capacity });
    await using two = await Channel.open("name", {
      directory,
      capacity,
      maxMessageBytes: limit,
      onRequest: (payload) => payload,
      onError: (error) => void seen.push(error),
    });
    await one.whenConnected();
    const error = await errorOf(() => one.request(new Uint8Array(limit + 1)));
    assert.ok(error instanceof errors.MessageTooLargeError, String(error));
    assert.match(error.message, /of the side that receives/);
    one.send(new Uint8Array(limit + 1));
    await until(() => seen.length > 0, "the error");
    assert.ok(seen[0] instanceof errors.MessageTooLargeError);
    assert.equal(two.stats.dropped, 1);
    assert.equal((await one.request(new Uint8Array(limit)))!.length, limit);
  }
  assertEmpty(scratch);
});

test("message too large: an answer, for who asked", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using _server = await RpcServer.open("name", {
      directory,
      onRequest: () => new Uint8Array(100_000),
    });
    await using client = await RpcClient.open("name", { directory, maxMessageBytes: 99_999 });
    const error = await errorOf(() => client.request());
    assert.ok(error instanceof errors.MessageTooLargeError, String(error));
  }
  assertEmpty(scratch);
});

test("a payload that is no Uint8Array", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using one = await Channel.open("name", { directory });
    await using two = await Channel.open("name", {
      directory,
      onRequest: () => "text" as unknown as Uint8Array,
    });
    await one.whenConnected();
    await two.whenConnected();
    for (const payload of ["text", 5, {}, new ArrayBuffer(4), new Uint16Array(4), null]) {
      const bad = payload as unknown as Uint8Array;
      assert.ok(await errorOf(() => one.request(bad)) instanceof errors.ArgumentError);
      assert.ok(await errorOf(() => one.send(bad)) instanceof errors.ArgumentError);
    }
    const error = await errorOf(() => one.request());
    assert.ok(error instanceof TypeError);
    assert.match(error.message, /onRequest must return/);
  }
  assertEmpty(scratch);
});

test("a handler that throws, at once or later", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using _server = await RpcServer.open("name", {
      directory,
      onRequest(payload) {
        const error = Object.assign(new RangeError(`no ${textOf(payload)}`, { cause: "why" }), {
          detail: 7,
        });
        if (textOf(payload) === "now") throw error;
        return Promise.reject(error);
      },
    });
    await using client = await RpcClient.open("name", { directory });
    for (const when of ["now", "later"]) {
      const error = await errorOf(() => client.request(bytesOf(when)));
      assert.ok(error instanceof RangeError);
      assert.equal(error.message, `no ${when}`);
      assert.equal(error.cause, "why");
      assert.equal((error as Error & { detail: number }).detail, 7);
      assert.match(error.stack!, /calls\.test/, "where it was thrown");
    }
    assert.ok(await errorOf(() => client.requestSync(bytesOf("now"))) instanceof RangeError);
  }
  assertEmpty(scratch);
});

test("what is thrown needs not be an error, nor be able to cross", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const evil = Object.defineProperty(new Error("evil"), "trap", {
    enumerable: true,
    get() {
      throw new Error("touched");
    },
  });
  const nameless = Object.defineProperty(new Error("nameless"), "name", { value: Symbol("s") });
  const textless = Object.create(null, { f: { value: () => {}, enumerable: true } });
  const things: unknown[] = [
    "text",
    undefined,
    null,
    0,
    10n,
    Symbol("s"),
    () => {},
    { a: 1 },
    evil,
    nameless,
    textless,
    new Proxy(new Error("proxy"), {
      get() {
        throw new Error("touched");
      },
    }),
  ];
  {
    const throwNumber: Method = (i) => {
      throw things[i as number];
    };
    await using _server = await RpcServer.open("raw", {
      directory,
      onRequest: (payload) => throwNumber(payload![0]) as Uint8Array,
    });
    await using _typed = await serve("typed", { throwNumber }, { directory });
    await using raw = await RpcClient.open("raw", { directory });
    await using typed = await connect<{ throwNumber: Method }>("typed", { directory });
    for (let i = 0; i < things.length; i++) {
      for (
        const call of [
          () => raw.request(new Uint8Array([i])),
          () => typed.remote.throwNumber(i),
          () => raw.requestSync(new Uint8Array([i])),
          () => typed.sync.throwNumber(i),
        ]
      ) {
        let failed = false;
        try {
          await call();
        } catch {
          failed = true;
        }
        assert.ok(failed, `thing ${i}`);
      }
    }
    const error = await errorOf(() => typed.remote.throwNumber(8));
    assert.match(error.message, /evil|read/);
  }
  assertEmpty(scratch);
});

test("a message handler that throws is told to onError", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    const seen: unknown[] = [];
    await using _two = await Channel.open("name", {
      directory,
      onMessage(payload) {
        throw new Error(textOf(payload));
      },
      onError: (error) => void seen.push((error as Error).message),
    });
    await using one = await Channel.open("name", { directory });
    one.send(bytesOf("a"));
    one.send(bytesOf("b"));
    await until(() => seen.length === 2, "both errors");
    assert.deepEqual(seen, ["a", "b"]);
  }
  assertEmpty(scratch);
});

test("unknown method", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    const api = { known: () => 1, text: "no method", nested: { known: () => 2 } };
    await using _server = await serve("name", api, { directory });
    await using client = await connect<Record<string, Method>>("name", { directory });
    // deno-lint-ignore no-explicit-any
    const remote = client.remote as any;
    for (
      const call of [
        () => remote.unknown(),
        () => remote.text(),
        () => remote.nested(),
        () => remote.nested.unknown(),
        () => remote.known.known(),
        () => remote(),
        () => client.sync["unknown"]!(),
      ]
    ) {
      const error = await errorOf(call);
      assert.ok(error instanceof errors.UnknownMethodError, String(error));
      assert.equal(error.code, "UNKNOWN_METHOD");
    }
    assert.equal(await remote.nested.known(), 2);
    await using _raw = await RpcServer.open("raw", { directory });
    await using rawClient = await RpcClient.open("raw", { directory });
    const error = await errorOf(() => rawClient.request());
    assert.ok(error instanceof errors.UnknownMethodError);
  }
  assertEmpty(scratch);
});

test("an unknown one-way method is told to the server's onError", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    const seen: unknown[] = [];
    const onError = (error: unknown) => void seen.push(error);
    await using _server = await serve("name", {}, { directory, onError });
    await using client = await connect<{ unknown(): void }>("name", { directory });
    client.oneway.unknown();
    await until(() => seen.length > 0, "the error");
    assert.ok(seen[0] instanceof errors.UnknownMethodError);
  }
  assertEmpty(scratch);
});

test("a reply, or an argument, that can't be encoded", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const api = { cycle: () => cycle, later: () => Promise.resolve(cycle), big: () => [10n] };
    await using _server = await serve("name", api, { directory, codec: json });
    await using client = await connect<Record<string, Method>>("name", { directory, codec: json });
    for (const method of ["cycle", "later", "big"]) {
      const error = await errorOf(() => client.remote[method]!());
      assert.ok(error instanceof errors.CodecError, `${method}: ${error}`);
      assert.match(error.message, /^the value.*(can't be encoded|JSON can't carry)/);
      assert.ok(await errorOf(() => client.remote[method]!(cycle)) instanceof errors.CodecError);
      if (method === "later") continue;
      assert.ok(await errorOf(() => client.sync[method]!()) instanceof errors.CodecError);
    }
  }
  assertEmpty(scratch);
});

test("use after close", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const server = await RpcServer.open("raw", { directory, onRequest: (bytes) => bytes });
  const typed = await serve("typed", { one: () => 1 }, { directory });
  const client = await RpcClient.open("raw", { directory });
  const proxy = await connect<{ one(): number }>("typed", { directory });
  const channel = await Channel.open("name", { directory });
  const pending = errorOf(() => channel.request(bytesOf("nobody comes")));
  for (const each of [channel, proxy, client, typed, server]) {
    await each.close();
    await each.close();
    assert.equal(each.isClosed, true);
  }
  assert.ok(await pending instanceof errors.ClosedError);
  for (
    const call of [
      () => channel.send(),
      () => channel.request(),
      () => channel.requestSync(),
      () => channel.whenConnected(),
      () => channel.writable,
      () => client.send(),
      () => client.request(),
      () => client.requestSync(),
      () => client.whenConnected(),
      () => client.writable,
      () => proxy.remote.one(),
      () => proxy.sync.one(),
      () => proxy.oneway.one(),
      () => proxy.whenConnected(),
      () => proxy.writable,
    ]
  ) {
    const error = await errorOf(call);
    assert.ok(error instanceof errors.ClosedError, `${call}: ${error}`);
    assert.match(error.message, /is closed/);
  }
  channel.ref();
  channel.unref();
  assert.equal(channel.stats.queuedBytes, 0);
  assertEmpty(scratch);
});

test("timeouts that are none", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using channel = await Channel.open("name", { directory });
    for (const timeout of [-1, NaN, "1", null] as unknown as number[]) {
      for (
        const call of [
          () => channel.request(undefined, { timeout }),
          () => channel.requestSync(undefined, { timeout }),
          () => channel.whenConnected({ timeout }),
        ]
      ) {
        assert.ok(await errorOf(call) instanceof errors.ArgumentError, `${call} ${timeout}`);
      }
    }
  }
  assertEmpty(scratch);
});

test("a blocking call on its own thread that isn't answered at once", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using _server = await serve("name", { later: async () => await 1, now: () => 2 }, {
      directory,
    });
    await using client = await connect<{ later(): number; now(): number }>("name", { directory });
    assert.equal(client.sync.now(), 2);
    const error = await errorOf(() => client.sync.later());
    assert.ok(error instanceof errors.DeadlockError, String(error));
    assert.equal(client.sync.now(), 2);
    assert.equal(await client.remote.later(), 1);
  }
  assertEmpty(scratch);
});

test("too much that waits", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using channel = await Channel.open("name", { directory, sendQueueBytes: 1000 });
    assert.equal(channel.send(new Uint8Array(600)), false);
    const error = await errorOf(() => channel.send(new Uint8Array(401)));
    assert.ok(error instanceof errors.BackpressureError);
    assert.equal(error.queued, 600);
    assert.equal(error.limit, 1000);
    assert.equal(channel.send(new Uint8Array(400)), false);
    assert.equal(channel.stats.queuedMessages, 2);
    assert.equal(channel.stats.overflows, 1);
  }
  assertEmpty(scratch);
});

test("what a client does wrong ends no server, and is told to its onError", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const told: unknown[] = [];
  const api = { add: (a: number, b: number) => a + b };
  {
    // Without `onError`: an uncaught exception would end this test.
    await using silent = await serve("silent", api, { directory, maxMessageBytes: 1000 });
    await using heard = await serve("heard", api, {
      directory,
      maxMessageBytes: 1000,
      onError: (error) => told.push(error),
    });
    for (const { name } of [silent, heard]) {
      await using client = await connect<Record<string, Method>>(name, { directory });
      client.oneway["nope"]!(1);
      client.oneway["add"]!("x".repeat(2000));
      assert.equal(await client.remote["add"]!(1, 2), 3);
    }
  }
  const names = told.map((error) => (error as Error).name);
  assert.deepEqual(names, ["UnknownMethodError", "MessageTooLargeError"]);
  assertEmpty(scratch);
});

test("a client whose connection was closed makes room for the next at once", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using _server = await serve("name", { add: (a: number) => a }, {
      directory,
      maxConnections: 1,
    });
    for (let i = 0; i < 20; i++) {
      await using client = await connect<Record<string, Method>>("name", { directory });
      assert.equal(await client.remote["add"]!(i), i);
    }
  }
  assertEmpty(scratch);
});

test("a time longer than the runtimes' timers is no time that is over", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    const connecting = connect<Record<string, Method>>("late", {
      directory,
      connectTimeout: 2 ** 31,
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await using _server = await serve("late", { add: (a: number) => a }, { directory });
    await using client = await connecting;
    assert.equal(await client.with({ timeout: 1e20 }).remote["add"]!(1), 1);
  }
  assertEmpty(scratch);
});

test("options of the wrong type are refused, and a method's name that is no text", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const wrong = (options: unknown) => ({ directory, ...(options as object) });
  for (
    const task of [
      () => Channel.open("name", wrong({ onMessage: 5 })),
      () => serve("name", {}, wrong({ onConnect: "x" })),
      () => serve("name", {}, wrong({ codec: "json" })),
      () => serve("name", {}, wrong({ codec: { name: "mine" } })),
      () => connect("name", wrong({ signal: {} })),
      () => connect("name", null as never),
      () => connect("name", wrong({ connectTimeout: "5" })),
    ]
  ) {
    const error = await errorOf(task);
    assert.ok(error instanceof errors.ArgumentError, String(error));
  }
  {
    await using _server = await serve("name", { "\ufffd": () => 1 }, { directory });
    await using client = await connect<Record<string, Method>>("name", { directory });
    const error = await errorOf(() => client.remote["\ud800"]!());
    assert.ok(error instanceof errors.ArgumentError, String(error));
  }
  assertEmpty(scratch);
});
