import assert from "node:assert/strict";
import { test } from "node:test";
import { SpinPolicy } from "../../src/wake/spin_policy.ts";

/** The times of so many waits, none of which ends while it spins. */
function failing(policy: SpinPolicy, count: number): number[] {
  return Array.from({ length: count }, () => {
    const { time } = policy;
    policy.failed();
    return time;
  });
}

test("it spins as long as it may while that succeeds", () => {
  const policy = new SpinPolicy(0.5);
  for (let i = 0; i < 100; i++) {
    assert.equal(policy.time, 0.5);
    policy.succeeded();
  }
});

test("after two failures it sleeps at once, and spins again in one wait of sixteen", () => {
  const policy = new SpinPolicy(0.5);
  assert.deepEqual(failing(policy, 2), [0.5, 0.5]);
  assert.deepEqual(failing(policy, 14), Array.from({ length: 14 }, () => 0));
  for (let round = 0; round < 5; round++) {
    const [first, ...others] = failing(policy, 16);
    assert.equal(first, 0.5, "a probe");
    assert.ok(others.every((time) => time === 0));
  }
});

test("one success is enough to spin again", () => {
  const policy = new SpinPolicy(0.05);
  failing(policy, 1000);
  policy.succeeded();
  assert.equal(policy.time, 0.05);
  policy.failed();
  assert.equal(policy.time, 0.05, "one failure may be chance");
});
