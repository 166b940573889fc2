// Starts the programs of an example, each in the runtime that it is for.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { commandOf, type Runtime } from "../tools/runtimes.ts";

/** Starts a program in `folder`, which says what it does on the same terminal. */
export function start(
  runtime: Runtime,
  folder: string,
  program: string,
  ...args: string[]
): ChildProcess {
  const [file, ...before] = commandOf(runtime, path.join(folder, program));
  return spawn(file, [...before, ...args], { stdio: "inherit" });
}

/** Runs a program to its end; throws if it fails. */
export async function run(
  runtime: Runtime,
  folder: string,
  program: string,
  ...args: string[]
): Promise<void> {
  const [code, signal] = await once(start(runtime, folder, program, ...args), "exit");
  if (code !== 0) throw new Error(`${program} in ${runtime} ended with ${signal ?? code}`);
}
