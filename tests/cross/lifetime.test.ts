// What keeps a process alive, and what a process that ends leaves to the others.

import assert from "node:assert/strict";
import { Channel, connect, serve } from "../../mod.ts";
import { crossTest, peersEnd } from "../support/cross.ts";
import { until, within } from "../support/watchdog.ts";
import type { Exit, Peer } from "../support/peers.ts";
import { openSilent } from "../support/partners.ts";
import { numbered, numberIn } from "../support/payloads.ts";
import { sleep } from "../support/remote_functions.ts";
import type { Worker } from "../support/workers.ts";

const orderly: Exit = { code: 0, signal: null };

async function endsByItself(peer: Peer): Promise<void> {
  peer.leave();
  assert.deepEqual(await within(peer.ended, "the peer's end"), orderly);
}

async function isAliveAfter(peer: Peer, milliseconds: number): Promise<boolean> {
  return await Promise.race([
    sleep(milliseconds).then(() => true),
    peer.ended.then(() => false),
  ]);
}

crossTest("a process whose channel has no handler ends by itself", async (t) => {
  let gone = "";
  await using channel = await Channel.open(t.name, {
    onRequest: (payload) => payload,
    onDisconnect: (reason) => gone = reason,
  });
  const peer = t.start();
  await peer.run(async ({ ipc }, name: string) => {
    await ipc.Channel.open(`${name}-alone`);
    const channel = await ipc.Channel.open(name);
    await channel.request(); // was used, and is idle now
  }, t.name);
  assert.equal(channel.isConnected, true);
  await endsByItself(peer);
  await until(() => gone !== "");
});

crossTest("a process with a server lives until it is closed", async (t) => {
  const peer = t.start();
  await peer.run(async ({ ipc }, name: string) => {
    const server = await ipc.serve(name, { close: () => void setTimeout(() => server.close()) });
    const channel = await ipc.Channel.open(name, {
      onRequest: (payload) => payload,
      onMessage: () => void channel.close(),
    });
  }, t.name);
  peer.leave();
  await using client = await connect<{ close(): void }>(t.name, { reconnect: false });
  await using channel = await Channel.open(t.name);
  assert.equal(await isAliveAfter(peer, 200), true);
  assert.equal(numberIn(await channel.request(numbered(1))), 1);
  await client.remote.close();
  assert.equal(await isAliveAfter(peer, 100), true, "the channel has handlers");
  channel.send();
  assert.deepEqual(await within(peer.ended, "the peer's end"), orderly);
});

crossTest("ref and unref decide who keeps a process alive", async (t) => {
  await using server = await serve(t.name, { add: (a: number, b: number) => a + b });
  const [held, free] = [t.start(), t.start()];
  await held.run(async ({ ipc }, name: string) => {
    (await ipc.connect(name)).ref();
  }, t.name);
  await free.run(async ({ ipc }, name: string) => {
    await ipc.connect(name);
    (await ipc.serve(`${name}-free`, {})).unref();
    (await ipc.Channel.open(`${name}-free`, { onMessage() {} })).unref();
  }, t.name);
  held.leave();
  await endsByItself(free);
  assert.equal(await isAliveAfter(held, 50), true);
  held.kill("SIGKILL");
  await until(() => server.connections === 0); // cleans up after it
});

crossTest("a call that waits keeps its process alive", async (t) => {
  const peer = t.start();
  let answered = 0;
  await using _channel = await Channel.open(t.name, {
    onRequest: async () => {
      await sleep(200);
      answered++;
    },
  });
  await peer.run(async ({ ipc }, name: string) => {
    const channel = await ipc.Channel.open(name);
    channel.request().then(() => channel.request());
  }, t.name);
  await endsByItself(peer);
  assert.equal(answered, 2);
});

