/**
 * Work for very many, when a connection ends: a peer can have tens of thousands of calls under
 * way, and what tells each of them must not hold up the others that this thread serves.
 *
 * @module
 */
import type { Yielder } from "../wake/yielder.ts";

/** How many are worked off in one turn of the event loop. */
export const PORTION = 2048;

/** Runs a step, which doesn't throw, for each: for the first at once, for others in later turns. */
export function inPortions<T>(all: readonly T[], step: (each: T) => void, yielder: Yielder): void {
  const from = (first: number): void => {
    const end = Math.min(first + PORTION, all.length);
    for (let i = first; i < end; i++) step(all[i]!);
    if (end < all.length) void yielder.turn().then(() => from(end));
  };
  from(0);
}
