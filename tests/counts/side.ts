// One side of a pattern in the process that loads this, with its calls counted.

import v8 from "node:v8";
import { type Calls, callsUntilNow, countCalls, forgetCalls } from "./counted_calls.ts";
import { type Pattern, type PatternName, patterns, type Side } from "./patterns.ts";

/** Which side. The one that answers opens first. */
export type Role = "answers" | "asks";

/** What the types of Node don't know yet. */
interface V8Statistics extends v8.HeapInfo {
  total_allocated_bytes: number;
}

await countCalls();
let side: Side | undefined;

/** The functions that a test may call in a peer. */
export const orders = {
  async open(pattern: PatternName, role: Role, name: string): Promise<void> {
    side = await (patterns[pattern] as Pattern)[role](name);
  },
  async ready(): Promise<void> {
    await side!.ready?.();
  },
  forget: (): void => forgetCalls(),
  async run(count: number): Promise<void> {
    await side!.run?.(count);
  },
  calls: (): Calls => callsUntilNow(),
  /** Bytes that V8 has taken from its heap since the process began. */
  allocated: (): number => (v8.getHeapStatistics() as V8Statistics).total_allocated_bytes,
  async close(): Promise<void> {
    await side?.close();
    side = undefined;
  },
};

export type Orders = typeof orders;