for (const how of ["exit", "throw"]) {
  crossTest(`a process that ends by ${how} without closing is gone`, async (t) => {
    const gone: string[] = [];
    const onDisconnect = (reason: string): void => void gone.push(reason);
    const peer = t.start();
    await openSilent(peer, t.name);
    await peer.run(({ ipc }, name: string) => ipc.serve(name, {}).then(() => {}), t.name);
    await using channel = await Channel.open(t.name, { onDisconnect });
    await using _client = await connect(t.name, { onDisconnect });
    await channel.whenConnected();
    const pending = assert.rejects(channel.request(), { code: "PEER_GONE" });
    await peer.run(async (_, how: string) => {
      const { default: process } = await import("node:process");
      setTimeout(() => {
        if (how === "exit") process.exit(3);
        throw new Error("this is part of a test");
      }, 10);
    }, how);
    const { code } = await within(peer.ended, "the peer's end");
    assert.equal(code, how === "exit" ? 3 : 1);
    await within(pending, "the pending call");
    await until(() => gone.length === 2);
  });
}

// --------------------------------------------------------------------------- workers

crossTest("a worker is a partner like a process", async (t) => {
  await t.peer.run(async ({ startWorker, use, kept }, name: string) => {
    const worker = kept.worker = use(await startWorker());
    await worker.run(async ({ ipc, use, kept }, name: string) => {
      kept.channel = use(await ipc.Channel.open(name, { onRequest: (payload) => payload }));
      use(await ipc.serve(name, { add: (a: number, b: number) => a + b }));
    }, name);
  }, t.name);
  await using channel = await Channel.open(t.name, { onRequest: (payload) => payload });
  await using client = await connect<{ add(a: number, b: number): number }>(t.name);
  for (let i = 0; i < 100; i++) assert.equal(numberIn(await channel.request(numbered(i))), i);
  for (let i = 0; i < 100; i++) assert.equal(numberIn(channel.requestSync(numbered(i))), i);
  assert.equal(await client.remote.add(1, 2), 3);
  assert.equal(client.sync.add(3, 4), 7);
  await t.peer.run(({ kept }) =>
    (kept.worker as Worker).run(async ({ kept, assert, payloads }) => {
      for (let i = 0; i < 100; i++) {
        assert.equal(payloads.numberIn(await kept.channel.request(payloads.numbered(i))), i);
        assert.equal(payloads.numberIn(kept.channel.requestSync(payloads.numbered(i))), i);
      }
    })
  );
});

crossTest("a worker and the main thread of its process are partners", async (t) => {
  await t.peer.run(
    async ({ ipc, startWorker, use, assert, payloads: { numbered, numberIn } }, name: string) => {
      const channel = use(await ipc.Channel.open(name, { onRequest: (payload) => payload }));
      const worker = use(await startWorker());
      await worker.run(async ({ ipc, use, payloads, assert }, name: string) => {
        const channel = use(await ipc.Channel.open(name, { onRequest: (payload) => payload }));
        for (let i = 0; i < 100; i++) {
          assert.equal(payloads.numberIn(channel.requestSync(payloads.numbered(i))), i);
        }
      }, name);
      for (let i = 0; i < 100; i++) {
        assert.equal(numberIn(channel.requestSync(numbered(i))), i);
        assert.equal(numberIn(await channel.request(numbered(i))), i);
      }
    },
    t.name,
  );
});

for (const end of ["exit", "terminate"] as const) {
  crossTest(`a worker that ends by ${end} is gone`, async (t) => {
    const gone: string[] = [];
    await using channel = await Channel.open(t.name, {
      onDisconnect: (reason) => void gone.push(reason),
    });
    await t.peer.run(async ({ startWorker, kept }, name: string) => {
      const worker = kept.worker = await startWorker();
      await worker.run(async ({ ipc, kept }, name: string) => {
        kept.asked = false;
        await ipc.Channel.open(name, {
          onRequest: () => {
            kept.asked = true;
            return new Promise<undefined>(() => {});
          },
        });
      }, name);
    }, t.name);
    await channel.whenConnected();
    const pending = assert.rejects(channel.request(), { code: "PEER_GONE" });
    // Not while its bell rings: Deno frees a worker's callbacks before its thread ends, and then
    // a ring ends the process. docs/platforms.md says so, and to close before terminating.
    await until(() =>
      t.peer.run(({ kept }) => (kept.worker as Worker).run(({ kept }) => kept.asked as boolean))
    );
    await sleep(50);
    await t.peer.run(({ kept }, end: "exit" | "terminate") => kept.worker[end](), end);
    await within(pending, "the pending call");
    await until(() => gone.length === 1);
  });
}

peersEnd();
