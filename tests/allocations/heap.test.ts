// How many bytes of the heap an operation takes. Only V8 counts them: Bun has no such figure.

import { crossTest, peersEnd } from "../support/cross.ts";
import { thisRuntime } from "../support/peers.ts";
import { expected, patternNames } from "../counts/expected.ts";
import { orderOf, withPattern } from "../counts/pair.ts";
import type { Role } from "../counts/side.ts";
import { checkCounts } from "../counts/rounds.ts";

const OPERATIONS = 10_000;
/** The same program takes up to 15 % more in one run than in another. */
const SPREAD = 1.5;
/** What the orders of a test take, and pages that are begun. */
const SLACK = 50;

for (const pattern of patternNames) {
  const { bytes } = expected[pattern];
  if (bytes === undefined) continue;
  const most: Record<Role, number> = { asks: bytes[0], answers: bytes[1] };
  crossTest(pattern, async (t) => {
    const sides = { answers: orderOf(t.peer), asks: orderOf(t.start()) };
    const begun: Partial<Record<Role, number>> = {};
    await withPattern(sides, pattern, t.name, () =>
      checkCounts(sides, {
        operations: OPERATIONS,
        before: 2 * OPERATIONS,
        async begin(order, role) {
          begun[role] = await order("allocated");
        },
        async excess(order, role) {
          const each = (await order("allocated") - begun[role]!) / OPERATIONS;
          console.log(`${pattern}, ${role}: ${each.toFixed(0)} bytes`);
          if (each <= SPREAD * most[role] + SLACK) return [];
          return [`${each.toFixed(0)} bytes, expected about ${most[role]}`];
        },
      }));
  }, { limit: 120, only: [thisRuntime] });
}

peersEnd();
