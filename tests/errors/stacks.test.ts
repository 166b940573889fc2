// Errors name the line of the program that called, wherever they began.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Channel,
  connect,
  Queue,
  type RemoteFunction,
  RpcClient,
  RpcServer,
  serve,
} from "../../mod.ts";
import { ClosedError } from "../../src/errors.ts";
import { nameCaller } from "../../src/stacks.ts";
import { errorOf } from "../support/api.ts";
import { Scratch } from "../support/scratch.ts";

interface Api {
  fail(): never;
  failLater(): Promise<never>;
  never(): Promise<void>;
  callback(back: () => void): Promise<void>;
}
// An interface can't say that one method is missing.
interface Misspelt {
  misspelt(): void;
}

function thrower(): never {
  throw new RangeError("out of range");
}

const api = {
  fail: () => thrower(),
  failLater: async () => (await Promise.resolve(), thrower()),
  never: () => new Promise<void>(() => {}),
  callback: async function serversMethod(back: RemoteFunction<() => void>) {
    await back();
  },
};

/** The error of a task, whose stack names it. */
async function namedBy(task: () => Promise<unknown>): Promise<Error> {
  const error = await errorOf(task);
  assert.match(error.stack!, new RegExp(`at async ${task.name} `), `${task.name}: ${error.stack}`);
  assert.ok(error.stack!.startsWith(`${error.name}: ${error.message}`), String(error.stack));
  return error;
}

test("remote errors, timeouts and missing methods name the caller", {
  timeout: 60_000,
}, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using server = await serve("s", api, { directory });
  await using client = await connect<Api & Misspelt>("s", { directory });
  const { remote, sync } = client;
  for (
    const task of [
      async function userCalls() {
        await remote.fail();
      },
      async function userCallsLater() {
        await remote.failLater();
      },
      async function userCallsOneOfMany() {
        await Promise.all([remote.fail()]);
      },
    ]
  ) {
    const error = await namedBy(task);
    assert.ok(error instanceof RangeError);
    assert.match(error.stack!, /thrower[^]*at the other side: fail(Later)? of "s"\n[^]*userCalls/);
  }
  await namedBy(async function userTimesOut() {
    await client.with({ timeout: 10 }).remote.never();
  });
  await namedBy(async function userCallsMissing() {
    await remote.misspelt();
  });
  const called = await errorOf(async function userPassesFunction() {
    await remote.callback(() => thrower());
  });
  assert.match(called.stack!, /thrower[^]*of "s"[^]*serversMethod[^]*userPassesFunction/);
  // deno-lint-ignore require-await
  const blocking = await errorOf(async function userBlocks() {
    sync.fail();
  });
  assert.match(blocking.stack!, /thrower[^]*at the other side: fail of "s"\n[^]*userBlocks/);
  const waiting = remote.never();
  const gone = namedBy(async function userIsLeft() {
    await waiting;
  });
  await client.writable;
  await server.close();
  await gone;
  await namedBy(async function userWaitsForServer() {
    await client.with({ timeout: 10 }).remote.fail();
  });
  await client.close();
  const closed = await namedBy(async function userCallsClosed() {
    await remote.fail();
  });
  assert.notEqual(await errorOf(() => remote.fail()), closed, "each call has its own");
});

test(
  "without the other side's stacks there is the caller's line",
  { timeout: 60_000 },
  async () => {
    using scratch = new Scratch();
    const { path: directory } = scratch;
    await using _server = await serve("s", api, { directory, exposeStacks: false });
    await using client = await connect<Api>("s", { directory });
    const error = await namedBy(async function userCalls() {
      await client.remote.fail();
    });
    assert.doesNotMatch(error.stack!, /thrower/);
  },
);

test("requests of bytes name the caller", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using _server = await RpcServer.open("s", { directory, onRequest: thrower });
  await using client = await RpcClient.open("s", { directory });
  const error = await namedBy(async function userRequests() {
    await client.request();
  });
  assert.match(error.stack!, /thrower[^]*userRequests/);
  await namedBy(async function userStreams() {
    await client.stream();
  });
  // deno-lint-ignore require-await
  const blocking = await errorOf(async function userBlocks() {
    client.requestSync();
  });
  assert.match(blocking.stack!, /thrower[^]*userBlocks/);
});

test("what can't be opened names the caller", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using _server = await serve("s", api, { directory });
  await using _queue = await Queue.open("q", { directory });
  await using _one = await Channel.open("c", { directory, capacity: 4096 });
  await namedBy(async function userServesTwice() {
    await serve("s", {}, { directory });
  });
  await namedBy(async function userConnects() {
    await connect("nobody", { directory, connectTimeout: 10 });
  });
  await namedBy(async function userOpensQueue() {
    await Queue.open("q", { directory, capacity: 1 << 20 });
  });
  await namedBy(async function userOpensChannel() {
    await Channel.open("c", { directory, capacity: 8192 });
  });
});

test("what a signal is aborted with stays as it is", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using _server = await serve("s", api, { directory });
  await using client = await connect<Api>("s", { directory });
  const reason = new Error("the user's own");
  const { stack } = reason;
  const controller = new AbortController();
  const call = client.with({ signal: controller.signal }).remote.never();
  controller.abort(reason);
  assert.equal(await errorOf(() => call), reason);
  assert.equal(reason.stack, stack);
});

test("of very many calls that one error ends, some hundreds look for their line", () => {
  const error = new ClosedError("it");
  let looks = 0;
  function above(): void {
    if (nameCaller(error, above, "it") !== error) looks++;
  }
  for (let i = 0; i < 2000; i++) above();
  assert.equal(looks, 500);
});
