// Failures that nobody waits for: where they go, that each is told once, and that they end nothing.
// An uncaught error or an unhandled rejection ends this process, and so fails the file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel, connect, RpcClient, RpcServer, serve } from "../../mod.ts";
import {
  errorSink,
  guarded,
  guardedResult,
  harmless,
  OwnPromise,
  peerErrorSink,
} from "../../src/failures.ts";
import { bytesOf } from "../support/api.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

/** Collects what goes to the console while `task` runs, one list of arguments per report. */
async function reportsOf(task: (reports: unknown[][]) => unknown): Promise<unknown[][]> {
  const reports: unknown[][] = [];
  const { error } = console;
  console.error = (...args: unknown[]) => {
    if (String(args[0]).includes("nobody waits")) reports.push(args); // and not a runtime's warnings
  };
  try {
    await task(reports);
  } finally {
    console.error = error;
  }
  return reports;
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
const boom = new Error("boom");
const fail = (): never => {
  throw boom;
};
// deno-lint-ignore require-await
const failLater = async (): Promise<never> => fail();

test("a failure of ours is reported once, with what failed", async () => {
  const reports = await reportsOf(() => errorSink(undefined, 'server "math"')(boom, "onConnect"));
  assert.deepEqual(reports, [['server "math", onConnect: a failure that nobody waits for:', boom]]);
});

test("a failure goes to onError, and not to the console as well", async () => {
  const seen: unknown[] = [];
  const onError = (error: unknown): void => void seen.push(error);
  const reports = await reportsOf(() => {
    errorSink(onError)("ours");
    peerErrorSink(onError)("the peer's");
    peerErrorSink(undefined)("dropped");
  });
  assert.deepEqual(seen, ["ours", "the peer's"]);
  assert.deepEqual(reports, []);
});

test("an onError that fails, now or later, is reported with what it was told", async () => {
  for (const onError of [fail, failLater]) {
    for (const sink of [errorSink(onError, "it"), peerErrorSink(onError, "it")]) {
      const reports = await reportsOf(async () => (sink("first"), await turn()));
      assert.deepEqual(reports, [
        ["it: a failure that nobody waits for:", "first"],
        ["it, onError: a failure that nobody waits for:", boom],
      ]);
    }
  }
});

test("a console that throws ends nothing", () => {
  const { error } = console;
  console.error = fail;
  try {
    errorSink(undefined)(boom);
  } finally {
    console.error = error;
  }
});

test("what the user's code throws or rejects with is told once", async () => {
  const seen: unknown[] = [];
  const sink = (error: unknown, where?: string): void => void seen.push([error, where]);
  const thenable = { then: (_resolve: unknown, reject: (reason: unknown) => void) => reject(boom) };
  guarded(fail, sink, "a");
  guarded(failLater, sink, "b");
  guardedResult(thenable, sink, "c");
  guardedResult(undefined, sink);
  guarded(() => 5, sink);
  await turn();
  assert.deepEqual(seen, [[boom, "a"], [boom, "b"], [boom, "c"]]);
});

test("a promise that nobody awaits is harmless, and awaited rejects all the same", async () => {
  const run = async (own: OwnPromise, wait: boolean): Promise<void> => {
    try {
      if (wait) await turn();
      fail();
    } catch (error) {
      throw own.fails(error);
    }
  };
  for (const wait of [true, false]) {
    const own = new OwnPromise();
    const promise = own.is(run(own, wait));
    await turn();
    await turn();
    await assert.rejects(promise, boom);
  }
  const promise = harmless(failLater());
  await turn();
  await assert.rejects(promise, boom);
});

test("callbacks that fail end neither the process nor what they are for", {
  timeout: 60_000,
}, async () => {
  for (const callback of [fail, failLater]) {
    using scratch = new Scratch();
    const { path: directory } = scratch;
    const callbacks = { directory, onConnect: callback, onDisconnect: callback };
    const reports = await reportsOf(async (reports) => {
      const told = (what: string) =>
        until(() => reports.some(([text]) => String(text).startsWith(what)), what);
      const handlers = { ...callbacks, onMessage: callback, onRequest: () => bytesOf("fine") };
      const server = await RpcServer.open("bytes", handlers);
      await using client = await RpcClient.open("bytes", callbacks);
      await using one = await Channel.open("channel", handlers);
      const other = await Channel.open("channel", { directory });
      client.send(bytesOf("x"));
      other.send(bytesOf("x"));
      assert.deepEqual(await client.request(), bytesOf("fine"));
      assert.deepEqual(await other.request(), bytesOf("fine"));
      for (const what of ['server "bytes"', 'channel "channel"']) {
        await told(`${what}, onConnect`);
        await told(`${what}, onMessage`);
      }
      await told('the client of server "bytes", onConnect');
      await server.close();
      await other.close();
      await told('the client of server "bytes", onDisconnect');
      await told('channel "channel", onDisconnect');
      assert.equal(one.isClosed, false);
    });
    assert.ok(reports.every(([, error]) => error === boom));
  }
});

test("a one-way method that fails is reported with its name", { timeout: 60_000 }, async () => {
  for (const method of [fail, failLater]) {
    using scratch = new Scratch();
    const { path: directory } = scratch;
    await using _server = await serve("s", { text: { upper: method }, one: () => 1 }, {
      directory,
    });
    await using client = await connect<{ text: { upper(): void }; one(): number }>("s", {
      directory,
    });
    const reports = await reportsOf(async (reports) => {
      client.oneway.text.upper();
      await until(() => reports.length > 0, "the report");
    });
    const where = 'server "s", the method "text.upper" called one way';
    assert.deepEqual(reports, [[`${where}: a failure that nobody waits for:`, boom]]);
    assert.equal(await client.remote.one(), 1);
  }
});

test("nothing that waits for a partner needs to be awaited", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  const never = (): Promise<never> => new Promise(() => {});
  const server = await RpcServer.open("bytes", { directory, onRequest: never });
  const methods = await serve("methods", { never }, { directory });
  const channel = await Channel.open("channel", { directory, timeout: 10 });
  const client = await RpcClient.open("bytes", { directory });
  const typed = await connect<{ never(): void }>("methods", { directory });
  const forgetAll = (): void => {
    void channel.request();
    void channel.writable;
    void channel.whenConnected({ timeout: 1 });
    void client.request();
    void client.request(undefined, { timeout: 1 });
    void client.request(5 as never);
    void client.stream();
    void client.whenConnected();
    void client.writable;
    void typed.remote.never();
    void typed.with({ timeout: 1, signal: AbortSignal.abort() }).remote.never();
  };
  forgetAll();
  await turn();
  await server.close();
  await methods.close();
  forgetAll();
  await turn();
  for (const each of [client, typed, channel]) await each.close();
  forgetAll();
  await turn();
});
