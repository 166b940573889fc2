import assert from "node:assert/strict";
import { test } from "node:test";
import { Retry } from "../../src/wake/retry.ts";

/** Timers that fire when they are told to. */
class Timers {
  readonly started: { task: () => void; milliseconds: number }[] = [];

  startTimer(task: () => void, milliseconds: number): void {
    this.started.push({ task, milliseconds });
  }

  fire(): void {
    for (const { task } of this.started.splice(0)) task();
  }
}

test("however many reasons there are, there is one timer", () => {
  const timers = new Timers();
  let tries = 0;
  const retry = new Retry(timers, () => tries++);
  for (let i = 0; i < 100; i++) retry.later();
  assert.equal(timers.started.length, 1);
  timers.fire();
  assert.equal(tries, 1);
  retry.later();
  assert.equal(timers.started.length, 1);
});

test("each time comes after a longer while, until it was possible", () => {
  const timers = new Timers();
  const retry = new Retry(timers, () => {});
  const whiles: number[] = [];
  for (let i = 0; i < 10; i++) {
    assert.equal(retry.isFirst, i === 0);
    retry.later();
    whiles.push(timers.started[0]!.milliseconds);
    timers.fire();
  }
  assert.deepEqual(whiles, [20, 40, 80, 160, 320, 640, 1000, 1000, 1000, 1000]);
  retry.succeeded();
  assert.ok(retry.isFirst);
  retry.later();
  assert.equal(timers.started[0]!.milliseconds, 20);
});
