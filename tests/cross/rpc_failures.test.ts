// RPC: what a peer causes, and nobody waits for, ends no process.
//
// The server's process is one that the test starts: that it still answers is the test, since each
// runtime ends a process for an unhandled rejection or an uncaught error.

import assert from "node:assert/strict";
import { connect, serve } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";

interface Api {
  load(steps: number, onProgress: (share: number) => void): Promise<number>;
  told(): number;
  upper(text: string): string;
}

/** Serves it in the peer; progress is told and not awaited, as the type `void` allows. */
async function serveApi(t: Cross, options: object = {}): Promise<void> {
  await t.peer.run(
    async ({ ipc, use, kept, sleep }, name: string, options: object) => {
      kept.told = 0;
      const api = {
        async load(steps: number, onProgress: (share: number) => void) {
          for (let i = 1; i <= steps; i++) {
            onProgress(i / steps);
            kept.told++;
            await sleep(1);
          }
          return steps;
        },
        told: () => kept.told,
        upper: (text: string) => text.toUpperCase(),
      };
      use(await ipc.serve(name, api, options));
    },
    t.name,
    options,
  );
}

/** It answers, some turns later, too. */
async function checkServer(t: Cross): Promise<void> {
  await using client = await connect<Api>(t.name);
  const before = await client.remote.told();
  await until(async () => await client.remote.told() > before + 20);
  assert.equal(await client.remote.upper("a"), "A");
}

crossTest("a client dies while the server calls back without awaiting", async (t) => {
  await serveApi(t);
  const client = t.start();
  await client.run(async ({ ipc }, name: string) => {
    const client = await ipc.connect<Api>(name);
    let count = 0;
    void client.remote.load(1000, () => void count++);
    while (count < 10) await new Promise((resolve) => setTimeout(resolve, 1));
  }, t.name);
  client.kill("SIGKILL");
  await client.ended;
  await checkServer(t);
});

crossTest("a client closes while the server calls back without awaiting", async (t) => {
  await serveApi(t);
  const client = await connect<Api>(t.name);
  let count = 0;
  void client.remote.load(1000, () => void count++); // and nobody awaits this one either
  await until(() => count > 10);
  await client.close();
  await checkServer(t);
});

crossTest("a client's callback throws while the server doesn't await it", async (t) => {
  await serveApi(t);
  await using client = await connect<Api>(t.name);
  let count = 0;
  const steps = await client.remote.load(20, () => {
    count++;
    throw new Error("a bug in the callback");
  });
  assert.equal(steps, 20);
  assert.equal(count, 20);
  assert.equal(await client.remote.upper("a"), "A");
});

crossTest("one-way calls with bad arguments end no server", async (t) => {
  await serveApi(t);
  await t.peer.run(({ kept }) => {
    kept.reports = [];
    kept.error = console.error;
    console.error = (...args: unknown[]) => void kept.reports.push(args.map(String).join(" "));
  });
  await using client = await connect<Api>(t.name);
  client.oneway.upper(5 as unknown as string);
  client.oneway.load(1, undefined as unknown as () => void);
  assert.equal(await client.remote.upper("a"), "A");
  await until(async () => await t.peer.run(({ kept }) => kept.reports.length === 2));
  const reports = await t.peer.run(({ kept }): string[] => {
    console.error = kept.error;
    return kept.reports.toSorted();
  });
  assert.match(reports[0]!, /server ".+", the method "load" called one way: .* TypeError/);
  assert.match(reports[1]!, /server ".+", the method "upper" called one way: .* TypeError/);
});

crossTest("with onError the server is told instead", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.seen = [];
    const onError = (error: unknown): void => void kept.seen.push(String(error));
    use(
      await ipc.serve(name, { fail: () => Promise.reject(new RangeError("later")) }, { onError }),
    );
  }, t.name);
  await using client = await connect<{ fail(): void }>(t.name);
  client.oneway.fail();
  await until(async () => await t.peer.run(({ kept }) => kept.seen.length > 0));
  assert.deepEqual(await t.peer.run(({ kept }): string[] => kept.seen), ["RangeError: later"]);
});

crossTest("a function is called one way, which says nothing of a peer that is gone", async (t) => {
  await using _server = await serve(t.name, {
    async load(steps: number, onProgress: { oneway(share: number): boolean }) {
      const { oneway } = onProgress;
      for (let i = 1; i <= steps; i++) assert.equal(oneway(i / steps), true);
      await until(() => gone);
      assert.equal(oneway(1), false);
      again++;
    },
  });
  let gone = false;
  let again = 0;
  const client = t.start();
  const shares = await client.run(async ({ ipc, kept }, name: string): Promise<number[]> => {
    kept.client = await ipc.connect<Api>(name, { onError() {} });
    const shares: number[] = [];
    // It throws, which is told to the client's `onError` alone.
    const onProgress = (share: number): never => {
      shares.push(share);
      throw new Error("nobody waits for it");
    };
    void kept.client.remote.load(4, onProgress);
    while (shares.length < 4) await new Promise((resolve) => setTimeout(resolve, 1));
    return shares;
  }, t.name);
  assert.deepEqual(shares, [0.25, 0.5, 0.75, 1]);
  client.kill("SIGKILL");
  await client.ended;
  await until(() => _server.connections === 0);
  gone = true;
  await until(() => again === 1);
});

peersEnd();
