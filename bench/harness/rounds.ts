// Rounds: all subjects in turn, again and again, so that a noisy moment hits them alike.

import type { Measured, Plan, Rounds, Subject } from "./question.ts";

/** Unless a question has its own. Without `quick` there are several runs of this. */
export function usualPlan(quick: boolean): Plan {
  return quick
    ? { warmUp: 100, rounds: 3, milliseconds: 60 }
    : { warmUp: 500, rounds: 3, milliseconds: 300 };
}

export async function measureRounds(
  subjects: Record<string, Subject>,
  { warmUp, rounds, milliseconds }: Plan,
): Promise<Rounds> {
  for (const subject of Object.values(subjects)) if (warmUp > 0) await subject(warmUp);
  const measured: Record<string, Measured[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, subject] of Object.entries(subjects)) {
      (measured[name] ??= []).push(await subject(milliseconds));
    }
  }
  return measured;
}
