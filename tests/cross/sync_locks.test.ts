// Mutex, read-write lock and event between two processes.

import assert from "node:assert/strict";
import {
  DeadlockError,
  Event,
  Mutex,
  type MutexGuard,
  RwLock,
  SharedArray,
  TimeoutError,
} from "../../mod.ts";
import { nativePath } from "../../src/memory/directory.ts";
import { encodeName } from "../../src/memory/names.ts";
import { Realm } from "../../src/wake/realm.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { filesIn } from "../support/directories.ts";
import { native } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";
import { noStop, type Peer } from "../support/peers.ts";
import { sleep } from "../support/remote_functions.ts";

const ROUNDS = 400;

/** Opens all of them in a peer, under one name, in `kept`. */
async function openAll({ name }: Cross, peer: Peer): Promise<void> {
  await peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.mutex = await ipc.Mutex.open(name);
    kept.rwlock = await ipc.RwLock.open(name);
    kept.event = await ipc.Event.open(name);
    kept.auto = await ipc.Event.open(`${name}-auto`, { autoReset: true });
    use({
      [Symbol.asyncDispose]() {
        for (const it of [kept.mutex, kept.rwlock, kept.event, kept.auto]) it?.close();
        return Promise.resolve();
      },
    });
  }, name);
}

crossTest("a counter that isn't atomic is exact under a mutex, awaited and blocking", async (t) => {
  await openAll(t, t.peer);
  using mutex = await Mutex.open(t.name);
  using counter = await SharedArray.open(t.name, { type: "f64", length: 2 });
  const counting = t.peer.run(
    async ({ ipc, kept }, name: string, rounds: number) => {
      using counter = await ipc.SharedArray.open(name, { type: "f64" });
      for (let i = 0; i < rounds; i++) {
        using _guard = i % 2 === 0 ? kept.mutex.lockSync() : await kept.mutex.lock();
        counter.array[0]!++;
      }
    },
    t.name,
    ROUNDS,
  );
  for (let i = 0; i < ROUNDS; i++) {
    using guard = i % 3 === 0 ? mutex.lockSync() : await mutex.lock();
    assert.equal(guard.recovered, false);
    counter.array[0]!++;
  }
  await counting;
  assert.equal(counter.array[0], 2 * ROUNDS);
});

crossTest("who waits for the mutex, awaited or blocking, is woken", async (t) => {
  await openAll(t, t.peer);
  using mutex = await Mutex.open(t.name);
  for (let i = 0; i < 6; i++) {
    let guard: MutexGuard | undefined = mutex.lockSync();
    const waiting = t.peer.run(async ({ kept }, blocking: boolean) => {
      const guard = blocking ? kept.mutex.lockSync() : await kept.mutex.lock();
      setTimeout(() => guard.unlock(), 2);
    }, i % 2 === 0);
    await sleep(3 * i); // still on its way, polling, or asleep
    guard.unlock();
    guard = undefined;
    await waiting;
    if (i % 3 === 0) mutex.lockSync().unlock();
    else (await mutex.lock()).unlock();
  }
});

