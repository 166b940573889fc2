// Files of the runtime directory are removed under running processes: locks that are held stay held.

import assert from "node:assert/strict";
import fs from "node:fs";
import { connect, Event, FilesRemovedError, Mutex, RwLock } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { type Peer } from "../support/peers.ts";
import { removeAll, skip, withScratch } from "../support/removed_files.ts";
import { sleep } from "../support/remote_functions.ts";
import { until } from "../support/watchdog.ts";

/** Opens the mutex in a peer; true if it gets the lock at once. */
function opensAndLocks(peer: Peer, name: string, directory: string): Promise<boolean> {
  return peer.run(
    async ({ ipc, kept, use }, name: string, directory: string) => {
      const mutex = kept.mutex = await ipc.Mutex.open(name, { directory });
      use({ [Symbol.asyncDispose]: () => Promise.resolve(mutex.close()) });
      kept.guard = mutex.tryLock();
      return kept.guard !== undefined;
    },
    name,
    directory,
  );
}

const ways: Record<string, (directory: string) => void> = {
  "all files": removeAll,
  "its folder": (directory) => fs.rmSync(`${directory}/mutex`, { recursive: true }),
};

for (const [what, remove] of Object.entries(ways)) {
  crossTest(
    `a held mutex gets no second holder when ${what} are removed`,
    ({ name, start }) =>
      withScratch(async (directory) => {
        const mutex = await Mutex.open(name, { directory });
        const guard = await mutex.lock();
        remove(directory);
        const second = start();
        assert.equal(await opensAndLocks(second, name, directory), false, "in another process");
        using again = await Mutex.open(name, { directory });
        assert.equal(again.tryLock(), undefined, "in this process");
        await second.run(async ({ kept, assert }) => {
          await assert.rejects(kept.mutex.lock({ timeout: 150 }), { code: "TIMEOUT" });
          assert.throws(() => kept.mutex.lockSync({ timeout: 150 }), { code: "TIMEOUT" });
          kept.waiting = kept.mutex.lock();
        });
        await assert.rejects(mutex.lock(), FilesRemovedError);
        assert.throws(() => mutex.tryLock(), FilesRemovedError);
        guard.unlock();
        assert.equal(mutex.isClosed, true);
        const recovered = await second.run(async ({ kept }) => {
          kept.guard = await kept.waiting;
          return kept.guard.recovered;
        });
        assert.equal(recovered, true, "how the earlier one ended can't be known");
        assert.equal(again.tryLock(), undefined);
        await second.run(({ kept }) => void kept.guard.unlock());
        assert.equal((await again.lock({ timeout: 20_000 })).recovered, false);
        mutex.close();
      }),
    { skip },
  );
}

crossTest(
  "a mutex that isn't held is free again, and its users are told",
  ({ name, start }) =>
    withScratch(async (directory) => {
      using mutex = await Mutex.open(name, { directory });
      using event = await Event.open(name, { directory });
      const waiting = assert.rejects(event.wait(), FilesRemovedError);
      removeAll(directory);
      const second = start();
      await opensAndLocks(second, name, directory);
      await second.run(async ({ kept }) => {
        kept.guard ??= await kept.mutex.lock();
        kept.guard.unlock();
      });
      await waiting;
      await assert.rejects(mutex.lock(), (error) => {
        assert.ok(error instanceof FilesRemovedError);
        assert.match(error.message, /mutex ".*" in \/.* were removed while it was open/);
        return true;
      });
      using again = await Mutex.open(name, { directory });
      (await again.lock({ timeout: 20_000 })).unlock();
    }),
  { skip },
);

for (const signal of ["SIGSTOP", "SIGKILL"] as const) {
  crossTest(
    `a holder gets ${signal}, and its files are removed`,
    ({ name, start }) =>
      withScratch(async (directory) => {
        const holder = start();
        assert.equal(await opensAndLocks(holder, name, directory), true);
        if (signal === "SIGSTOP") holder.kill(signal);
        removeAll(directory);
        using mutex = await Mutex.open(name, { directory });
        assert.equal(mutex.tryLock(), undefined);
        await assert.rejects(mutex.lock({ timeout: 200 }), { code: "TIMEOUT" });
        holder.kill("SIGKILL");
        const guard = await mutex.lock({ timeout: 20_000 });
        assert.equal(guard.recovered, true);
        guard.unlock();
      }),
    { skip },
  );
}

crossTest(
  "a node without a file isn't taken for dead by those that knew it",
  ({ name, start }) =>
    withScratch(async (directory) => {
      const holder = start();
      assert.equal(await opensAndLocks(holder, name, directory), true);
      holder.kill("SIGSTOP");
      using _mutex = await Mutex.open(name, { directory });
      fs.rmSync(`${directory}/nodes`, { recursive: true });
      const passing = start();
      await opensAndLocks(passing, "another", directory);
      passing.kill("SIGKILL");
      await passing.ended;
      for (let tries = 0; tries < 20; tries++) {
        using again = await Mutex.open(name, { directory });
        assert.equal(again.tryLock(), undefined);
        await sleep(10);
      }
      holder.kill("SIGKILL");
    }),
  { skip },
);

crossTest(
  "what is written under a lock isn't read under a new one",
  ({ name, start }) =>
    withScratch(async (directory) => {
      using lock = await RwLock.open(name, { directory });
      const writing = await lock.write();
      removeAll(directory);
      const second = start();
      await second.run(
        async ({ ipc, kept, assert }, name: string, directory: string) => {
          kept.lock = await ipc.RwLock.open(name, { directory });
          assert.equal(kept.lock.tryRead(), undefined);
          assert.equal(kept.lock.tryWrite(), undefined);
          await assert.rejects(kept.lock.read({ timeout: 150 }), { code: "TIMEOUT" });
          kept.reading = kept.lock.read();
        },
        name,
        directory,
      );
      writing.unlock();
      await second.run(async ({ kept }) => {
        (await kept.reading).unlock();
        kept.lock.close();
      });
    }),
  { skip },
);

crossTest(
  "the whole directory is removed under a holder that looks",
  ({ name, start }) =>
    withScratch(async (directory) => {
      using mutex = await Mutex.open(name, { directory });
      const guard = await mutex.lock();
      fs.rmSync(directory, { recursive: true });
      await until(() => fs.existsSync(directory), "the directory made anew");
      const second = start();
      assert.equal(await opensAndLocks(second, name, directory), false);
      guard.unlock();
      await second.run(async ({ kept }) => (await kept.mutex.lock()).unlock());
    }),
  { skip },
);

crossTest(
  "what is opened after the removal finds what is",
  ({ name, start }) =>
    withScratch(async (directory) => {
      using _kept = await Mutex.open(name, { directory });
      removeAll(directory);
      const server = start();
      await serves(server, name, directory);
      await using client = await connect<{ add(a: number, b: number): number }>(name, {
        directory,
      });
      assert.equal(await client.remote.add(1, 2), 3);
    }),
  { skip },
);

function serves(peer: Cross["peer"], name: string, directory: string): Promise<void> {
  return peer.run(
    async ({ ipc, use }, name: string, directory: string) => {
      use(await ipc.serve(name, { add: (a: number, b: number) => a + b }, { directory }));
    },
    name,
    directory,
  );
}

peersEnd();
