// How often a process calls into native code for an operation, by function.

import { crossTest, peersEnd } from "../support/cross.ts";
import type { Calls } from "./counted_calls.ts";
import { expected, patternNames } from "./expected.ts";
import { type Order, orderOf, withPattern } from "./pair.ts";
import { checkCounts } from "./rounds.ts";
import { orders } from "./side.ts";

const OPERATIONS = 1000;
/** What happens once or twice, per operation. */
const SLACK = 0.02;

/** Does it in this process. */
const here: Order = (name, ...args) =>
  Promise.resolve((orders[name] as (...args: unknown[]) => never)(...args));

/** The functions that were called too often. */
function excess(calls: Calls, most: Calls): string[] {
  return (Object.entries(calls) as [keyof Calls, number][]).flatMap(([name, count]) => {
    const each = count / OPERATIONS;
    const limit = most[name] ?? 0;
    if (each <= limit + SLACK) return [];
    return `${name} ${each.toFixed(2)} times, expected ${limit ? `at most ${limit}` : "none"}`;
  });
}

for (const pattern of patternNames) {
  crossTest(pattern, async (t) => {
    const sides = { answers: orderOf(t.peer), asks: here };
    await withPattern(sides, pattern, t.name, () =>
      checkCounts(sides, {
        operations: OPERATIONS,
        before: 200,
        begin: (order) => order("forget"),
        async excess(order, role) {
          const calls = await order("calls");
          console.log(`${pattern}, ${role}, ${OPERATIONS} operations: ${JSON.stringify(calls)}`);
          return excess(calls, expected[pattern][role].native);
        },
      }));
  }, { limit: 120 });
}

peersEnd();
