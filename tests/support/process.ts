/**
 * Child processes of the same runtime.
 */
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commandOf, type Runtime } from "../../tools/runtimes.ts";
import { native } from "./scratch.ts";

/** The command that runs a program of the tests under the runtime of this test. */
export function runtimeCommand(program: URL, flags?: string[]): string[] {
  const file = fileURLToPath(program);
  if (flags !== undefined) return [process.execPath, ...flags, file];
  return commandOf(native.runtime as Runtime, file, { start: [process.execPath] });
}

/** What a child process said. */
export interface Said {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end; it is killed after a minute. A variable that is undefined is unset. */
export function run(
  command: string[],
  env: Record<string, string | undefined> = {},
): Promise<Said> {
  const [program, ...args] = command as [string, ...string[]];
  // Deno gives all permissions to a Deno that it starts, wherever it sees its name in a command.
  const shell = ["-c", 'exec "$PROGRAM" "$@"', "sh", ...args];
  const all = { ...process.env, NO_COLOR: "1", PROGRAM: program, ...env };
  const set = Object.entries(all).filter(([, value]) => value !== undefined);
  const options = { env: Object.fromEntries(set), timeout: 60_000 };
  return new Promise((resolve) => {
    execFile("sh", shell, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}
