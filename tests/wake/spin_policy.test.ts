import assert from "node:assert/strict";
import { test } from "node:test";
import { SpinPolicy } from "../../src/wake/spin_policy.ts";

const MOST = 0.5;
/** Ends soon after polling does. */
const SOON = MOST + 0.05;
const LATE = 20;

/** How long so many waits poll that all end by a wake. */
function woken(policy: SpinPolicy, count: number, waited: number): number[] {
  return Array.from({ length: count }, () => {
    const time = policy.begin();
    policy.woke(waited);
    return time;
  });
}

test("it polls as long as it may while that succeeds", () => {
  const policy = new SpinPolicy(MOST);
  for (let i = 0; i < 100; i++) {
    assert.equal(policy.begin(), MOST);
    policy.found();
  }
});

test("a pause of the peer, or two, changes nothing", () => {
  const policy = new SpinPolicy(MOST);
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(woken(policy, 2, LATE), [MOST, MOST]);
    assert.equal(policy.begin(), MOST);
    policy.found();
  }
});

test("for a slow peer it sleeps at once, until one wait is short again", () => {
  const policy = new SpinPolicy(MOST);
  assert.deepEqual(woken(policy, 5, LATE), [MOST, MOST, MOST, 0, 0]);
  assert.ok(woken(policy, 1000, LATE).every((time) => time === 0));
  assert.deepEqual(woken(policy, 1, 0.1), [0]);
  assert.equal(policy.begin(), MOST);
});

test("a peer that needs this processor is let run; ever more rarely that is tried again", () => {
  const policy = new SpinPolicy(MOST);
  assert.deepEqual(woken(policy, 4, SOON), [MOST, MOST, MOST, 0]);
  const polls = woken(policy, 2000, SOON).flatMap((time, at) => time === MOST ? [at] : []);
  const between = polls.map((at, i) => at - (polls[i - 1] ?? -1));
  assert.deepEqual(between.slice(0, 6), [15, 32, 64, 128, 256, 256]);
  assert.ok(between.slice(6).every((each) => each === 256));
});

test("one success is enough to poll again", () => {
  const policy = new SpinPolicy(MOST);
  woken(policy, 1000, SOON);
  while (policy.begin() === 0) policy.woke(SOON);
  policy.found();
  assert.equal(policy.begin(), MOST);
  policy.woke(SOON);
  assert.equal(policy.begin(), MOST, "one failure may be chance");
  woken(policy, 3, SOON);
  const again = woken(policy, 20, SOON).findIndex((time) => time === MOST);
  assert.equal(again, 14, "and it is tried again as soon as at first");
});