crossTest("waits for a mutex end in time, and by their signal", async (t) => {
  await openAll(t, t.peer);
  using mutex = await Mutex.open(t.name);
  using guard = await mutex.lock();
  await t.peer.run(async ({ kept, assert, ipc }) => {
    const late = { code: "TIMEOUT" };
    assert.equal(kept.mutex.tryLock(), undefined);
    await assert.rejects(kept.mutex.lock({ timeout: 20 }), late);
    assert.throws(() => kept.mutex.lockSync({ timeout: 20 }), late);
    const stop = new AbortController();
    const waiting = kept.mutex.lock({ signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 5);
    await assert.rejects(waiting, { message: "enough" });
    assert.ok(ipc.TimeoutError);
  });
  assert.throws(() => mutex.lockSync(), DeadlockError);
  guard.unlock();
  await t.peer.run(({ kept }) => kept.mutex.lockSync({ timeout: 10_000 }).unlock());
});

crossTest("the next holder is told that the one before died", async (t) => {
  using mutex = await Mutex.open(t.name);
  for (const how of ["awaited", "blocking", "later"]) {
    const holder = t.start();
    await openAll(t, holder);
    await holder.run(({ kept }) => void (kept.guard = kept.mutex.lockSync()));
    const waiting = how === "awaited" ? mutex.lock() : undefined;
    holder.kill("SIGKILL");
    if (how === "later") await holder.ended;
    using guard = await waiting ?? mutex.lockSync({ timeout: 20_000 });
    assert.equal(guard.recovered, true, how);
    guard.unlock();
    using next = mutex.lockSync();
    assert.equal(next.recovered, false, "it is told once");
  }
});

crossTest("a holder that is stopped keeps the mutex", async (t) => {
  using mutex = await Mutex.open(t.name);
  const holder = t.start();
  await openAll(t, holder);
  await holder.run(({ kept }) => void (kept.guard = kept.mutex.lockSync()));
  holder.kill("SIGSTOP");
  await assert.rejects(mutex.lock({ timeout: 700 }), TimeoutError);
  holder.kill("SIGCONT");
  await holder.run(({ kept }) => void kept.guard.unlock());
  assert.equal((await mutex.lock()).recovered, false);
}, { skip: () => noStop });

crossTest("readers share, writers are alone and told", async (t) => {
  using lock = await RwLock.open(t.name);
  using pair = await SharedArray.open(t.name, { type: "f64", length: 2 });
  await openAll(t, t.peer);
  const working = t.peer.run(
    async ({ ipc, kept }, name: string, rounds: number) => {
      using pair = await ipc.SharedArray.open(name, { type: "f64" });
      for (let i = 0; i < rounds; i++) {
        if (i % 4 === 0) {
          using _guard = i % 8 === 0 ? kept.rwlock.writeSync() : await kept.rwlock.write();
          pair.array[0]!++;
          pair.array[1]!++;
        } else {
          using _guard = i % 8 === 1 ? kept.rwlock.readSync() : await kept.rwlock.read();
          if (pair.array[0] !== pair.array[1]) throw new Error("half written");
        }
      }
    },
    t.name,
    ROUNDS,
  );
  for (let i = 0; i < ROUNDS; i++) {
    if (i % 4 === 0) {
      using guard = i % 8 === 0 ? lock.writeSync() : await lock.write();
      assert.equal(guard.recovered, false);
      pair.array[0]!++;
      pair.array[1]!++;
    } else {
      using _guard = i % 8 === 1 ? lock.readSync() : await lock.read();
      assert.equal(pair.array[0], pair.array[1]);
    }
  }
  await working;
  assert.deepEqual([...pair.array], [ROUNDS / 2, ROUNDS / 2]);

  // Both read at once; a writer waits for both, and the readers behind it wait for the writer.
  using reading = await lock.read();
  await t.peer.run(async ({ kept }) => {
    kept.reading = await kept.rwlock.read();
    if (kept.rwlock.tryWrite() !== undefined) throw new Error("alone?");
    kept.writing = kept.rwlock.write();
  });
  await until(() => {
    const guard = lock.tryRead();
    guard?.unlock();
    return guard === undefined;
  });
  assert.throws(() => lock.readSync({ timeout: 10 }), TimeoutError);
  await assert.rejects(lock.read({ timeout: 10 }), TimeoutError);
  reading.unlock();
  await t.peer.run(async ({ kept }) => {
    kept.reading.unlock();
    (await kept.writing).unlock();
  });
  (await lock.write()).unlock();
});

crossTest("dead readers and writers are taken out of a read-write lock", async (t) => {
  using lock = await RwLock.open(t.name);
  const dying = t.start();
  await openAll(t, dying);
  await dying.run(({ kept }) => {
    kept.one = kept.rwlock.readSync();
    kept.two = kept.rwlock.tryRead();
  });
  const writing = lock.write();
  dying.kill("SIGKILL");
  const first = await writing;
  assert.equal(first.recovered, false, "readers change nothing");
  first.unlock();
  const writer = t.start();
  await openAll(t, writer);
  await writer.run(({ kept }) => void (kept.guard = kept.rwlock.writeSync()));
  assert.equal(lock.tryRead(), undefined);
  writer.kill("SIGKILL");
  (await lock.read({ timeout: 20_000 })).unlock();
  assert.equal(lock.writeSync({ timeout: 20_000 }).recovered, true);
});

crossTest("events release who waits, awaited or blocking", async (t) => {
  await openAll(t, t.peer);
  using event = await Event.open(t.name);
  for (let i = 0; i < 6; i++) {
    const waiting = t.peer.run(async ({ kept }, blocking: boolean) => {
      if (blocking) kept.event.waitSync();
      else await kept.event.wait();
    }, i % 2 === 0);
    await sleep(3 * i);
    event.set();
    await waiting;
    assert.equal(await t.peer.run(({ kept }) => kept.event.isSet), true);
    event.reset();
  }
  const mine = event.wait();
  await t.peer.run(async ({ kept, assert }) => {
    await assert.rejects(kept.event.wait({ timeout: 5 }), { code: "TIMEOUT" });
    assert.throws(() => kept.event.waitSync({ timeout: 5 }), { code: "TIMEOUT" });
    kept.event.set();
    kept.event.reset();
  });
  await mine;
});

crossTest("each set of an auto-reset event releases one, wherever it waits", async (t) => {
  await openAll(t, t.peer);
  using event = await Event.open(`${t.name}-auto`);
  assert.equal(event.autoReset, true);
  let gone = 0;
  const mine = [1, 2, 3].map(() => event.wait().then(() => gone++));
  await t.peer.run(({ kept }) => {
    kept.gone = 0;
    kept.waits = [1, 2, 3].map(() => kept.auto.wait().then(() => kept.gone++));
  });
  await sleep(5);
  for (let sets = 1; sets <= 6; sets++) {
    event.set();
    await until(async () => gone + await t.peer.run(({ kept }) => kept.gone) >= sets);
    await sleep(2);
    assert.equal(gone + await t.peer.run(({ kept }) => kept.gone), sets);
  }
  await Promise.all(mine);
  assert.equal(event.isSet, false);
});

crossTest("a set that was for one that died is for another", async (t) => {
  using event = await Event.open(`${t.name}-auto`, { autoReset: true });
  const dying = t.start();
  await openAll(t, dying);
  await dying.run(({ kept }) => void (kept.wait = kept.auto.wait()));
  const mine = event.wait();
  await sleep(20); // both are asleep
  dying.kill("SIGSTOP");
  event.set(); // rings the other one first
  dying.kill("SIGKILL");
  await mine;
  await until(() => filesIn().filter((file) => file.includes("auto/member-")).length === 1);
}, { skip: () => noStop });

crossTest("workers lock against each other and the main thread", async (t) => {
  using here = await Mutex.open(t.name);
  const counted = await t.peer.run(async ({ ipc, startWorker, sleep }, name: string) => {
    const workers = [await startWorker(), await startWorker()];
    using mutex = await ipc.Mutex.open(name);
    using counter = await ipc.SharedArray.open(name, { type: "f64", length: 1 });
    const working = workers.map((worker) =>
      worker.run(async ({ ipc }, name: string) => {
        using mutex = await ipc.Mutex.open(name);
        using counter = await ipc.SharedArray.open(name, { type: "f64" });
        for (let i = 0; i < 500; i++) {
          using _guard = mutex.lockSync();
          counter.array[0]!++;
        }
      }, name)
    );
    for (let i = 0; i < 500; i++) {
      using _guard = await mutex.lock();
      counter.array[0]!++;
    }
    await Promise.all(working);
    for (const worker of workers) await worker[Symbol.asyncDispose]();
    await sleep(1);
    return counter.array[0];
  }, t.name);
  assert.equal(counted, 1500);
  // A worker that is terminated right after it closed may leave the rest to those that are there.
  await until(() => filesIn().filter((file) => file.includes("/member-")).length === 1);
  assert.equal(here.isClosed, false);
});

crossTest("a worker that is terminated leaves nothing that keeps a lock from others", async (t) => {
  const recovered = await t.peer.run(async ({ ipc, startWorker }, name: string) => {
    const worker = await startWorker();
    await worker.run(async ({ ipc, kept }, name: string) => {
      kept.mutex = await ipc.Mutex.open(name);
      kept.guard = kept.mutex.lockSync();
    }, name);
    worker.terminate();
    const recovered: boolean[] = [];
    for (let i = 0; i < 3; i++) {
      // The last one of each round, so that the file goes, and the next makes a new one.
      using mutex = await ipc.Mutex.open(name);
      using guard = await mutex.lock();
      recovered.push(guard.recovered);
    }
    return recovered;
  }, t.name);
  assert.deepEqual(recovered.slice(1), [false, false]);
});

crossTest(
  "a death that can't be cleaned up yet is looked at now and then, not all the time",
  async (t) => {
    using _mutex = await Mutex.open(t.name);
    const other = t.start();
    await other.run(async ({ ipc, kept }, name: string) => {
      kept.mutex = await ipc.Mutex.open(name);
    }, t.name);
    const closer = (): void => {};
    const realm = await Realm.acquire(undefined, closer);
    // As a process that is stopped would hold it.
    const folder = realm.directory.path("mutex", await encodeName(t.name));
    const lock = native.shim.cw_directory_lock(nativePath(folder), 0);
    let looks = 0;
    const look = (): void => void looks++;
    realm.onDeathHint.add(look);
    other.kill();
    await other.ended;
    await until(() => looks > 0, "the death");
    looks = 0;
    await sleep(500);
    realm.onDeathHint.delete(look);
    native.shim.cw_directory_unlock(lock);
    realm.release(closer);
    assert.ok(looks < 30, `${looks} looks in half a second`);
    await until(() => filesIn().filter((file) => file.includes(`/member-`)).length === 1);
  },
);

crossTest("an idle lock doesn't keep a process alive, a wait does", async (t) => {
  using mutex = await Mutex.open(t.name);
  const idle = t.start();
  await openAll(t, idle);
  idle.leave();
  assert.deepEqual(await idle.ended, { code: 0, signal: null });
  const guard = await mutex.lock();
  const waiting = t.start();
  await openAll(t, waiting);
  await waiting.run(({ kept }) => {
    kept.mutex.lock().then((guard: { unlock(): void }) => guard.unlock());
  });
  let ended = false;
  void waiting.ended.then(() => ended = true);
  waiting.leave();
  await sleep(100);
  assert.equal(ended, false);
  guard.unlock();
  assert.deepEqual(await waiting.ended, { code: 0, signal: null });
});

peersEnd();
