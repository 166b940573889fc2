// RPC: large bytes, which travel behind their message, through rings that grow.

import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import { whileBlocked } from "../support/blocked.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import type { Peer } from "../support/peers.ts";
import { until } from "../support/watchdog.ts";

/** What the peer serves. */
interface Api {
  echo(bytes: Uint8Array): Uint8Array;
  keep(bytes: Uint8Array): void;
  kept(): Uint8Array[];
}

/** Around the size from which bytes are attached, and more than a grown ring holds. */
const SIZES = [16_383, 16_384, 100_000, 1_000_000, 5_000_003];

function bytesOf(size: number, salt: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i * 31 + (i >> 8) + salt);
}

function serveIn(peer: Peer, name: string): Promise<void> {
  return peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.all = [];
    use(
      await ipc.serve(name, {
        echo: (bytes: Uint8Array) => bytes,
        keep: (bytes: Uint8Array) => void kept.all.push(bytes),
        kept: () => kept.all,
      }),
    );
  }, name);
}

async function withClient(
  t: Cross,
  task: (client: Awaited<ReturnType<typeof connect<Api>>>) => Promise<void>,
): Promise<void> {
  await serveIn(t.peer, t.name);
  await using client = await connect<Api>(t.name);
  await task(client);
}

crossTest(
  "bytes of all sizes: awaited, several at a time, blocking, one way",
  (t) =>
    withClient(t, async (client) => {
      for (const [salt, size] of SIZES.entries()) {
        const bytes = bytesOf(size, salt);
        assert.deepEqual(await client.remote.echo(bytes), bytes, `${size} bytes, awaited`);
        assert.deepEqual(client.sync.echo(bytes), bytes, `${size} bytes, blocking`);
        client.oneway.keep(bytes);
      }
      const calls = SIZES.map((size, salt) => client.remote.echo(bytesOf(size, salt)));
      for (const [salt, call] of calls.entries()) {
        assert.deepEqual(await call, bytesOf(SIZES[salt]!, salt));
      }
      const kept = await client.remote.kept();
      assert.deepEqual(kept, SIZES.map(bytesOf));
    }),
  { limit: 60 },
);

crossTest(
  "a caller that is killed in the middle of a large call leaves nothing",
  (t) =>
    withClient(t, async (client) => {
      const caller = t.start();
      await caller.run(async ({ ipc, kept }, name: string) => {
        kept.client = await ipc.connect(name);
        // The ring has grown then.
        const { length } = await kept.client.remote.echo(new Uint8Array(1_000_000));
        if (length !== 1_000_000) throw new Error(`${length} bytes`);
      }, t.name);
      await whileBlocked(t.peer, async () => {
        await caller.run(({ kept }) => {
          kept.client.remote.keep(new Uint8Array(20_000_000)).catch(() => {});
        });
        caller.kill("SIGKILL");
        await caller.ended;
      });
      const bytes = bytesOf(300_000, 1);
      assert.deepEqual(await client.remote.echo(bytes), bytes);
      assert.deepEqual(await client.remote.kept(), []);
    }),
  { limit: 60 },
);

crossTest("a server that is killed in the middle of a large answer: the call fails", async (t) => {
  const server = t.start();
  await serveIn(server, t.name);
  await using client = await connect<Api>(t.name, { reconnect: false });
  await client.remote.echo(bytesOf(1_000_000, 1));
  let failed: unknown;
  await server.run(({ kept }) => void kept.all.push(new Uint8Array(50_000_000)));
  const call = client.remote.kept().catch((error: unknown) => void (failed = error));
  // Its answer is begun, and more than the ring holds, by the time this one sees anything of it.
  server.kill("SIGKILL");
  await server.ended;
  await until(() => failed !== undefined, "the call fails");
  await call;
  assert.match(String(failed), /PeerGoneError/);
});

peersEnd();
