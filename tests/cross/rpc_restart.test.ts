// RPC: servers that go and come again.

import assert from "node:assert/strict";
import { connect, PeerGoneError } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until, within } from "../support/watchdog.ts";
import type { Peer } from "../support/peers.ts";
import { sleep } from "../support/remote_functions.ts";

interface Api {
  generation(): number;
  hang(): Promise<never>;
  hanging(): number;
}

async function serveIn(peer: Peer, name: string, generation: number): Promise<void> {
  await peer.run(
    async ({ ipc, use, kept }, name: string, generation: number) => {
      kept.hanging = 0;
      kept.server = use(
        await ipc.serve(name, {
          generation: () => generation,
          hang: () => (kept.hanging++, new Promise(() => {})),
          hanging: () => kept.hanging,
        }),
      );
    },
    name,
    generation,
  );
}

async function restart(
  t: Cross,
  reason: "closed" | "died",
  leave: (server: Peer) => Promise<unknown>,
): Promise<void> {
  let server = t.start();
  await serveIn(server, t.name, 1);
  const events: string[] = [];
  await using client = await connect<Api>(t.name, {
    onConnect: () => void events.push("connect"),
    onDisconnect: (reason) => void events.push(reason),
  });
  await using idle = await connect<Api>(t.name);
  for (const generation of [1, 2]) {
    assert.equal(await client.remote.generation(), generation);
    const flying = [0, 1, 2].map(() =>
      assert.rejects(client.remote.hang(), (error) => {
        assert.ok(error instanceof PeerGoneError, String(error));
        return error.reason === reason;
      })
    );
    assert.equal(await client.remote.hanging(), 3);
    await leave(server);
    await within(Promise.all(flying), "the calls under way");
    await until(() => !idle.isConnected);
    assert.equal(client.isConnected, false);
    const waiting = client.remote.generation(); // for the next server
    server = t.start();
    await serveIn(server, t.name, generation + 1);
    assert.equal(await waiting, generation + 1);
    assert.equal(client.sync.generation(), generation + 1);
    assert.equal(await idle.remote.generation(), generation + 1);
  }
  assert.deepEqual(events, ["connect", reason, "connect", reason, "connect"]);
  await until(() => server.run(({ kept }) => kept.server.connections === 2));
}

crossTest("a server is closed and comes again: clients go on by themselves", async (t) => {
  await restart(t, "closed", (server) => server.end());
});

crossTest("a server is killed and comes again: clients go on by themselves", async (t) => {
  await restart(t, "died", (server) => (server.kill("SIGKILL"), server.ended));
});

crossTest("a server is killed while a client blocks on it", async (t) => {
  const server = t.start();
  await server.run(async ({ ipc }, name: string) => {
    const { default: process } = await import("node:process");
    await ipc.serve(name, { die: () => process.kill(process.pid, "SIGKILL") });
  }, t.name);
  await using client = await connect<{ die(): void } & Api>(t.name);
  assert.throws(() => client.sync.die(), PeerGoneError);
  await server.ended;
  // A blocking call waits for the next server, too.
  const coming = t.peer.run(async ({ ipc, use, sleep }, name: string) => {
    await sleep(50);
    use(await ipc.serve(name, { generation: () => 2 }));
  }, t.name);
  await sleep(10); // the order to come is on its way before this thread blocks
  assert.equal(client.with({ timeout: 20_000 }).sync.generation(), 2);
  await coming;
});

crossTest("a client that doesn't want to reconnect is closed with its server", async (t) => {
  await serveIn(t.peer, t.name, 1);
  const client = await connect<Api>(t.name, { reconnect: false });
  assert.equal(await client.remote.generation(), 1);
  const flying = assert.rejects(client.remote.hang(), PeerGoneError);
  await t.peer.reset();
  await flying;
  await until(() => client.isClosed);
  await assert.rejects(client.remote.generation(), PeerGoneError);
});

crossTest("functions of a server that is gone say so", async (t) => {
  const server = t.start();
  await server.run(async ({ ipc }, name: string) => {
    await ipc.serve(name, { greeter: () => () => "hello" });
  }, t.name);
  await using client = await connect<{ greeter(): () => string }>(t.name);
  const greet = await client.remote.greeter();
  assert.equal(await greet(), "hello");
  server.kill("SIGKILL");
  await server.ended;
  await until(() => !client.isConnected);
  await assert.rejects(async () => await greet(), PeerGoneError);
});

peersEnd();
