// Opens and closes everything, with descriptors short at the one or the other, and says of each
// whether anything stays: see closing.test.ts. Started with a low limit of descriptors.

import fs from "node:fs";
import process from "node:process";
import { CausewayError } from "../../mod.ts";
import { type Opened, type Opening, openings } from "../support/openings.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

/** Takes all descriptors but so many; the function that is returned gives them back. */
function exhaust(left: number): () => void {
  const taken: number[] = [];
  try {
    for (;;) taken.push(fs.openSync("/dev/null", "r"));
  } catch {
    // That was the last one.
  }
  for (let i = 0; i < left && taken.length > 0; i++) fs.closeSync(taken.pop()!);
  return () => taken.forEach((descriptor) => fs.closeSync(descriptor));
}

/** Our descriptors, and mappings of files in the directory. */
function held(directory: string): string {
  const descriptors = fs.readdirSync("/proc/self/fd").map((descriptor) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${descriptor}`).replace(/\d+/g, "");
    } catch {
      return "the list"; // of the descriptors
    }
  });
  const maps = fs.readFileSync("/proc/self/maps", "utf8").split("\n")
    .filter((line) => line.includes(directory)).length;
  return `${descriptors.length} descriptors (${descriptors.sort()}), ${maps} mappings`;
}

/** Runs a task twice at the most: what a runtime loads once and keeps isn't ours. */
async function leavesNothing(scratch: Scratch, what: string, task: () => Promise<void>) {
  for (let left = 1;; left--) {
    const before = held(scratch.path);
    await task();
    await until(() => scratch.files().length === 0, () => `${what}: ${scratch.files()}`);
    const isClean = (): boolean => held(scratch.path) === before;
    const said = (): string => `${what}: ${held(scratch.path)}, before ${before}`;
    if (left === 0) return await until(isClean, said);
    if (await until(isClean, said, 1000).then(() => true, () => false)) return;
  }
}

async function closesClean(name: string, { open }: Opening, left: number): Promise<void> {
  using scratch = new Scratch();
  await leavesNothing(scratch, `${name} closed with ${left} left`, async () => {
    const opened = await open({ directory: scratch.path });
    const release = exhaust(left);
    try {
      await opened.close();
    } finally {
      release();
    }
  });
}

/** With so many descriptors left, opening fails or works; either way nothing stays. */
async function opensClean(name: string, { open }: Opening, left: number): Promise<void> {
  using scratch = new Scratch();
  await leavesNothing(scratch, `${name} opened with ${left} left`, async () => {
    const release = exhaust(left);
    let opened: Opened | undefined;
    try {
      opened = await open({ directory: scratch.path, signal: AbortSignal.timeout(200) });
    } catch (error) {
      const isAbort = (error as Error).name === "TimeoutError";
      if (!isAbort && !(error instanceof CausewayError)) throw error;
    } finally {
      release();
    }
    await opened?.close();
  });
}

for (const [name, opening] of Object.entries(openings)) {
  let said = "clean";
  try {
    for (const left of [0, 1, 2, 4]) await closesClean(name, opening, left);
    for (let left = 0; left < 12; left++) await opensClean(name, opening, left);
  } catch (error) {
    said = String((error as Error).stack);
  }
  console.log(JSON.stringify([name, said]));
}
process.exit(0);
