// What kinds of tests there are: one line per folder of tests/. Folders not named here hold unit
// tests, which mirror src/.

import type { Ended } from "./process.ts";
import { type Runtime, runtimes } from "./runtimes.ts";

export interface Part {
  /** Under which runtimes each file runs. */
  runtimes: readonly Runtime[];
  /** After so many seconds a file is killed and has failed. */
  limit: number;
  /** Not part of `npm test`, but of `npm run test:long`. */
  long: boolean;
  /** Files that don't spin for long share the machine. */
  atOnce: number;
  /** Programs that must be there; without them the part is skipped. */
  needs: readonly string[];
}

/** One file under one runtime, or one build of the native tests. */
export interface Job {
  name: string;
  part: Part;
  label: string;
  /** Runs it; its tests are then in the JUnit file. */
  start(report: string, env: NodeJS.ProcessEnv): Promise<Ended>;
}

const all = runtimes;
const node = ["node"] as const;

export const unit: Part = { runtimes: all, limit: 60, long: false, atOnce: 2, needs: [] };

// deno-fmt-ignore: it is a table
export const parts: Record<string, Part> = {
  cross:  { runtimes: all,  limit: 240, long: false, atOnce: 2, needs: [] },
  docs: { runtimes: all, limit: 240, long: false, atOnce: 2, needs: [] },
  examples: { runtimes: node, limit: 180, long: false, atOnce: 1, needs: [] },
  crash:  { runtimes: node, limit: 900, long: true,  atOnce: 1, needs: [] },
  idle:   { runtimes: node, limit: 180, long: true,  atOnce: 1, needs: [] },
  counts: { runtimes: all,  limit: 240, long: false, atOnce: 1, needs: [] },
  allocations: { runtimes: ["deno", "node"], limit: 240, long: true, atOnce: 1, needs: [] },
  fuzz:   { runtimes: all,  limit: 300, long: true,  atOnce: 1, needs: [] },
  model:  { runtimes: node, limit: 600, long: true,  atOnce: 1, needs: ["spin", "gcc"] },
  native: { runtimes: node, limit: 600, long: true,  atOnce: 1, needs: ["cmake", "ctest"] },
  soak:   { runtimes: node, limit: 900, long: true,  atOnce: 1, needs: [] },
  install: { runtimes: node, limit: 600, long: true, atOnce: 1, needs: [] },
  platforms: { runtimes: node, limit: 1800, long: true, atOnce: 1, needs: [] },
};

/** The part a file belongs to, by its path from the root of the repository. */
export function partOf(file: string): Part {
  return parts[folderOf(file)] ?? unit;
}

/** `tests/crash/queue.test.ts` is in `crash`; so is what `crash` or `tests/crash` names. */
export function folderOf(file: string): string {
  return file.replace(/^tests\//, "").split("/")[0]!;
}
