import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ClosedError,
  CorruptSegmentError,
  DeadlockError,
  RwLock,
  TimeoutError,
} from "../../mod.ts";
import { Kind, Member, MembershipLayout, RwLockLayout } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { besideTimer } from "../support/beside_timer.ts";
import { native, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function withLocks(
  count: number,
  task: (locks: RwLock[], scratch: Scratch) => Promise<void>,
): Promise<void> {
  using scratch = new Scratch();
  const locks: RwLock[] = [];
  for (let i = 0; i < count; i++) locks.push(await RwLock.open("l", { directory: scratch.path }));
  try {
    await within(task(locks, scratch), "the test");
  } finally {
    for (const lock of locks) lock.close();
  }
  assert.deepEqual(scratch.files(), []);
}

test("many may read, one may write", () =>
  withLocks(2, async ([one, two]) => {
    const readers = [one!.tryRead()!, one!.tryRead()!, two!.readSync(), await two!.read()];
    assert.equal(one!.tryWrite(), undefined);
    assert.equal(two!.tryWrite(), undefined);
    for (const reader of readers) reader.unlock();
    readers[0]!.unlock();
    const writer = two!.writeSync();
    assert.equal(writer.recovered, false);
    assert.equal(one!.tryRead(), undefined);
    assert.equal(two!.tryRead(), undefined);
    assert.equal(one!.tryWrite(), undefined);
    writer.unlock();
    writer.unlock();
    {
      await using _writing = await one!.write();
    }
    {
      using _reading = await two!.read();
      using _more = one!.readSync({ timeout: 0 });
    }
    one!.tryWrite()!.unlock();
  }));

test("a reader waits for a writer that waits", () =>
  withLocks(3, async ([one, two, three]) => {
    const reading = one!.tryRead()!;
    const order: string[] = [];
    const writing = two!.write().then(async (guard) => {
      order.push("write");
      await sleep(1);
      guard.unlock();
    });
    await sleep(5);
    assert.equal(three!.tryRead(), undefined, "a writer waits");
    const later = three!.read().then((guard) => {
      order.push("read");
      guard.unlock();
    });
    await sleep(5);
    assert.deepEqual(order, []);
    reading.unlock();
    await Promise.all([writing, later]);
    assert.deepEqual(order, ["write", "read"]);
  }));

test("a writer that waits holds off the readers of its own object too", () =>
  withLocks(2, async ([one, two]) => {
    for (const holder of [one!, two!]) {
      const reading = holder.tryRead()!;
      const order: string[] = [];
      const writing = one!.write().then(async (guard) => {
        order.push("write");
        await sleep(1);
        guard.unlock();
      });
      await sleep(5);
      for (const lock of [one!, two!]) {
        assert.equal(lock.tryRead(), undefined, "a writer waits");
        // Neither this thread's reader nor its writer could go on.
        assert.throws(() => lock.readSync(), DeadlockError);
        await assert.rejects(lock.read({ timeout: 2 }), TimeoutError);
        assert.equal(two!.tryRead(), undefined, "it waits still");
      }
      const later = one!.read().then((guard) => {
        order.push("read");
        guard.unlock();
      });
      await sleep(5);
      assert.deepEqual(order, []);
      reading.unlock();
      await Promise.all([writing, later]);
      assert.deepEqual(order, ["write", "read"]);
      one!.readSync().unlock();
    }
  }));

test("what a writer claimed goes to the next in its object, or to nobody", () =>
  withLocks(2, async ([one, two]) => {
    const reading = two!.tryRead()!;
    const stop = new AbortController();
    const first = one!.write({ signal: stop.signal });
    const second = one!.write();
    const third = one!.read();
    stop.abort(new Error("enough"));
    await assert.rejects(first, /enough/);
    assert.equal(two!.tryRead(), undefined, "the second waits");
    // A write that is refused changes nothing for those who wait.
    assert.throws(() => one!.writeSync(), DeadlockError);
    assert.equal(one!.tryWrite(), undefined);
    assert.equal(two!.tryRead(), undefined, "it waits still");
    reading.unlock();
    (await second).unlock();
    (await third).unlock();
    const again = two!.tryRead()!;
    const last = one!.write({ timeout: 5 });
    const behind = one!.read();
    await assert.rejects(last, TimeoutError);
    (await behind).unlock();
    assert.throws(() => one!.writeSync(), DeadlockError);
    again.unlock();
    two!.writeSync().unlock();
  }));

test("a writer that gives up lets the readers in", () =>
  withLocks(3, async ([one, two, three]) => {
    using _reading = one!.tryRead()!;
    const stop = new AbortController();
    const writing = two!.write({ signal: stop.signal });
    await sleep(3);
    const waiting = three!.read();
    await sleep(3);
    stop.abort(new Error("enough"));
    await assert.rejects(writing, /enough/);
    (await waiting).unlock();
    await assert.rejects(two!.write({ timeout: 5 }), TimeoutError);
    await assert.rejects(two!.write({ timeout: 0 }), TimeoutError);
    three!.tryRead()!.unlock();
    assert.equal(three!.tryWrite(), undefined);
    three!.tryRead()!.unlock();
  }));

test("readers and writers in any mixture exclude each other", () =>
  withLocks(3, async (locks) => {
    let readers = 0;
    let writers = 0;
    let done = 0;
    await Promise.all(Array.from({ length: 12 }, async (_, i) => {
      const lock = locks[i % 3]!;
      for (let round = 0; round < 30; round++) {
        if ((i + round) % 4 === 0) {
          using _writing = await lock.write();
          assert.deepEqual([++writers, readers], [1, 0]);
          await sleep(0);
          writers--;
        } else {
          using _reading = await lock.read();
          readers++;
          assert.equal(writers, 0);
          if (round % 7 === 0) await sleep(0);
          readers--;
        }
        done++;
      }
    }));
    assert.equal(done, 360);
  }));

test("blocking on what this thread holds is refused", () =>
  withLocks(2, async ([one, two]) => {
    {
      using _reading = await one!.read();
      for (const lock of [one!, two!]) {
        assert.throws(() => lock.writeSync(), DeadlockError);
        lock.readSync().unlock();
      }
    }
    using _writing = await one!.write();
    for (const lock of [one!, two!]) {
      assert.throws(() => lock.writeSync(), DeadlockError);
      assert.throws(() => lock.readSync(), DeadlockError);
    }
  }));

test("closing what is held lets others in, and tells the next writer", () =>
  withLocks(3, async ([one, two, three]) => {
    one!.readSync();
    const waiting = two!.write();
    await sleep(2);
    one!.close();
    const writing = await waiting;
    assert.equal(writing.recovered, false);
    const next = three!.write();
    two!.close();
    const guard = await next;
    assert.equal(guard.recovered, true);
    writing.unlock();
    guard.unlock();
    assert.equal(three!.writeSync().recovered, false);
    await assert.rejects(two!.read(), ClosedError);
    assert.throws(() => two!.tryWrite(), ClosedError);
  }));

test("one that is abandoned stays so while a writer only waits", () =>
  withLocks(3, async ([one, two, three]) => {
    one!.writeSync();
    one!.close();
    const reading = two!.readSync();
    await assert.rejects(three!.write({ timeout: 3 }), TimeoutError);
    assert.equal(three!.tryWrite(), undefined);
    reading.unlock();
    assert.equal(two!.writeSync().recovered, true);
  }));

for (const writer of [257, 0x3fff_ffff, 0x4000_0000, 0x8000_0101]) {
  test(`a writer ${writer} ends the lock here, for all its callers`, () =>
    withLocks(1, async ([lock], scratch) => {
      const reading = lock!.readSync();
      const waiting = lock!.write();
      const segment = Segment.open(native, scratch.at("rwlock/l/shared"), Kind.rwlock)!;
      segment.setU32(RwLockLayout.writer, writer);
      assert.throws(() => lock!.tryRead(), CorruptSegmentError);
      await assert.rejects(waiting, CorruptSegmentError);
      reading.unlock(); // doesn't throw
      assert.throws(() => lock!.tryWrite(), CorruptSegmentError);
      await assert.rejects(lock!.read(), CorruptSegmentError);
      segment.setU32(RwLockLayout.writer, 0);
      segment.close();
      using next = await RwLock.open("l", { directory: scratch.path });
      next.writeSync().unlock();
    }));
}

test("what others write into the count of readers doesn't change what is held", () =>
  withLocks(2, async ([one, two], scratch) => {
    await null;
    const segment = Segment.open(native, scratch.at("rwlock/l/shared"), Kind.rwlock)!;
    const word = MembershipLayout.slots + Member.words;
    const first = one!.readSync();
    segment.setU32(word, 0xffff_ff00);
    const second = one!.readSync();
    assert.equal(segment.u32(word), 2);
    first.unlock();
    second.unlock();
    segment.close();
    two!.writeSync().unlock();
  }));

test("a wait that nobody awaits ends no process when the lock closes", () =>
  withLocks(1, async ([lock]) => {
    lock!.writeSync();
    void lock!.read();
    void lock!.write();
    lock!.close();
    await sleep(5);
  }));

test("reading and writing in a loop let timers fire", () =>
  withLocks(1, async ([lock]) => {
    await besideTimer(async () => (await lock!.read()).unlock());
    await besideTimer(async () => (await lock!.write()).unlock());
  }));
