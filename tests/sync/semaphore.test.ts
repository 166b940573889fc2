import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { test } from "node:test";
import {
  ArgumentError,
  ClosedError,
  CorruptSegmentError,
  OwnerError,
  Semaphore,
  TimeoutError,
} from "../../mod.ts";
import { besideTimer } from "../support/beside_timer.ts";
import { run } from "../support/process.ts";
import { notRoot, Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

let count = 0;

async function withSemaphore(
  initial: number,
  task: (semaphore: Semaphore, other: Semaphore) => Promise<void>,
): Promise<void> {
  using scratch = new Scratch();
  const name = `causeway-test-${process.pid}-${++count}`;
  const directory = scratch.path;
  try {
    using semaphore = await Semaphore.open(name, { initial, directory });
    using other = await Semaphore.open(name, { initial: 99, directory });
    await within(task(semaphore, other), "the test", 50_000);
  } finally {
    assert.equal(await Semaphore.remove(name), true);
    assert.equal(await Semaphore.remove(name), false);
  }
}

/** How many there are; they are taken. */
function drain(semaphore: Semaphore): number {
  let count = 0;
  while (semaphore.tryAcquire()) count++;
  return count;
}

test("it counts", () =>
  withSemaphore(2, async (one, two) => {
    assert.equal(one.tryAcquire(), true);
    two.acquireSync();
    assert.equal(one.tryAcquire(), false);
    assert.throws(() => one.acquireSync({ timeout: 5 }), TimeoutError);
    assert.throws(() => one.acquireSync({ timeout: 0 }), TimeoutError);
    await assert.rejects(one.acquire({ timeout: 5 }), TimeoutError);
    await assert.rejects(one.acquire({ timeout: 0 }), TimeoutError);
    one.release(3);
    await two.acquire();
    await two.acquire({ timeout: 100 });
    assert.equal(drain(one), 1);
  }));

test("a release wakes one that awaits", () =>
  withSemaphore(0, async (one, two) => {
    let got = 0;
    const waits = Array.from({ length: 5 }, () => two.acquire().then(() => got++));
    for (let i = 1; i <= 5; i++) {
      one.release();
      await until(() => got >= i, "one has it");
      assert.equal(got, i);
    }
    await Promise.all(waits);
    assert.equal(drain(one), 0);
    const many = Array.from({ length: 50 }, () => two.acquire());
    one.release(50);
    await Promise.all(many);
  }));

test("what nobody wants any more is posted back", () =>
  withSemaphore(0, async (one, two) => {
    for (let i = 0; i < 20; i++) {
      const stop = new AbortController();
      const waiting = two.acquire({ signal: stop.signal }).then(() => 1, () => 0);
      await new Promise((resolve) => setTimeout(resolve, i % 3));
      one.release();
      stop.abort();
      const got = await waiting;
      await until(() => got === 1 || one.tryAcquire(), "it is back");
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(drain(one), 0);
  }));

test("closing gives back, and ends waits", () =>
  withSemaphore(0, async (one, two) => {
    const waits = [two.acquire(), two.acquire()].map((wait) => wait.then(() => 1, (e) => e));
    await new Promise((resolve) => setTimeout(resolve, 10));
    one.release(2);
    two.close();
    const got = await Promise.all(waits);
    const used = got.filter((result) => result === 1).length;
    for (const result of got) assert.ok(result === 1 || result instanceof ClosedError);
    let left = 0;
    await until(() => (left += drain(one)) === 2 - used, "the rest is back");
    await assert.rejects(two.acquire(), ClosedError);
    for (const call of [() => two.tryAcquire(), () => two.acquireSync(), () => two.release()]) {
      assert.throws(call, ClosedError);
    }
  }));

test("what is out of range is refused", async () => {
  const names = ["", "a/b", "a\\b", "a\0", "x".repeat(251)];
  for (const name of names) await assert.rejects(Semaphore.open(name), ArgumentError);
  for (const initial of [-1, 1.5, 2 ** 31]) {
    await assert.rejects(Semaphore.open("causeway-no", { initial }), ArgumentError);
  }
  await withSemaphore(0, async (one) => {
    for (const count of [0, -1, 1.5, 2 ** 31]) {
      assert.throws(() => one.release(count), ArgumentError);
    }
    await assert.rejects(one.acquire({ timeout: -1 }), ArgumentError);
  });
});

const noFiles = process.platform !== "linux" && "elsewhere semaphores aren't files in /dev/shm";

/** A file that has the name of a semaphore; refused with that error, and removed. */
async function refused(make: (file: string) => void, error: new () => Error): Promise<void> {
  const name = `causeway-test-${process.pid}-${++count}`;
  using scratch = new Scratch();
  // musl and glibc name the file in their own ways.
  (await Semaphore.open(name, { directory: scratch.path })).close();
  const file = [`/dev/shm/sem.${name}`, `/dev/shm/${name}`].find((each) => fs.existsSync(each))!;
  await Semaphore.remove(name);
  make(file);
  try {
    const opening = Semaphore.open(name, { initial: 1, directory: scratch.path });
    await assert.rejects(opening, (thrown: Error) => {
      assert.ok(thrown instanceof error, String(thrown));
      assert.ok(thrown.message.includes(name));
      return true;
    });
  } finally {
    fs.rmSync(file, { recursive: true });
  }
}

test("what has a semaphore's name and is none", { skip: noFiles }, async () => {
  const Corrupt = CorruptSegmentError as unknown as new () => Error;
  // Touched, one without bytes would end this process.
  await refused((file) => fs.writeFileSync(file, "", { mode: 0o600 }), Corrupt);
  await refused((file) => fs.symlinkSync("/dev/null", file), Corrupt);
  await refused((file) => fs.mkdirSync(file), Corrupt);
  const Owner = OwnerError as unknown as new () => Error;
  await refused((file) => {
    fs.writeFileSync(file, new Uint8Array(32));
    fs.chmodSync(file, 0o666);
  }, Owner);
});

test("another user's semaphore is refused", { skip: noFiles || notRoot }, async () => {
  const Owner = OwnerError as unknown as new () => Error;
  for (const bytes of [0, 32]) {
    for (const mode of [0o600, 0o666]) {
      await refused((file) => {
        fs.writeFileSync(file, new Uint8Array(bytes).fill(100, 0, 1));
        fs.chmodSync(file, mode);
        fs.chownSync(file, 65534, 65534);
      }, Owner);
    }
  }
});

const python = spawnSync("python3", ["-c", "import ctypes"]).status === 0;

const PROGRAM = `
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.sem_open.restype = ctypes.c_void_p
semaphore = libc.sem_open(sys.argv[1].encode(), 0)
assert semaphore, ctypes.get_errno()
semaphore = ctypes.c_void_p(semaphore)
for _ in range(int(sys.argv[2])):
    assert libc.sem_post(semaphore) == 0
for _ in range(int(sys.argv[3])):
    assert libc.sem_wait(semaphore) == 0
print("done")
`;

test(
  "a Python program posts it and waits for it",
  { skip: python ? false : "there is no python3 with ctypes" },
  () =>
    withSemaphore(0, async (one) => {
      const name = `/${one.name}`;
      const waits = [one.acquire(), one.acquire(), one.acquire()];
      const posting = await run(["python3", "-c", PROGRAM, name, "4", "0"]);
      assert.equal(posting.stdout, "done\n", posting.stderr);
      await Promise.all(waits);
      one.acquireSync({ timeout: 10_000 });
      assert.equal(one.tryAcquire(), false);
      const waiting = run(["python3", "-c", PROGRAM, name, "0", "2"]);
      one.release(2);
      assert.equal((await waiting).stdout, "done\n");
      assert.equal(one.tryAcquire(), false);
    }),
);

test("acquiring in a loop lets timers fire", () =>
  withSemaphore(1, (semaphore) =>
    besideTimer(async () => {
      await semaphore.acquire();
      semaphore.release();
    })));

test("an acquire that nobody awaits ends no process on close", () =>
  withSemaphore(0, async (semaphore) => {
    void semaphore.acquire();
    void semaphore.acquire({ timeout: 60_000 });
    semaphore.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }));
