// A counter that isn't atomic, under a mutex and a read-write lock, by a process of each runtime.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedArray } from "../../mod.ts";
import { Peer, runtimes } from "../support/peers.ts";
import { within } from "../support/watchdog.ts";

const ROUNDS = 100_000;

for (const kind of ["Mutex", "RwLock"] as const) {
  test(`${kind}: ${3 * ROUNDS} additions of three processes are exact`, async () => {
    const name = `soak-${kind}`;
    using counter = await SharedArray.open(name, { type: "f64", length: 1 });
    const peers = runtimes.map((runtime) => new Peer(runtime));
    const counting = peers.map((peer) =>
      peer.run(
        async ({ ipc }, kind: "Mutex" | "RwLock", name: string, rounds: number) => {
          using counter = await ipc.SharedArray.open(name, { type: "f64" });
          using mutex = await ipc.Mutex.open(name);
          using rwlock = await ipc.RwLock.open(name);
          for (let i = 0; i < rounds; i++) {
            // Now and then awaited, so that the event loop goes on.
            const isAwaited = i % 100 === 0;
            using _guard = kind === "Mutex"
              ? isAwaited ? await mutex.lock() : mutex.lockSync()
              : isAwaited
              ? await rwlock.write()
              : rwlock.writeSync();
            counter.array[0]!++;
          }
        },
        kind,
        name,
        ROUNDS,
      )
    );
    const start = performance.now();
    await within(Promise.all(counting), "the counting", 600_000);
    const seconds = (performance.now() - start) / 1000;
    console.log(`${Math.round(3 * ROUNDS / seconds)} a second`);
    assert.equal(counter.array[0], 3 * ROUNDS);
    for (const peer of peers) assert.equal((await peer.end()).code, 0);
  });
}
