// Runs a program with nothing but what it is given, and ends all of what it started.

import { spawn } from "node:child_process";
import assert from "node:assert/strict";
import { killGroup } from "../../tools/process.ts";
import { windows } from "../../tools/toolchain.mjs";

/** How a program ended, and what it said. */
export interface Said {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface ProgramOptions {
  cwd: string;
  /** All of its environment: nothing is inherited. */
  env: Record<string, string>;
  /** After so many seconds it is killed. Far beyond what a slow machine needs. */
  limit?: number;
}

/** Runs it to its end. */
export async function runProgram(
  command: readonly string[],
  { cwd, env, limit = 180 }: ProgramOptions,
): Promise<Said> {
  const [file, ...args] = command;
  const child = spawn(file!, args, {
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: !windows, // a process group of its own
  });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => said[name] += text);
  }
  const watchdog = setTimeout(() => {
    said.stderr += `\nwatchdog: killed after ${limit} s`;
    killGroup(child);
  }, limit * 1000);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once("error", (error) => {
      said.stderr += error.message;
      resolve([127, null]);
    });
    child.once("close", (...ended) => resolve(ended));
    // What it left running would hold the pipes open.
    child.once("exit", () => killGroup(child));
  });
  clearTimeout(watchdog);
  return { code, signal, ...said };
}

/** What it printed, if all went well. */
export function printed(said: Said): string {
  assert.equal(said.code, 0, `${said.signal ?? ""}\n${said.stdout}\n${said.stderr}`);
  return said.stdout;
}
