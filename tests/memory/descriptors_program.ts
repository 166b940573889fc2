// Looks at the lease of a living node when no file can be opened: see nodes.test.ts.

import fs from "node:fs";
import process from "node:process";
import { Segment } from "../../src/memory/segment.ts";
import { native } from "../support/scratch.ts";

const file = process.argv[2]!;
const open: number[] = [];
try {
  for (;;) open.push(fs.openSync("/dev/null", "r"));
} catch {
  // That was the last one.
}
let said: string;
try {
  said = String(Segment.probeLease(native, file));
} catch (error) {
  said = (error as Error).name;
}
for (const descriptor of open) fs.closeSync(descriptor);
console.log(said);
