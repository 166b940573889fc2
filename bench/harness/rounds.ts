// Rounds: all subjects in turn, again and again, so that a noisy moment hits them alike.

import type { Measured, Rounds, Subject } from "./question.ts";

/** How long and how often to measure. */
export function plan(quick: boolean): { warmUp: number; rounds: number; milliseconds: number } {
  return quick
    ? { warmUp: 200, rounds: 3, milliseconds: 100 }
    : { warmUp: 700, rounds: 7, milliseconds: 400 };
}

export async function measureRounds(
  subjects: Record<string, Subject>,
  quick: boolean,
): Promise<Rounds> {
  const { warmUp, rounds, milliseconds } = plan(quick);
  for (const subject of Object.values(subjects)) await subject(warmUp);
  const measured: Record<string, Measured[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, subject] of Object.entries(subjects)) {
      (measured[name] ??= []).push(await subject(milliseconds));
    }
  }
  return measured;
}
