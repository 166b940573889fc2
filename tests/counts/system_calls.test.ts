// A busy pair makes no system call: strace counts those of the thread that runs the event loop.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { uniqueName } from "../support/cross.ts";
import { filesIn } from "../support/directories.ts";
import { thisRuntime } from "../support/peers.ts";
import { within } from "../support/watchdog.ts";
import { expected, patternNames } from "./expected.ts";
import { orderOf, withPattern } from "./pair.ts";
import type { PatternName } from "./patterns.ts";
import { checkCounts } from "./rounds.ts";
import type { Role } from "./side.ts";
import { noTrace, type SystemCalls, TracedPeer } from "./traced_peer.ts";

const OPERATIONS = 4000;
const LIMIT = 60_000;
/** What the runtime makes by itself, per operation: memory, its other threads, a test's orders. */
const SLACK = 0.05;

const skip = noTrace();
const peers = skip ? undefined : startPeers();

function startPeers(): Readonly<Record<Role, TracedPeer>> {
  const traces = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-traces-"));
  after(() => fs.rmSync(traces, { recursive: true, force: true }));
  return {
    answers: new TracedPeer(thisRuntime, path.join(traces, "answers")),
    asks: new TracedPeer(thisRuntime, path.join(traces, "asks")),
  };
}

async function check(pattern: PatternName): Promise<void> {
  const { answers, asks } = peers!;
  const sides = { answers: orderOf(answers), asks: orderOf(asks) };
  await withPattern(sides, pattern, uniqueName(), () =>
    checkCounts(sides, {
      operations: OPERATIONS,
      before: 1000,
      begin: (_order, role) => peers![role].begin(),
      async excess(_order, role) {
        return excess(await peers![role].calls(), expected[pattern][role].system!);
      },
    }));
}

/** All of them, by how often each comes, if they are too many. */
function excess(calls: SystemCalls, most: number): string[] {
  const sorted = Object.entries(calls).sort(([, one], [, other]) => other - one);
  const each = sorted.reduce((sum, [, count]) => sum + count, 0) / OPERATIONS;
  if (each <= most + SLACK) return [];
  const named = sorted.map(([name, count]) => `${name} ${(count / OPERATIONS).toFixed(3)}`);
  return [
    `${each.toFixed(2)} system calls, expected ${most ? `at most ${most}` : "none"}: ` +
    named.join(", "),
  ];
}

for (const pattern of patternNames) {
  const { asks, answers } = expected[pattern];
  if (asks.system === undefined || answers.system === undefined) continue;
  test(pattern, { skip }, async () => {
    try {
      await within(check(pattern), pattern, LIMIT);
    } catch (error) {
      // Who hangs would keep the next test from its turn.
      if (/watchdog/.test(String(error))) { for (const peer of Object.values(peers!)) peer.kill(); }
      throw error;
    }
  });
}

test("the peers end and leave nothing behind", { skip }, async () => {
  const exits = Object.values(peers!).map((peer) => peer.end());
  const ended = await within(Promise.all(exits), "the end of the peers", LIMIT);
  assert.deepEqual(ended, exits.map(() => ({ code: 0, signal: null })));
  assert.deepEqual(filesIn(), []);
});
