import assert from "node:assert/strict";
import { test } from "node:test";
import { PAIRS, readOptions } from "../../bench/harness/options.ts";

const known = ["one", "two", "three"];
const read = (...args: string[]) => readOptions(args, known, ["one"]);

test("by default everything is asked of all nine pairs, three times", () => {
  const { quick, full, questions, pairs, runs } = read();
  assert.deepEqual({ quick, full, questions, runs }, {
    quick: false,
    full: false,
    questions: known,
    runs: 3,
  });
  assert.equal(new Set(pairs).size, 9);
  assert.deepEqual(pairs, PAIRS);
});

test("--quick asks less, unless it is told", () => {
  const { questions, pairs, runs } = read("--quick");
  assert.deepEqual({ questions, pairs, runs }, {
    questions: ["one"],
    pairs: ["deno-bun", "bun-deno"],
    runs: 1,
  });
  const told = read("--quick", "--only=three,two", "--pairs=node-node", "--runs=4");
  assert.deepEqual([told.questions, told.pairs, told.runs], [["three", "two"], ["node-node"], 4]);
});

test("what isn't there is named", () => {
  assert.throws(() => read("--only=one,five"), /no question five; there are one, two, three/);
  assert.throws(
    () => read("--pairs=deno-deno,rhino-bun"),
    /no pair rhino-bun; there are deno-deno/,
  );
  assert.throws(() => read("--quick", "--full"), /--quick and --full/);
  for (const runs of ["0", "-1", "1.5", "many", ""]) {
    assert.throws(() => read(`--runs=${runs}`), /is no number of runs/, runs);
  }
  assert.throws(() => read("--fast"), /fast/);
});
