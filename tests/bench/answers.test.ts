import assert from "node:assert/strict";
import { test } from "node:test";
import { answersOf, isUnsteady, spread } from "../../bench/harness/answers.ts";
import { LATENCY, microseconds, millionPerSecond } from "../../bench/harness/question.ts";
import type { Measured, Row, Target } from "../../bench/harness/question.ts";

const latency: Row = {
  asks: "a call",
  subject: "own",
  peer: "other",
  metrics: LATENCY,
  unit: microseconds,
};
const rate: Row = {
  asks: "calls",
  subject: "own",
  peer: "other",
  metrics: ["calls/s"],
  unit: millionPerSecond,
};

/** A round of a latency, in µs. */
function round(p50: number, mean = p50, p99 = p50): Measured {
  return { calls: 1, p50: p50 * 1000, mean: mean * 1000, p99: p99 * 1000 };
}

function answer(row: Row, ...runs: [own: Measured[], other: Measured[]][]) {
  const [only, ...more] = answersOf(
    "q",
    "a-b",
    [row],
    runs.map(([own, other]) => ({ own, other })),
  );
  assert.equal(more.length, 0);
  return only!;
}

function isReached(target: Target, own: Measured, other: Measured): boolean | undefined {
  return answer({ ...latency, target }, [[own], [other]]).reached;
}

test("the middle of several values, and between two", () => {
  assert.deepEqual(spread([5, 1, 3]), { min: 1, median: 3, max: 5 });
  assert.deepEqual(spread([8, 1, 2, 4]), { min: 1, median: 3, max: 8 });
  assert.deepEqual(spread([7]), { min: 7, median: 7, max: 7 });
});

test("a ratio is of one round, not of the medians", () => {
  const { figures } = answer(latency, [
    [round(1), round(10), round(2)],
    [round(10), round(20), round(40)],
  ]);
  const { measured, peer, better } = figures["p50"]!;
  assert.deepEqual([measured.median, peer!.median], [2000, 20000]);
  assert.deepEqual(better, { min: 2, median: 10, max: 20 });
  const faster = answer(rate, [[{ "calls/s": 30 }], [{ "calls/s": 10 }]]);
  assert.equal(faster.figures["calls/s"]!.better!.median, 3);
});

test("with several runs a figure is the median of their medians, and the spread is over them", () => {
  const run = (...own: number[]): [Measured[], Measured[]] => [
    own.map((value) => round(value)),
    own.map((value) => round(2 * value)),
  ];
  const found = answer(latency, run(1, 2, 90), run(4, 4, 4), run(3, 10, 11));
  assert.deepEqual(found.figures["p50"]!.measured, { min: 2000, median: 4000, max: 10000 });
  assert.deepEqual([found.runs, found.fastest, found.slowest], [3, 0.5, 2.5]);
  assert.equal(isUnsteady(found), true);
  assert.equal(isUnsteady(answer(latency, run(2), run(4), run(8))), false, "twice is not over");
  assert.equal(isUnsteady(answer(latency, run(1, 2, 90))), false, "rounds are no runs");
});

test("of a rate the smallest is the slowest", () => {
  const run = (value: number): [Measured[], Measured[]] => [
    [{ "calls/s": value }],
    [{ "calls/s": value }],
  ];
  const { fastest, slowest } = answer(rate, run(10), run(20), run(60));
  assert.equal(slowest, 2);
  assert.ok(Math.abs(fastest - 1 / 3) < 1e-9);
});

test("the mean says how far apart runs are, too, and the p99 doesn't", () => {
  const run = (mean: number, p99: number): [Measured[], Measured[]] => [
    [round(1, mean, p99)],
    [round(1)],
  ];
  assert.equal(answer(latency, run(2, 10), run(2, 10), run(10, 10)).slowest, 5);
  assert.equal(answer(latency, run(2, 10), run(2, 10), run(2, 900)).slowest, 1);
});

test("a target is for the p50 and the mean, unless it names one", () => {
  const peer = round(20, 20, 20);
  assert.equal(isReached({ better: 10 }, round(2, 2, 19), peer), true);
  assert.equal(isReached({ better: 10 }, round(1, 4, 4), peer), false, "the mean is 5 times");
  assert.equal(isReached({ better: 10, metric: "p50" }, round(1, 4, 4), peer), true);
  assert.equal(isReached({ better: 10, metric: "p99" }, round(1, 1, 4), peer), false);
  assert.equal(isReached({ atMost: 3 }, round(2, 4), peer), false, "4 µs in the mean");
  assert.equal(isReached({ atMost: 3 }, round(2, 3), peer), true);
  assert.equal(isReached({ worse: 1.2 }, round(25), peer), false);
  assert.equal(isReached({ worse: 1.3 }, round(25), peer), true);
  assert.equal(answer(latency, [[round(1)], [peer]]).reached, undefined);
  const target = { atLeast: 3 };
  const reached = (value: number) =>
    answer({ ...rate, target }, [[{ "calls/s": value }], [{ "calls/s": 1 }]]).reached;
  assert.deepEqual([reached(2.9e6), reached(3e6)], [false, true]);
});

test("what wasn't measured has no answer, what took no time no ratio", () => {
  assert.deepEqual(answersOf("q", "a-b", [latency], [{}]), []);
  const { figures, slowest } = answer(latency, [[round(0)], [round(1)]]);
  assert.equal(figures["p50"]!.better, undefined);
  assert.equal(slowest, 1);
});
