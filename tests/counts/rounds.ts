// Counts what is stable, on a machine that isn't: others take the processors away, and a side that
// waits for one sleeps and is woken. That only adds to a count, so one round without it is enough.

import assert from "node:assert/strict";
import { inTurn, type Order, runBoth, type Sides } from "./pair.ts";
import type { Role } from "./side.ts";

const MOST_ROUNDS = 10;

export interface Counting {
  /** Operations in a round. */
  operations: number;
  /** Those before the first one, in which things are opened, found, grown and compiled. */
  before: number;
  /** Begins to count on one side. */
  begin(order: Order, role: Role): Promise<void>;
  /** What was counted there that is too much: each with how often it came per operation. */
  excess(order: Order, role: Role): Promise<string[]>;
}

/** Runs both sides until a round costs no more than is expected. */
export async function checkCounts(sides: Sides, counting: Counting): Promise<void> {
  const { operations, before, begin, excess } = counting;
  await runBoth(sides, before);
  let over: string[] = [];
  for (let round = 0; round < MOST_ROUNDS; round++) {
    await inTurn(sides, begin);
    await runBoth(sides, operations);
    const { asks, answers } = await inTurn(sides, excess);
    over = [...asks.map((what) => `asks: ${what}`), ...answers.map((what) => `answers: ${what}`)];
    if (over.length === 0) return;
  }
  assert.fail(
    `too much per operation, in each of ${MOST_ROUNDS} rounds of ${operations}; in the last one:\n` +
      `${over.map((line) => `  ${line}`).join("\n")}\n` +
      "If it is worth that, tests/counts/expected.ts has the table.",
  );
}
