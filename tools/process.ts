// Runs one program with everything it starts, collects what it prints, and ends all of it when its
// time is up. Programs get a process group of their own, so "all of it" is exact.

import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { root, windows } from "./toolchain.mjs";

export interface Ended {
  /** The exit code; null if a signal ended it. */
  code: number | null;
  signal: string | null;
  timedOut: boolean;
  output: string;
  seconds: number;
}

const running = new Set<ChildProcess>();

/** Runs to the end, or for `limit` seconds. */
export async function run(
  command: readonly string[],
  { env = {}, limit = 600 }: { env?: NodeJS.ProcessEnv; limit?: number } = {},
): Promise<Ended> {
  const started = performance.now();
  const [file, ...args] = command;
  const child = spawn(file!, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: !windows,
  });
  running.add(child);

  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output.push(text));
  }
  const closed = new Promise((resolve) => child.once("close", resolve));
  let timedOut = false;
  const watchdog = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, limit * 1000);

  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once("exit", (...ended) => resolve(ended));
    child.once("error", (error) => {
      output.push(`${error.message}\n`);
      resolve([127, null]);
    });
  });
  clearTimeout(watchdog);
  const seconds = (performance.now() - started) / 1000;
  killGroup(child); // peers that outlive their test would hold the pipes and disturb others
  await Promise.race([closed, sleep(1000, undefined, { ref: false })]);
  running.delete(child);
  return { code, signal, timedOut, output: output.join(""), seconds };
}

/** Ends everything that is still running. */
export function killAll(): void {
  for (const child of running) killGroup(child);
}

/** Ends a program that was started as a group of its own, and all that it has started. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (windows) child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // nothing of the group is left
  }
}

/** Whether the system has a program that npm can't install. */
export function onPath(program: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  return folders.some((folder) =>
    fs.existsSync(path.join(folder, windows ? `${program}.exe` : program))
  );
}
