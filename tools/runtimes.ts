// The three runtimes, and how each of them runs a TypeScript program of this repository.

import { bun, deno, node } from "./toolchain.mjs";

export type Runtime = "deno" | "bun" | "node";

export const runtimes: readonly Runtime[] = ["deno", "bun", "node"];

/** The pinned binaries. */
export const binaries: Readonly<Record<Runtime, string>> = { deno, bun, node };

const FLAGS: Readonly<Record<Runtime, readonly string[]>> = {
  deno: ["run", "-A", "--no-check", "--quiet"],
  bun: ["run"],
  node: ["--disable-warning=ExperimentalWarning"],
};

/** Garbage collection on demand; Bun always has it. */
const GC_FLAGS: Readonly<Record<Runtime, readonly string[]>> = {
  deno: ["--v8-flags=--expose-gc"],
  bun: [],
  node: ["--expose-gc"],
};

/** How a command differs from the usual one. */
export interface CommandOptions {
  /** What it begins with, if not the pinned binary: `tools/systems` has those of other systems. */
  start?: readonly string[];
  /** Lets the program collect garbage. */
  gc?: boolean;
}

/** The command that runs a program; its arguments can be appended. */
export function commandOf(
  runtime: Runtime,
  program: string,
  { start = [binaries[runtime]], gc = false }: CommandOptions = {},
): [string, ...string[]] {
  const [file, ...before] = start as [string, ...string[]];
  return [file, ...before, ...FLAGS[runtime], ...(gc ? GC_FLAGS[runtime] : []), program];
}
