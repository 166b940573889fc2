import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ArgumentError,
  ClosedError,
  CorruptSegmentError,
  Event,
  ParameterMismatchError,
  TimeoutError,
} from "../../mod.ts";
import { EventLayout, Kind } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { besideTimer } from "../support/beside_timer.ts";
import { native, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function withEvents(
  autoReset: boolean,
  task: (events: [Event, Event, Event], scratch: Scratch) => Promise<void>,
): Promise<void> {
  using scratch = new Scratch();
  const open = () => Event.open("e", { autoReset, directory: scratch.path });
  const events: [Event, Event, Event] = [await open(), await open(), await open()];
  try {
    await within(task(events, scratch), "the test");
  } finally {
    for (const event of events) event.close();
  }
  assert.deepEqual(scratch.files(), []);
}

test("a manual event lets all go on until it is reset", () =>
  withEvents(false, async ([one, two, three]) => {
    assert.deepEqual([one.isSet, one.autoReset, one.name], [false, false, "e"]);
    const waiting = [one.wait(), two.wait(), two.wait(), three.wait()];
    await sleep(2);
    one.set();
    await Promise.all(waiting);
    assert.equal(two.isSet, true);
    two.waitSync({ timeout: 0 });
    await two.wait();
    one.set();
    three.reset();
    assert.equal(one.isSet, false);
    assert.throws(() => two.waitSync({ timeout: 0 }), TimeoutError);
    await assert.rejects(two.wait({ timeout: 1 }), TimeoutError);
  }));

test("who waits when it is set goes on, also if it is reset at once", () =>
  withEvents(false, async ([one, two, three]) => {
    for (let i = 0; i < 10; i++) {
      const waiting = [two.wait(), three.wait()];
      await sleep(i % 3);
      one.set();
      one.reset();
      await Promise.all(waiting);
    }
  }));

test("an auto-reset event lets exactly one go on per set", () =>
  withEvents(true, async ([one, two, three]) => {
    let gone = 0;
    const waiting = [two, two, three, three, three].map((event) => event.wait().then(() => gone++));
    for (let sets = 1; sets <= 5; sets++) {
      await sleep(sets % 3);
      one.set();
      await within(
        (async () => {
          while (gone < sets) await sleep(1);
        })(),
        "one to go on",
        20_000,
      );
      await sleep(2);
      assert.equal(gone, sets);
    }
    await Promise.all(waiting);
    assert.equal(one.isSet, false);
  }));

test("sets in a row let as many go on as wait, and keep one", () =>
  withEvents(true, async ([one, two, three]) => {
    const waiting = [two.wait(), two.wait(), three.wait()];
    await sleep(2);
    for (let i = 0; i < 3; i++) one.set();
    await Promise.all(waiting);
    assert.equal(one.isSet, false);
    for (let i = 0; i < 3; i++) one.set();
    two.waitSync({ timeout: 0 });
    assert.throws(() => three.waitSync({ timeout: 0 }), TimeoutError);
    one.set();
    assert.equal(three.isSet, true);
    two.reset();
    await assert.rejects(three.wait({ timeout: 1 }), TimeoutError);
  }));

test("one that gives up passes its wake on, and leaves nothing", () =>
  withEvents(true, async ([one, two, three]) => {
    for (let i = 0; i < 30; i++) {
      const stop = new AbortController();
      const gaveUp = two.wait({ signal: stop.signal }).then(() => true, () => false);
      const waiting = three.wait();
      await sleep(i % 3);
      one.set();
      stop.abort();
      if (await gaveUp) one.set();
      await waiting;
      assert.equal(one.isSet, false);
    }
    const all = [1, 2, 3].map(() => two.wait({ timeout: 5 }).catch(() => {}));
    one.close();
    await Promise.all(all);
    three.set();
    three.set();
    two.waitSync();
    assert.equal(two.isSet, false);
  }));

test("a wait ends with its signal or the event", () =>
  withEvents(false, async ([one, two]) => {
    const stop = new AbortController();
    const aborted = one.wait({ signal: stop.signal });
    stop.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    const waiting = two.wait();
    two.close();
    await assert.rejects(waiting, ClosedError);
    await assert.rejects(two.wait(), ClosedError);
    assert.throws(() => two.waitSync(), ClosedError);
    assert.throws(() => two.set(), ClosedError);
    assert.throws(() => two.reset(), ClosedError);
    assert.throws(() => two.isSet, ClosedError);
  }));

test("another mode is refused, and names both", () =>
  withEvents(true, async (_, scratch) => {
    const directory = scratch.path;
    await assert.rejects(Event.open("e", { autoReset: false, directory }), (error) => {
      assert.ok(error instanceof ParameterMismatchError);
      assert.match(error.message, /`autoReset` true, but false/);
      return true;
    });
    using same = await Event.open("e", { directory });
    assert.equal(same.autoReset, true);
    await assert.rejects(Event.open("e", { autoReset: 1 as never, directory }), ArgumentError);
  }));

test("a state or mode that can't be ends the event here", () =>
  withEvents(true, async ([one], scratch) => {
    const directory = scratch.path;
    const segment = Segment.open(native, scratch.at("event/e/shared"), Kind.event)!;
    const waiting = one.wait();
    segment.setU32(EventLayout.state, 0xffff_ffff);
    await assert.rejects(waiting, CorruptSegmentError);
    assert.throws(() => one.set(), CorruptSegmentError);
    segment.setU32(EventLayout.state, 0);
    segment.setU32(EventLayout.mode, 3);
    await assert.rejects(Event.open("e", { directory }), CorruptSegmentError);
    segment.close();
  }));

for (const autoReset of [true, false]) {
  test(`waiting in a loop lets timers fire, autoReset: ${autoReset}`, () =>
    withEvents(autoReset, async ([one]) => {
      await besideTimer(() => {
        one.set();
        return one.wait();
      });
    }));

  test(`a wait that nobody awaits ends no process on close, autoReset: ${autoReset}`, () =>
    withEvents(autoReset, async ([one]) => {
      void one.wait();
      void one.wait({ timeout: 60_000 });
      one.close();
      await sleep(5);
    }));
}

test("sets for waits that were given up or blocked are counted right", () =>
  withEvents(true, async ([one, two]) => {
    await assert.rejects(one.wait({ timeout: 3 }), TimeoutError);
    assert.throws(() => one.waitSync({ timeout: 3 }), TimeoutError);
    two.set();
    two.set();
    one.waitSync();
    assert.equal(one.isSet, false, "a set that nothing waits for is kept once");
    const waiting = [one.wait(), one.wait(), two.wait()];
    for (let i = 0; i < 3; i++) two.set();
    await Promise.all(waiting);
    assert.equal(two.isSet, false);
  }));
