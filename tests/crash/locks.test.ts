// Holders of locks are killed, 1,000 in all: the next one gets the lock, and is told.
//
// Several processes wait for the lock at any time. Whichever has it says so and is killed, so each
// holder but the first takes over from a dead one.
//
// CAUSEWAY_LOCK_KILLS sets how many.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Mutex, RwLock } from "../../mod.ts";
import { commandOf, type Runtime } from "../../tools/runtimes.ts";
import { root } from "../../tools/toolchain.mjs";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";
import { until, within } from "../support/watchdog.ts";

const kills = Number(process.env["CAUSEWAY_LOCK_KILLS"] ?? 1000);
/** Processes that wait or start up at a time. */
const AHEAD = 4;
const PATIENCE = 60_000;

/** Most are in the runtime that starts fastest: so many can't be started otherwise. */
const starting: Runtime[] = ["deno", "node", ...Array.from({ length: 14 }, () => "bun" as const)];

type Kind = "mutex" | "writer" | "reader";

class Holder {
  readonly kind: Kind;
  readonly child: ChildProcess;
  /** What it says when it has the lock. */
  readonly said: Promise<string>;
  readonly ended: Promise<unknown>;

  constructor(kind: Kind, count: number, directory: string) {
    this.kind = kind;
    const how = count % 3 === 0 ? "blocking" : "awaited";
    const program = path.join(root, "tests/crash/lock_holder.ts");
    const [file, ...args] = commandOf(starting[count % starting.length]!, program);
    this.child = spawn(file, [...args, kind, how, "lock"], {
      env: { ...process.env, CAUSEWAY_DIR: directory },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.said = new Promise((resolve, reject) => {
      this.child.stdout!.setEncoding("utf8").once("data", (text: string) => resolve(text.trim()));
      this.child.once("exit", () => reject(new Error(`a ${kind} ended without the lock`)));
    });
    this.said.catch(() => {});
  }
}

/** Lets holders take a lock in turn and kills each that has it. */
async function killHolders(
  count: number,
  directory: string,
  kindOf: (index: number) => Kind,
  onHeld: (holder: Holder, said: string) => void,
): Promise<void> {
  const waiting = new Set<Holder>();
  let started = 0;
  try {
    for (let killed = 0; killed < count; killed++) {
      while (waiting.size < AHEAD && started < count) {
        waiting.add(new Holder(kindOf(started), started++, directory));
      }
      const first = Promise.race(
        [...waiting].map(async (holder) => ({ holder, said: await holder.said })),
      );
      const { holder, said } = await within(
        first,
        `somebody to have the lock (${killed})`,
        PATIENCE,
      );
      onHeld(holder, said);
      waiting.delete(holder);
      holder.child.kill("SIGKILL");
      await within(holder.ended, "it to die", PATIENCE);
    }
  } finally {
    for (const { child } of waiting) child.kill("SIGKILL");
    await Promise.all([...waiting].map(({ ended }) => ended));
  }
}

async function withDirectory(task: (directory: string) => Promise<void>): Promise<void> {
  const directory = newDirectory();
  await task(directory);
  await until(() => filesIn(directory).length === 0, () => filesIn(directory).join(", "));
  removeDirectory(directory);
}

const mutexKills = Math.ceil(kills * 0.7);

test(`${mutexKills} holders of a mutex are killed`, () =>
  withDirectory(async (directory) => {
    using mutex = await Mutex.open("lock", { directory });
    let told = 0;
    const start = performance.now();
    await killHolders(mutexKills, directory, () => "mutex", (_, said) => {
      assert.equal(said, told++ === 0 ? "clean" : "recovered");
    });
    const guard = mutex.lockSync({ timeout: PATIENCE });
    assert.equal(guard.recovered, true, "and so is the last one");
    guard.unlock();
    assert.equal(mutex.lockSync().recovered, false);
    assert.equal(told, mutexKills);
    console.log(`${told} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }));

const otherKills = kills - mutexKills;

test(`${otherKills} readers and writers are killed`, () =>
  withDirectory(async (directory) => {
    using lock = await RwLock.open("lock", { directory });
    let died = false;
    let writers = 0;
    await killHolders(otherKills, directory, (i) =>
      i % 3 === 0 ? "reader" : "writer", (holder, said) => {
      if (holder.kind !== "writer") {
        return;
      }
      assert.equal(said, died ? "recovered" : "clean");
      died = true;
      writers++;
    });
    const guard = lock.writeSync({ timeout: PATIENCE });
    assert.equal(guard.recovered, writers > 0);
    guard.unlock();
    lock.readSync().unlock();
    assert.equal(lock.writeSync().recovered, false);
  }));

test("the lock is free for many who wait at once when its holder dies", () =>
  withDirectory(async (directory) => {
    using mutex = await Mutex.open("lock", { directory });
    for (let round = 0; round < 5; round++) {
      const holder = new Holder("mutex", 2 + round, directory);
      await within(holder.said, "a holder", PATIENCE);
      const recovered: boolean[] = [];
      const waits = Array.from({ length: 20 }, async () => {
        using guard = await mutex.lock({ timeout: PATIENCE });
        recovered.push(guard.recovered);
      });
      holder.child.kill("SIGKILL");
      await Promise.all(waits);
      assert.deepEqual(recovered, [true, ...Array.from({ length: 19 }, () => false)]);
      await holder.ended;
    }
  }));
