import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { LimitError } from "../../src/errors.ts";
import { MAX_SOURCES, NodeLayout } from "../../src/memory/layout.ts";
import { createNode, openNode } from "../../src/memory/nodes.ts";
import type { Segment } from "../../src/memory/segment.ts";
import { Bell, ring } from "../../src/wake/doorbell.ts";
import { Polled } from "../../src/wake/reactor.ts";
import type { Reactor, Source } from "../../src/wake/reactor.ts";
import { Realm } from "../../src/wake/realm.ts";
import { assertEmpty } from "../support/api.ts";
import { run, runtimeCommand } from "../support/process.ts";
import { native, Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

/** A realm of its own, and its node as others see it. */
class TestRealm implements AsyncDisposable {
  readonly realm: Realm;
  readonly node: Segment;
  readonly scratch: Scratch;
  readonly #closer: () => void;

  private constructor(scratch: Scratch, realm: Realm, closer: () => void) {
    this.scratch = scratch;
    this.realm = realm;
    this.#closer = closer;
    this.node = openNode(native, scratch.directory, realm.id)!;
  }

  static async open(): Promise<TestRealm> {
    const scratch = new Scratch();
    const closer = (): void => {};
    return new TestRealm(scratch, await Realm.acquire(scratch.path, closer), closer);
  }

  get reactor(): Reactor {
    return this.realm.reactor;
  }

  get bell(): number {
    return this.node.u32(NodeLayout.bell);
  }

  /** Until the event loop sleeps. */
  parked(): Promise<number> {
    return until(() => this.bell === Bell.parked, "parking");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.realm.release(this.#closer);
    await until(() => this.bell === Bell.closed, "the end of the watcher");
    this.node.close();
    assertEmpty(this.scratch);
    this.scratch[Symbol.dispose]();
  }
}

/** A source that has as much work as it is given. */
class TestSource implements Source {
  work = 0;
  polls = 0;
  arms = 0;
  done = 0;
  onPoll: () => void = () => {};

  poll(): Polled {
    this.polls++;
    this.onPoll();
    if (this.work === 0) return Polled.nothing;
    this.work--;
    this.done++;
    return Polled.done;
  }

  fail(error: unknown): void {
    throw error;
  }

  arm(): boolean {
    this.arms++;
    return this.work === 0;
  }
}

function attach(reactor: Reactor): { source: TestSource; index: number } {
  const source = new TestSource();
  const index = reactor.reserve();
  reactor.attach(index, source);
  return { source, index };
}

test("a new source is polled, armed, and left alone", async () => {
  await using test = await TestRealm.open();
  const { source } = attach(test.reactor);
  source.work = 1000;
  await until(() => source.done === 1000, "its work");
  await test.parked();
  assert.ok(source.arms > 0);
  const { polls } = source;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(source.polls, polls, "nothing is polled in sleep");
});

test("who sleeps is woken for the source that was rung, and for no other", async () => {
  await using test = await TestRealm.open();
  const one = attach(test.reactor);
  const two = attach(test.reactor);
  for (let round = 0; round < 20; round++) {
    await test.parked();
    const { polls } = two.source;
    one.source.work = 1;
    ring(native.shim, test.node, one.index);
    await until(() => one.source.work === 0, "its work");
    assert.equal(two.source.polls, polls);
  }
  assert.equal(one.source.done, 20);
});

test("bits of nobody's sources do no harm", async () => {
  await using test = await TestRealm.open();
  const { source, index } = attach(test.reactor);
  await test.parked();
  for (const stray of [index + 1, 500, MAX_SOURCES - 1]) ring(native.shim, test.node, stray);
  await test.parked();
  source.work = 1;
  ring(native.shim, test.node, index);
  await until(() => source.done === 1, "its work");
});

test("garbage in all of the node's words wakes, and no more", async () => {
  await using test = await TestRealm.open();
  const { source, index } = attach(test.reactor);
  for (let round = 0; round < 5; round++) {
    await test.parked();
    const { words } = test.node;
    words.fill(-1, NodeLayout.top >> 2, NodeLayout.description >> 2);
    words.fill(-1, NodeLayout.ready >> 2);
    source.work = 1;
    ring(native.shim, test.node, index);
    await until(() => source.work === 0, "its work");
  }
});

test("work that arises while a source is armed isn't left", async () => {
  await using test = await TestRealm.open();
  const { source } = attach(test.reactor);
  let late = 3;
  source.arm = () => {
    if (late-- > 0) source.work = 1;
    return source.work === 0;
  };
  await until(() => source.done === 3, "its work");
  await test.parked();
});

test("many hot sources: those that are cooled are told again", async () => {
  await using test = await TestRealm.open();
  const all = Array.from({ length: 200 }, () => attach(test.reactor));
  await test.parked();
  for (const { source, index } of all) {
    source.work = 3;
    ring(native.shim, test.node, index);
  }
  await until(() => all.every(({ source }) => source.done === 3), "all work");
});

test("sources that are removed while they are polled", async () => {
  await using test = await TestRealm.open();
  const all = Array.from({ length: 10 }, () => attach(test.reactor));
  for (const [i, { source, index }] of all.entries()) {
    source.onPoll = () => {
      if (i % 2 === 0) test.reactor.remove(index);
    };
  }
  await until(() => all.every(({ source }) => source.polls > 0), "polls");
  await test.parked();
  for (const [i, { source, index }] of all.entries()) {
    const { polls } = source;
    source.work = 1;
    ring(native.shim, test.node, index);
    if (i % 2 === 1) await until(() => source.done === 1, "its work");
    else assert.equal(source.polls, polls);
    test.reactor.remove(index);
    test.reactor.remove(index);
  }
});

test("indices are used again, and there is an end of them", async () => {
  await using test = await TestRealm.open();
  const { reactor } = test;
  const first = reactor.reserve();
  reactor.remove(first);
  assert.equal(reactor.reserve(), first);
  for (let i = 1; i < MAX_SOURCES; i++) assert.equal(reactor.reserve(), i);
  assert.throws(() => reactor.reserve(), LimitError);
  reactor.remove(77);
  assert.equal(reactor.reserve(), 77);
  assert.throws(() => reactor.reserve(), LimitError);
});

test("blocking ends when its time is over", async () => {
  await using test = await TestRealm.open();
  const { index } = attach(test.reactor);
  for (const timeout of [0, 1, 30]) {
    const start = performance.now();
    assert.equal(test.reactor.block(index, () => false, timeout), false);
    assert.ok(performance.now() - start >= timeout * 0.9);
  }
  await test.parked();
});

// Each of them wraps, and is negative for JavaScript in half of its values.
for (const count of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
  test(`blocking and deaths after ${count} wakes and hints`, async () => {
    await using test = await TestRealm.open();
    const { source, index } = attach(test.reactor);
    await test.parked();
    test.node.setU32(NodeLayout.block, count);
    test.node.setU32(NodeLayout.deaths, count);
    for (let round = 0; round < 3; round++) {
      assert.equal(test.reactor.block(index, () => false, 5), false);
      const worker = new Worker(new URL("./ring_worker.ts", import.meta.url), {
        workerData: { root: test.scratch.path, id: test.realm.id, index, delay: 20 },
      });
      const exited = new Promise((resolve) => worker.once("exit", resolve));
      await new Promise((resolve) => worker.once("message", resolve));
      Atomics.store(test.node.words, 1023, 1);
      const before = Atomics.load(test.node.words, 1022);
      const isDone = () => Atomics.load(test.node.words, 1022) !== before;
      assert.equal(test.reactor.block(index, isDone, 30_000), true);
      await exited;
    }
    assert.ok((test.node.u32(NodeLayout.block) - count) >>> 0 < 100);
    source.work = 1;
    ring(native.shim, test.node, index);
    await until(() => source.done === 1, "work after it");
    await test.parked();
  });
}

test("blocking ends when another thread rings, asleep or awake", async () => {
  await using test = await TestRealm.open();
  const { source, index } = attach(test.reactor);
  for (const delay of [0, 1, 50]) {
    const worker = new Worker(new URL("./ring_worker.ts", import.meta.url), {
      workerData: { root: test.scratch.path, id: test.realm.id, index, delay },
    });
    const exited = new Promise((resolve) => worker.once("exit", resolve));
    await new Promise((resolve) => worker.once("message", resolve));
    // The worker waits for this word, so it rings while this thread is blocked.
    Atomics.store(test.node.words, 1023, 1);
    const before = Atomics.load(test.node.words, 1022);
    const isDone = () => Atomics.load(test.node.words, 1022) !== before;
    assert.equal(test.reactor.block(index, isDone, 30_000), true);
    await exited;
  }
  source.work = 1;
  ring(native.shim, test.node, index);
  await until(() => source.done === 1, "work after it");
});

test("work for others that comes while a thread blocks is done after it", async () => {
  await using test = await TestRealm.open();
  const one = attach(test.reactor);
  const two = attach(test.reactor);
  await test.parked();
  two.source.work = 1;
  ring(native.shim, test.node, two.index);
  test.reactor.block(one.index, () => false, 20);
  await until(() => two.source.done === 1, "the other's work");
});

test("a node that loses its lease is dead, and who uses it is told", async () => {
  await using test = await TestRealm.open();
  const other = createNode(native, test.scratch.directory);
  const peer = test.realm.acquirePeer(other.id)!;
  assert.equal(test.realm.acquirePeer(other.id), peer);
  assert.equal(test.realm.isDead(other.id), false);
  let told = 0;
  peer.onDeath.add(() => told++);
  await test.parked();
  other.segment.close();
  await until(() => told === 1, "the news of its death");
  assert.equal(test.realm.acquirePeer(other.id), undefined);
  assert.equal(test.realm.isDead(other.id), true);
  test.realm.releasePeer(peer);
  test.realm.releasePeer(peer);
  assert.equal(peer.segment.mapped, false);
});

test("a node that isn't there, or is our own", async () => {
  await using test = await TestRealm.open();
  assert.equal(test.realm.acquirePeer("0123456789abcdef"), undefined);
  assert.equal(test.realm.isDead("0123456789abcdef"), true);
  assert.equal(test.realm.isDead(test.realm.id), false);
  const peer = test.realm.acquirePeer(test.realm.id)!;
  assert.equal(peer.id, test.realm.id);
  test.realm.releasePeer(peer);
});

test("one realm for all who use a directory, until the last one leaves", async () => {
  using scratch = new Scratch();
  const closers = [() => {}, () => {}];
  const one = await Realm.acquire(scratch.path, closers[0]!);
  const two = await Realm.acquire(scratch.path, closers[1]!);
  assert.equal(one, two);
  one.release(closers[0]!);
  assert.deepEqual(scratch.files(), [`nodes/${one.id}`]);
  one.release(closers[1]!);
  one.release(closers[1]!);
  assertEmpty(scratch);
  const three = await Realm.acquire(scratch.path, closers[0]!);
  assert.notEqual(three.id, one.id);
  three.release(closers[0]!);
});

for (
  const [mode, expected] of [
    ["idle channel", "end"],
    ["idle client", "end"],
    ["channel with a handler", "closed end"],
    ["server", "closed end"],
    ["server unref", "end"],
    ["channel ref", "closed end"],
    ["channel ref unref", "end"],
    ["call", "answered end"],
    ["call without a partner", "TimeoutError end"],
    ["closed server", "end"],
  ] as const
) {
  test(`what keeps a process alive: ${mode}`, async () => {
    using scratch = new Scratch();
    const program = new URL("./alive_program.ts", import.meta.url);
    const { code, stdout, stderr } = await run([...runtimeCommand(program), mode], {
      CAUSEWAY_DIR: scratch.at("run"),
    });
    assert.equal(stdout.trim().replaceAll("\n", " "), expected, stderr);
    assert.equal(code, 0);
    assert.deepEqual(scratch.files(), [], "nothing is left behind");
  });
}
