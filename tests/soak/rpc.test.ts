// RPC under load: many calls, many clients, many processes. The server is in the test's process or
// in one of another runtime; what is asked is that nothing fails.

import assert from "node:assert/strict";
import { type Client, connect, type RpcServer, serve } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { type Peer, runtimes } from "../support/peers.ts";

interface Api {
  add(a: number, b: number): number;
}

const api = { add: (a: number, b: number): number => a + b };

/** Serves it in the peer. */
async function serveApi(t: Cross): Promise<void> {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.server = use(await ipc.serve(name, { add: (a: number, b: number) => a + b }));
  }, t.name);
}

crossTest("100,000 calls in sequence, each reply checked", async (t) => {
  await serveApi(t);
  await using client = await connect<Api>(t.name);
  for (let i = 0; i < 50_000; i++) assert.equal(await client.remote.add(i, 1), i + 1);
  for (let i = 0; i < 50_000; i++) assert.equal(client.sync.add(i, 2), i + 2);
}, { limit: 120 });

crossTest("5,000 clients opened in parallel, a call on each", async (t) => {
  await serveApi(t);
  const opening = Array.from(
    { length: 5000 },
    () => connect<Api>(t.name, { capacity: 4096, connectTimeout: 90_000, timeout: 90_000 }),
  );
  const clients: Client<Api>[] = await Promise.all(opening);
  const answers = await Promise.all(clients.map(({ remote }, i) => remote.add(i, 1)));
  assert.deepEqual(answers, clients.map((_, i) => i + 1));
  assert.equal(await t.peer.run(({ kept }): number => kept.server.connections), 5000);
  await Promise.all(clients.map((client) => client.close()));
  await until(() => t.peer.run(({ kept }) => kept.server.connections === 0));
}, { limit: 200 });

crossTest("1,000 idle connections and a busy one", async (t) => {
  await serveApi(t);
  const clients = await Promise.all(
    Array.from({ length: 1001 }, () => connect<Api>(t.name, { capacity: 4096 })),
  );
  const busy = clients[500]!;
  for (let i = 0; i < 10_000; i++) assert.equal(await busy.remote.add(i, 1), i + 1);
  for (let i = 0; i < 10_000; i++) assert.equal(busy.sync.add(i, 1), i + 1);
  const answers = await Promise.all(clients.map(({ remote }, i) => remote.add(i, 1)));
  assert.deepEqual(answers, clients.map((_, i) => i + 1), "the idle ones wake up");
  await Promise.all(clients.map((client) => client.close()));
}, { limit: 120 });

/** A client in its own process that makes `count` calls. */
async function callFrom(peer: Peer, name: string, count: number): Promise<void> {
  await peer.run(
    async ({ ipc, kept, assert }, name: string, count: number) => {
      kept.client ??= await ipc.connect<Api>(name, {
        capacity: 4096,
        connectTimeout: 60_000,
        timeout: 60_000,
      });
      for (let i = 0; i < count; i++) assert.equal(await kept.client.remote.add(i, 1), i + 1);
    },
    name,
    count,
  );
}

crossTest("100 processes connected at once, no call fails", async (t) => {
  await using server: RpcServer = await serve(t.name, api);
  // Most are Bun: the three take 30 to 100 MB and as many ms to start.
  const peers: Peer[] = [];
  for (let i = 0; i < 100; i++) {
    const peer = t.start(i % 10 === 0 ? runtimes[i / 10 % 3] : "bun");
    peers.push(peer);
    if (i % 4 === 3) await Promise.all(peers.slice(-4).map((each) => callFrom(each, t.name, 1)));
  }
  assert.equal(server.connections, 100);
  await Promise.all(peers.map((peer) => callFrom(peer, t.name, 100)));
  assert.equal(server.connections, 100);
  await Promise.all(peers.map((peer) => peer.end()));
  await until(() => server.connections === 0);
}, { limit: 250, only: ["bun"] });

peersEnd();
