// The event loop gets its turns beside calls that never have to wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Realm } from "../../src/wake/realm.ts";
import { WaitQueue } from "../../src/wake/wait_queue.ts";
import { Yielder } from "../../src/wake/yielder.ts";
import { besideTimer } from "../support/beside_timer.ts";
import { Scratch } from "../support/scratch.ts";

const nextTurn = (task: () => void): void => void setImmediate(task);

/** Uses a processor for so many ms. */
function work(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test("a turn is due when there was none for a while, and until there was one", async () => {
  const yielder = new Yielder(nextTurn);
  assert.equal(yielder.isDue(), false);
  work(4);
  assert.equal(yielder.isDue(), true);
  assert.equal(yielder.isDue(), true);
  const turn = yielder.turn();
  assert.equal(yielder.turn(), turn, "one turn for all");
  await turn;
  assert.equal(yielder.isDue(), false);
  work(4);
  yielder.turned();
  assert.equal(yielder.isDue(), false);
});

test("slow work is noticed after a few operations, also after fast work", () => {
  const yielder = new Yielder(nextTurn);
  for (let i = 0; i < 1000; i++) if (yielder.isDue()) yielder.turned();
  yielder.turned();
  let operations = 0;
  for (; !yielder.isDue(); operations++) work(0.5);
  assert.ok(operations < 40, `${operations} operations of 0.5 ms`);
});

test("with a clock that stands still it is due after many operations", () => {
  const yielder = new Yielder(nextTurn);
  const { now } = performance;
  performance.now = () => 5;
  try {
    let operations = 0;
    while (!yielder.isDue()) operations++;
    assert.ok(operations > 1000, `${operations} operations`);
  } finally {
    performance.now = now;
  }
});

test("a timer runs beside a loop of operations that never wait", () => {
  const yielder = new Yielder(nextTurn);
  return besideTimer(() => yielder.pause());
});

test("a timer runs beside a loop of waits that find something at once", async () => {
  using scratch = new Scratch();
  const closer = (): void => {};
  const realm = await Realm.acquire(scratch.path, closer);
  const index = realm.reactor.reserve();
  const line = new WaitQueue(realm.reactor, index, () => {});
  realm.reactor.attach(index, line);
  await besideTimer(() => line.wait(() => 1, "a number", { timeout: Infinity }));
  // A wait that makes way for a turn gets what is there also if its time is over by then.
  for (let i = 0; i < 50; i++) {
    work(4);
    const got = line.wait(() => 1, "a number", { timeout: 1 });
    work(4);
    assert.equal(await got, 1);
  }
  realm.reactor.remove(index);
  realm.release(closer);
});
