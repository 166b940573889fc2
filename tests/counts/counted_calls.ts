// Counts the calls of this process into native code.

import type { Shim } from "../../src/platform/binding.ts";
import { binding } from "../../src/platform/runtime.ts";

/** How often each function of the shim was called; those that weren't are left out. */
export type Calls = Partial<Record<keyof Shim, number>>;

const counts = new Map<keyof Shim, number>();

/** Puts functions that count in the place of the shim's. Nothing may be open. */
export async function countCalls(): Promise<void> {
  const native = await binding();
  const shim = Object.fromEntries(
    Object.entries(native.shim).map(([name, call]) => [name, counting(name as keyof Shim, call)]),
  );
  // Whatever is opened from now on takes it from there.
  Object.assign(native, { shim });
}

function counting(
  name: keyof Shim,
  call: (...args: unknown[]) => number,
): (...args: unknown[]) => number {
  return (...args) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return call(...args);
  };
}

export function forgetCalls(): void {
  counts.clear();
}

export function callsUntilNow(): Calls {
  return Object.fromEntries(counts);
}
