// Runs of the cross suite in which the processes, or some of them, are those of another system.

import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "../../tools/build.mjs";
import type { Runtime } from "../../tools/parts.ts";
import { run } from "../../tools/process.ts";
import { node } from "../../tools/toolchain.mjs";
import { type Column, record } from "./record.ts";

/** One run: the files under one runtime, with peers in one or more. */
export interface CrossRun {
  /** Whether the processes that run the files are of the other system as well. */
  bothThere: boolean;
  runtime: Runtime;
  peers: readonly Runtime[];
  /** Names of files in tests/cross/; all of them if there are none. */
  files?: readonly string[];
}

/** The other system. */
export interface OtherSystem {
  /** As tools/systems.ts calls it. */
  system: string;
  target: string;
  /** What is recorded beside the count. */
  by: string;
  /** Why there can be no runs. */
  skip: string | false;
}

/** A run is ended after so many seconds, several times what it takes on a slow machine. */
const LIMIT = 1200;

/** Registers a test for each run, by its title, and one that records what they have shown. */
export function testCrossRuns(other: OtherSystem, runs: Readonly<Record<string, CrossRun>>): void {
  const { system, target, by, skip } = other;
  const passed = new Map<CrossRun, number>();

  test("the libraries of all targets are built", { skip }, () => void build(true));
  for (const [title, each] of Object.entries(runs)) {
    test(title, { skip }, async () => void passed.set(each, await runCross(system, each)));
  }
  test("what has passed is recorded", { skip }, () => {
    const all = Object.values(runs);
    assert.equal(passed.size, all.length);
    for (const runtime of ["deno", "bun", "node"] as const) {
      const there = all.filter(({ peers }) => peers.includes(runtime));
      if (there.length === 0) continue;
      const count = there.reduce((sum, each) => sum + passed.get(each)!, 0);
      const suite = there.some(({ files }) => !files) ? "cross suite" : "cross suite in part";
      const column = runtime[0]!.toUpperCase() + runtime.slice(1) as Column;
      record(target, column, `${suite}, ${count} tests${by}`);
    }
  });
}

/** Returns the number of tests that passed. Throws if one failed. */
async function runCross(system: string, each: CrossRun): Promise<number> {
  const { bothThere, runtime, peers, files } = each;
  const paths = files?.map((name) => `tests/cross/${name}.`) ?? ["tests/cross/"];
  // Unlike the signal at the limit of run(), this one lets the runner end what it has started.
  const command = ["timeout", `${LIMIT}`, node, "tools/test.ts", `--runtime=${runtime}`, ...paths];
  const env = {
    CAUSEWAY_TESTS: bothThere ? system : "native",
    CAUSEWAY_PEERS: `${system}:${peers.join()}`,
  };
  const { code, output } = await run(command, { env, limit: LIMIT + 30 });
  if (code !== 0) assert.fail(output);
  return Number(/^(\d+) passed, 0 failed/m.exec(output)![1]);
}
