// When callbacks come, and what they are given: the user has what was opened before.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel, type Client, connect, RpcClient, RpcServer, serve } from "../../mod.ts";
import { bytesOf, textOf } from "../support/api.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

interface Api {
  register(name: string): string;
}
const api = { register: (name: string) => `welcome ${name}` };

/** As programs wrap it: each level costs some turns of the queue of microtasks. */
async function wrapped<T>(task: () => Promise<T>): Promise<T> {
  const inner = async (): Promise<T> => await task();
  const outer = (): Promise<T> => inner().then((made) => made);
  // deno-lint-ignore require-await
  return await (async () => outer())();
}

test("a client's onConnect is given the client, which connect() has returned", {
  timeout: 60_000,
}, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  let server = await serve("s", api, { directory });
  const heard: string[] = [];
  const given: unknown[] = [];
  const client: Client<Api> = await wrapped(() =>
    connect<Api>("s", {
      directory,
      async onConnect(opened) {
        given.push(opened);
        heard.push(await client.remote.register("a"), await opened.remote.register("b"));
      },
    })
  );
  await until(() => heard.length === 2);
  await server.close();
  server = await serve("s", api, { directory });
  await until(() => heard.length === 4);
  assert.deepEqual(heard, ["welcome a", "welcome b", "welcome a", "welcome b"]);
  assert.ok(given.length === 2 && given.every((each) => each === client));
  await using raw: RpcClient = await RpcClient.open("r", {
    directory,
    connectTimeout: 10,
  }).catch(async () => {
    await using _raw = await RpcServer.open("r", { directory });
    const opened = await RpcClient.open("r", { directory, onConnect: (each) => given.push(each) });
    await until(() => given.length === 3);
    return opened;
  });
  assert.equal(given[2], raw);
  await client.close();
  await server.close();
});

test("a channel's onConnect is given the channel, before the partner's first message", {
  timeout: 60_000,
}, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using first = await Channel.open("c", { directory });
  first.send(bytesOf("hello"));
  const events: string[] = [];
  const second: Channel = await wrapped(() =>
    Channel.open("c", {
      directory,
      onConnect: (opened) => void events.push(opened === second ? "connect" : "another"),
      onMessage: (message) => void events.push(textOf(message)),
    })
  );
  await until(() => events.length === 2);
  assert.deepEqual(events, ["connect", "hello"]);
  await second.close();
});

test("a server is told of clients that waited when it has been opened", {
  timeout: 60_000,
}, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  const waiting = [1, 2].map(() => connect<Api>("s", { directory }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const counts: number[] = [];
  const server: RpcServer = await wrapped(() =>
    serve("s", api, {
      directory,
      onConnect: (opened) => void counts.push(opened === server ? server.connections : -1),
      onDisconnect: ({ connections }) => void counts.push(-connections),
    })
  );
  await until(() => counts.length === 2);
  assert.ok(counts[1] === 2 && counts[0]! > 0, String(counts));
  for (const client of await Promise.all(waiting)) await client.close();
  await until(() => counts.length === 4);
  assert.deepEqual(counts.slice(2).map(Math.abs), [1, 0]);
  await server.close();
});

test("what is closed at once is told nothing", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using _server = await serve("s", api, { directory });
  const client = await connect<Api>("s", {
    directory,
    onConnect: () => assert.fail("it is closed"),
    onDisconnect: () => assert.fail("it is closed"),
  });
  await client.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
});
