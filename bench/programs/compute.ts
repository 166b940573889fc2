// Computes without a pause, until its standard input ends.

import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";

/** Between two looks at the standard input, in ms. */
const SLICE = 20;

process.stdin.on("end", () => process.exit()).resume();
process.stdout.write("ready\n");

for (let value = 1;;) {
  const end = performance.now() + SLICE;
  while (performance.now() < end) for (let i = 0; i < 10_000; i++) value = (value * 31 + i) | 0;
  await turn();
}
