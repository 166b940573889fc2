import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import {
  ArgumentError,
  ClosedError,
  CorruptSegmentError,
  DeadlockError,
  Event,
  Mutex,
  RwLock,
  Semaphore,
  TimeoutError,
} from "../../mod.ts";
import { Kind, MembershipLayout, MutexLayout } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { besideTimer } from "../support/beside_timer.ts";
import { native, Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function withMutexes(
  count: number,
  task: (mutexes: Mutex[], scratch: Scratch) => Promise<void>,
): Promise<void> {
  using scratch = new Scratch();
  const mutexes: Mutex[] = [];
  for (let i = 0; i < count; i++) mutexes.push(await Mutex.open("m", { directory: scratch.path }));
  try {
    await within(task(mutexes, scratch), "the test");
  } finally {
    for (const mutex of mutexes) mutex.close();
  }
  assert.deepEqual(scratch.files(), []);
}

test("only one has it, and lets go once", () =>
  withMutexes(2, async ([one, two]) => {
    const guard = one!.tryLock()!;
    assert.equal(guard.recovered, false);
    assert.equal(two!.tryLock(), undefined);
    assert.equal(one!.tryLock(), undefined);
    guard.unlock();
    const second = two!.lockSync();
    guard.unlock(); // isn't its any more
    assert.equal(one!.tryLock(), undefined);
    second[Symbol.dispose]();
    {
      await using _guard = await one!.lock();
      assert.equal(two!.tryLock(), undefined);
    }
    {
      using _guard = one!.lockSync({ timeout: 0 });
    }
    two!.tryLock()!.unlock();
  }));

test("those who wait get it in their order", () =>
  withMutexes(1, async ([mutex]) => {
    const order: number[] = [];
    const first = await mutex!.lock();
    const all = [1, 2, 3].map(async (n) => {
      using _guard = await mutex!.lock();
      order.push(n);
      await new Promise((resolve) => setTimeout(resolve, 1));
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(order, []);
    first.unlock();
    await Promise.all(all);
    assert.deepEqual(order, [1, 2, 3]);
  }));

test("objects of one realm wait for each other", () =>
  withMutexes(4, async (mutexes) => {
    let inside = 0;
    let count = 0;
    await Promise.all(mutexes.map(async (mutex) => {
      for (let i = 0; i < 50; i++) {
        using _guard = await mutex.lock();
        assert.equal(++inside, 1);
        if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        inside--;
        count++;
      }
    }));
    assert.equal(count, 200);
  }));

test("a wait ends with its time, its signal, or the mutex", () =>
  withMutexes(2, async ([one, two]) => {
    const guard = one!.tryLock()!;
    await assert.rejects(two!.lock({ timeout: 10 }), (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /locking mutex "m" took longer than 10 ms/);
      return true;
    });
    await assert.rejects(two!.lock({ timeout: 0 }), TimeoutError);
    const stop = new AbortController();
    const aborted = two!.lock({ signal: stop.signal });
    stop.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    await assert.rejects(two!.lock({ signal: AbortSignal.abort(new Error("before")) }), /before/);
    await assert.rejects(two!.lock({ timeout: -1 }), ArgumentError);
    await assert.rejects(two!.lock({ signal: 5 as never }), ArgumentError);
    const waiting = two!.lock();
    two!.close();
    await assert.rejects(waiting, ClosedError);
    await assert.rejects(two!.lock(), ClosedError);
    assert.throws(() => two!.lockSync(), ClosedError);
    assert.throws(() => two!.tryLock(), ClosedError);
    guard.unlock();
  }));

test("options of no known name are refused", async () => {
  using scratch = new Scratch();
  const options = { directory: scratch.path, timeOut: 5 };
  for (const { open } of [Mutex, RwLock, Event, Semaphore]) {
    const opening = Reflect.apply(open, undefined, ["m", options]) as Promise<unknown>;
    await assert.rejects(opening, /no option `timeOut`; there are timeout, directory/);
  }
  const event = await Event.open("e", { directory: scratch.path, autoReset: true });
  await assert.rejects(event.wait({ timeOut: 5 } as never), ArgumentError);
  event.close();
  assert.deepEqual(scratch.files(), []);
});

test("the default time of waits is an option", async () => {
  using scratch = new Scratch();
  using mutex = await Mutex.open("m", { timeout: 5, directory: scratch.path });
  using _guard = await mutex.lock();
  await assert.rejects(mutex.lock(), TimeoutError);
});

test("blocking on what this thread holds is refused", () =>
  withMutexes(2, async ([one, two]) => {
    using _guard = await one!.lock();
    for (const mutex of [one!, two!]) {
      assert.throws(() => mutex.lockSync(), (error) => {
        assert.ok(error instanceof DeadlockError);
        assert.match(error.message, /on "m" would.*locked already, by this thread/);
        return true;
      });
    }
  }));

test("closing what is held tells the next one", () =>
  withMutexes(2, async ([one, two]) => {
    const lost = one!.lockSync();
    const waiting = two!.lock();
    one!.close();
    const guard = await waiting;
    assert.equal(guard.recovered, true);
    lost.unlock(); // has nothing to say any more
    guard.unlock();
    assert.equal(two!.lockSync().recovered, false, "it is told once");
  }));

test("one that gives up passes its wake on", () =>
  withMutexes(3, async ([one, two, three]) => {
    for (let i = 0; i < 20; i++) {
      const guard = one!.lockSync();
      const stop = new AbortController();
      const gaveUp = two!.lock({ signal: stop.signal }).then((won) => won.unlock(), () => {});
      const waiting = three!.lock();
      await new Promise((resolve) => setTimeout(resolve, i % 4)); // asleep, or not
      guard.unlock();
      stop.abort();
      (await waiting).unlock();
      await gaveUp;
    }
  }));

for (const owner of [257, 0x7fff_ffff, 0x8000_0001, 0xffff_ffff]) {
  test(`an owner ${owner} ends the mutex here, for all its callers`, () =>
    withMutexes(1, async ([mutex], scratch) => {
      const guard = mutex!.lockSync();
      const waiting = mutex!.lock();
      const segment = Segment.open(native, scratch.at("mutex/m/shared"), Kind.mutex)!;
      segment.setU32(MutexLayout.owner, owner);
      await assert.rejects(mutex!.lock(), CorruptSegmentError);
      await assert.rejects(waiting, CorruptSegmentError);
      guard.unlock(); // doesn't throw
      assert.throws(() => mutex!.tryLock(), CorruptSegmentError);
      assert.equal(mutex!.isClosed, true);
      segment.setU32(MutexLayout.owner, 0);
      segment.close();
      using next = await Mutex.open("m", { directory: scratch.path });
      next.lockSync().unlock();
    }));
}

test("a table that can't be ends the mutex that rings, and nothing else", () =>
  withMutexes(2, async ([one, two], scratch) => {
    const guard = one!.lockSync();
    const waiting = two!.lock();
    const segment = Segment.open(native, scratch.at("mutex/m/shared"), Kind.mutex)!;
    segment.setU32(MutexLayout.contended, 1);
    segment.setU32(MembershipLayout.used, 257);
    guard.unlock(); // doesn't throw
    assert.throws(() => one!.tryLock(), CorruptSegmentError);
    segment.setU32(MembershipLayout.used, 2);
    segment.close();
    two!.close();
    await assert.rejects(waiting, ClosedError);
  }));

test("a lock that nobody awaits ends no process when the mutex closes", () =>
  withMutexes(1, async ([mutex]) => {
    mutex!.lockSync();
    void mutex!.lock();
    void mutex!.lock({ timeout: 60_000 });
    mutex!.close();
    await sleep(5);
  }));

test("locking in a loop lets timers fire", () =>
  withMutexes(1, async ([mutex]) => {
    await besideTimer(async () => (await mutex!.lock()).unlock());
    await besideTimer(async () => {
      using _guard = await mutex!.lock({ timeout: 1000 });
    });
  }));

test("opening is given up by its signal", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const stop = new AbortController();
  const opening = Mutex.open("m", { directory, signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(opening, { message: "enough" });
  await assert.rejects(Mutex.open("m", { directory, signal: stop.signal }), { message: "enough" });
  assert.deepEqual(scratch.files(), []);
});

const noProc = !fs.existsSync("/proc/self/maps") && "there is no /proc to look for mappings in";

test("closing leaves no mapping or file, whatever is under way", { skip: noProc }, async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const mapped = (): number =>
    fs.readFileSync("/proc/self/maps", "utf8").split("\n").filter((it) => it.includes(directory))
      .length;
  for (let round = 0; round < 3; round++) {
    const mutex = await Mutex.open("m", { directory });
    const lock = await RwLock.open("l", { directory });
    const event = await Event.open("e", { directory });
    const stop = new AbortController();
    const opening = Mutex.open("m", { directory, signal: stop.signal });
    const guard = mutex.lockSync();
    const reading = lock.readSync();
    const waits = [mutex.lock(), lock.write(), event.wait()];
    stop.abort(new Error("enough"));
    for (const it of [mutex, lock, event, mutex, lock, event]) it.close();
    guard.unlock();
    reading.unlock();
    for (const wait of waits) await assert.rejects(wait as Promise<unknown>, ClosedError);
    await assert.rejects(opening, { message: "enough" });
    await until(() => mapped() === 0 && scratch.files().length === 0, "the end of all");
  }
});
