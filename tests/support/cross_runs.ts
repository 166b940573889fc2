// Runs of the cross suite in which the processes, or some of them, are those of another system.

import assert from "node:assert/strict";
import { build } from "../../tools/build.mjs";
import type { Runtime } from "../../tools/parts.ts";
import { run } from "../../tools/process.ts";
import { node } from "../../tools/toolchain.mjs";

/** One run: the files under one runtime, with peers in one or more. */
export interface CrossRun {
  /** Where the test files run: a system of tools/systems.ts. */
  on: string;
  runtime: Runtime;
  /** Where their peers run. */
  peersOn: string;
  peers: readonly Runtime[];
  /** Names of files in tests/cross/; all of them if there are none. */
  files?: readonly string[];
}

/** One file for each pattern; together also streams, deaths by SIGKILL, and parked processes. */
export const everyPattern: readonly string[] = [
  ...["channel_requests", "rpc_writables", "topic_lag", "queue_lives"],
];

/** A run is ended after so many seconds. It takes a tenth of that on a machine that is idle. */
const LIMIT = 1500;

/** Builds the libraries of all targets. */
export const buildLibraries = (): void => void build(true);

/** Runs it and returns the number of tests that passed. Throws if one failed. */
export async function runCross({ on, runtime, peersOn, peers, files }: CrossRun): Promise<number> {
  const paths = files?.map((name) => `tests/cross/${name}.`) ?? ["tests/cross/"];
  // Unlike the signal at the limit of run(), this one lets the runner end what it has started.
  const command = ["timeout", `${LIMIT}`, node, "tools/test.ts", `--runtime=${runtime}`, ...paths];
  const env = { CAUSEWAY_TESTS: on, CAUSEWAY_PEERS: `${peersOn}:${peers.join()}` };
  const { code, output } = await run(command, { env, limit: LIMIT + 30 });
  if (code !== 0) assert.fail(output);
  return Number(/^(\d+) passed, 0 failed/m.exec(output)![1]);
}
