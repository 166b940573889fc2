// The two sides of a pattern, which do the same number of operations at the same time.

import type { Peer } from "../support/peers.ts";
import type { PatternName } from "./patterns.ts";
import type { Orders, Role } from "./side.ts";

/** Does in some process what side.ts can do. */
export type Order = <Name extends keyof Orders>(
  name: Name,
  ...args: Parameters<Orders[Name]>
) => Promise<Awaited<ReturnType<Orders[Name]>>>;

export type Sides = Readonly<Record<Role, Order>>;

/** Both, in the order in which they open. */
export const roles: readonly Role[] = ["answers", "asks"];

/** Does it in a peer. */
export function orderOf(peer: Peer): Order {
  return (name, ...args) =>
    peer.run(
      async (_surroundings, module: string, name: string, args: unknown[]) => {
        const { orders } = await import(module);
        return await orders[name](...args);
      },
      import.meta.resolve("./side.ts"),
      name,
      args,
    );
}

/** Does the same on both sides, one after the other. */
export async function inTurn<T>(sides: Sides, task: (order: Order, role: Role) => Promise<T>) {
  const answers = await task(sides.answers, "answers");
  return { answers, asks: await task(sides.asks, "asks") };
}

/** Opens both sides, runs the task, and closes them. */
export async function withPattern(
  sides: Sides,
  pattern: PatternName,
  name: string,
  task: () => Promise<void>,
): Promise<void> {
  try {
    await inTurn(sides, (order, role) => order("open", pattern, role, name));
    await inTurn(sides, (order) => order("ready"));
    await task();
  } finally {
    await inTurn(sides, (order) => order("close"));
  }
}

/** So many operations on both sides. */
export async function runBoth(sides: Sides, count: number): Promise<void> {
  await Promise.all(roles.map((role) => sides[role]("run", count)));
}
