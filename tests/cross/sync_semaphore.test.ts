// The system's semaphores between two processes.

import assert from "node:assert/strict";
import { Semaphore } from "../../mod.ts";
import { peerSystem, testSystem } from "../../tools/systems/systems.ts";
import { crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { sleep } from "../support/remote_functions.ts";

const [here, there] = [testSystem, peerSystem].map(({ target }) => target.endsWith("-musl"));
const skip = () => here !== there && "the semaphores of musl and of glibc are not the same";

crossTest("a release here ends a wait there, awaited or blocking, and back", async (t) => {
  try {
    using semaphore = await Semaphore.open(t.name, { initial: 1 });
    using back = await Semaphore.open(`${t.name}-back`);
    await t.peer.run(async ({ ipc, kept, use, assert }, name: string) => {
      kept.semaphore = await ipc.Semaphore.open(name, { initial: 50 });
      kept.back = await ipc.Semaphore.open(`${name}-back`);
      use({
        [Symbol.asyncDispose]() {
          kept.semaphore.close();
          kept.back.close();
          return Promise.resolve();
        },
      });
      assert.equal(kept.semaphore.tryAcquire(), true);
      assert.equal(kept.semaphore.tryAcquire(), false);
      const late = { code: "TIMEOUT" };
      await assert.rejects(kept.semaphore.acquire({ timeout: 5 }), late);
      assert.throws(() => kept.semaphore.acquireSync({ timeout: 5 }), late);
    }, t.name);
    for (let i = 0; i < 6; i++) {
      const waiting = t.peer.run(async ({ kept }, blocking: boolean) => {
        if (blocking) kept.semaphore.acquireSync();
        else await kept.semaphore.acquire();
        kept.back.release(2);
      }, i % 2 === 0);
      await sleep(4 * i);
      semaphore.release();
      await back.acquire();
      back.acquireSync();
      await waiting;
    }
    assert.equal(semaphore.tryAcquire(), false);
    // A wait that is given up there takes nothing.
    await t.peer.run(async ({ kept, assert }) => {
      const stop = new AbortController();
      const waiting = kept.semaphore.acquire({ signal: stop.signal });
      setTimeout(() => stop.abort(new Error("enough")), 5);
      await assert.rejects(waiting, { message: "enough" });
    });
    semaphore.release();
    await until(() => semaphore.tryAcquire());
  } finally {
    await Semaphore.remove(t.name);
    await Semaphore.remove(`${t.name}-back`);
  }
}, { skip });

peersEnd();
