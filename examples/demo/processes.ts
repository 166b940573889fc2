// Starts programs of this folder in the three runtimes, and sees that they end.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { commandOf, type Runtime as Name } from "../../tools/runtimes.ts";

/** As they are shown: "Deno", "Bun" or "Node". */
export type Runtime = Capitalize<Name>;

const GRACE = 5000;

export class Processes {
  readonly #running = new Set<ChildProcess>();
  readonly #crash = Promise.withResolvers<never>();

  constructor() {
    this.#crash.promise.catch(() => {}); // it may come when nobody waits for it any longer
  }

  /** Rejects when one fails. */
  get crashed(): Promise<never> {
    return this.#crash.promise;
  }

  start(runtime: Runtime, program: string, ...args: string[]): void {
    const script = fileURLToPath(new URL(program, import.meta.url));
    const [file, ...before] = commandOf(runtime.toLowerCase() as Name, script);
    const child = spawn(file, [...before, ...args], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    const what = `${program} in ${runtime}`;
    this.#running.add(child);
    child.once("error", (error) => {
      this.#running.delete(child);
      this.#crash.reject(new Error(`${what} did not start: ${error.message}`));
    });
    child.once("exit", (code, signal) => {
      this.#running.delete(child);
      if (code === 0) return;
      this.#crash.reject(new Error(`${what} ended with ${signal ?? `exit code ${code}`}`));
    });
  }

  /** Waits until they have ended by themselves. */
  async ended(): Promise<void> {
    const timeout = setTimeout(() => {
      const count = this.#running.size;
      this.#crash.reject(new Error(`${count} processes did not end within ${GRACE / 1000} s`));
    }, GRACE);
    const exits = [...this.#running].map((child) => once(child, "exit"));
    await Promise.race([Promise.all(exits), this.crashed]).finally(() => clearTimeout(timeout));
  }

  /** Ends what is left, at once. */
  kill(): void {
    for (const child of this.#running) child.kill("SIGKILL");
  }
}
