// Every option that the types have is taken, and none else; what a closed client says.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ArgumentError,
  Channel,
  ClosedError,
  connect,
  json,
  RpcClient,
  RpcServer,
  serve,
} from "../../mod.ts";
import { Scratch } from "../support/scratch.ts";

const shared = {
  timeout: 1000,
  sendQueueBytes: 1000,
  maxMessageBytes: 1000,
  streamWindowBytes: 1000,
  exposeStacks: false,
  onError() {},
  capacity: 4096,
  onConnect() {},
  onDisconnect() {},
};
const ofClients = { ...shared, connectTimeout: 10_000, reconnect: false };
const ofServers = { ...shared, maxConnections: 5 };
const handlers = { onRequest: () => undefined, onMessage() {} };

test("all options at once", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  const { signal } = new AbortController();
  await using _channel = await Channel.open("c", {
    ...shared,
    ...handlers,
    directory,
    borrow: true,
  });
  await using _server = await serve("s", {}, { ...ofServers, directory, codec: json });
  await using _client = await connect("s", { ...ofClients, directory, codec: json, signal });
  await using _raw = await RpcServer.open("r", {
    ...ofServers,
    ...handlers,
    directory,
    onStream: () => undefined,
  });
  await using _rawClient = await RpcClient.open("r", { ...ofClients, directory, signal });
});

test("options of calls", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using _server = await serve("s", { one: () => 1 }, { directory });
  await using client = await connect<{ one(): number }>("s", { directory });
  const { signal } = new AbortController();
  assert.equal(await client.with({ timeout: 10_000, signal }).remote.one(), 1);
  assert.throws(() => client.with({ timeOut: 5 } as object), {
    name: "ArgumentError",
    message: "there is no option `timeOut`; there are timeout, signal",
  });
  for (const bad of [{ signal: "x" }, { timeout: -1 }, { timeout: "5" }, null, 5, undefined]) {
    assert.throws(() => client.with(bad as object), ArgumentError);
  }
  await using _raw = await RpcServer.open("r", { ...handlers, directory });
  await using raw = await RpcClient.open("r", { directory });
  const bad = { signal: "x" } as object;
  await assert.rejects(async () => await raw.request(undefined, bad), ArgumentError);
});

test("a closed client says that it is the client that is closed", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using _server = await serve("s", { one: () => 1 }, { directory });
  const client = await connect<{ one(): number }>("s", { directory });
  await client.close();
  const closed = (error: unknown): boolean => {
    assert.ok(error instanceof ClosedError);
    assert.equal(error.message, 'the client of server "s" is closed: open a new one to go on');
    return true;
  };
  await assert.rejects(client.remote.one(), closed);
  await assert.rejects(client.whenConnected(), closed);
  assert.throws(() => client.sync.one(), closed);
});
