// Runs of the cross suite in which the processes, or some of them, are those of another system.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { build } from "../../tools/build.mjs";
import { type Runtime, runtimes } from "../../tools/runtimes.ts";
import { run } from "../../tools/process.ts";
import { type System, systems } from "../../tools/systems/systems.ts";
import { node } from "../../tools/toolchain.mjs";
import { type Column, record } from "../../tools/records.ts";

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
  /** As tools/systems/systems.ts calls it. */
  system: string;
  target: string;
  /** What is recorded beside it. */
  by: string;
  /** Why there can be no runs, or false. If it isn't given, each runtime is started to see. */
  skip?: string | false;
}

/** A run is ended after so many seconds, several times what it takes on a slow machine. */
const LIMIT = 1200;

/** Registers a test for each run, by its title, and one that records what they have shown. */
export function testCrossRuns(other: OtherSystem, runs: Readonly<Record<string, CrossRun>>): void {
  const { system, target, by } = other;
  const passed = new Set<CrossRun>();
  const reasons = new Map<Runtime, string | false>();
  const whyNot = (runtime: Runtime) => {
    if (other.skip !== undefined) return other.skip;
    if (!reasons.has(runtime)) reasons.set(runtime, whyNoStart(systems[system]!, runtime));
    return reasons.get(runtime)!;
  };
  const skipOf = ({ runtime, peers, bothThere }: CrossRun) =>
    [...peers, ...(bothThere ? [runtime] : [])].map(whyNot).find((why) => why) ?? false;

  const all = Object.values(runs);
  const possible = all.filter((each) => !skipOf(each));
  const skip = possible.length === 0 && skipOf(all[0]!);
  test(`${target}: the library is built`, { skip }, () => void build(true));
  for (const [title, each] of Object.entries(runs)) {
    const skip = skipOf(each);
    test(title, { skip }, async () => {
      await runCross(system, each);
      passed.add(each);
    });
  }
  test(`${target}: what has passed is recorded`, { skip }, () => {
    assert.equal(passed.size, possible.length);
    for (const runtime of runtimes) {
      const there = all.filter(({ peers }) => peers.includes(runtime));
      if (there.length === 0 || !there.every((each) => passed.has(each))) continue;
      const suite = there.some(({ files }) => !files) ? "cross suite" : "cross suite in part";
      const column = runtime[0]!.toUpperCase() + runtime.slice(1) as Column;
      record(target, column, `${suite}${by}`);
    }
  });
}

/** Why a runtime can't be started on a system, or false. */
function whyNoStart(system: System, runtime: Runtime): string | false {
  if (process.platform !== "linux" || process.arch !== "x64") return "needs Linux on x64";
  try {
    const [file, ...args] = system.command(runtime);
    execFileSync(file, [...args, "--version"], {
      stdio: "pipe",
      env: { ...process.env, ...system.env },
    });
    return false;
  } catch (error) {
    return `${runtime} doesn't start on ${system.name}: ${(error as Error).message.trim()}`;
  }
}

/** Throws if a test failed. */
async function runCross(system: string, each: CrossRun): Promise<void> {
  const { bothThere, runtime, peers, files } = each;
  const paths = files?.map((name) => `tests/cross/${name}.`) ?? ["tests/cross/"];
  // Unlike the signal at the limit of run(), this one lets the runner end what it has started.
  const command = ["timeout", `${LIMIT}`, node, "tools/test.ts", `--runtime=${runtime}`, ...paths];
  const env = {
    CAUSEWAY_TESTS: bothThere ? system : "native",
    CAUSEWAY_PEERS: `${system}:${peers.join()}`,
    CAUSEWAY_PAIRS: "all", // of those peers, whatever the run that this is part of takes
  };
  const { code, output } = await run(command, { env, limit: LIMIT + 30 });
  if (code !== 0) assert.fail(output.slice(Math.max(0, output.search(/^FAIL/m))));
  assert.match(output, /^\d+ passed, 0 failed/m);
}
