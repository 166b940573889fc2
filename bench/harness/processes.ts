// Processes of the three runtimes. Everything started here is ended here, whatever happens.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { binaries, commandOf, type Runtime } from "../../tools/runtimes.ts";
import { root } from "../../tools/toolchain.mjs";

/** A process that prints nothing for so long is killed, in ms. */
const PATIENCE = 900_000;

const running = new Set<ChildProcessWithoutNullStreams>();

/** A process whose standard output is read line by line. */
export class Child implements AsyncDisposable {
  readonly #what: string;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  #output = "";
  #errors = "";

  /**
   * `script` is a path, absolute or below bench/; `command` is what its command begins with, a
   * program that starts another.
   */
  constructor(
    runtime: Runtime,
    script: string,
    args: string[],
    directory: string,
    command: readonly string[] = [],
  ) {
    const [file, ...before] = commandOf(runtime, path.resolve(root, "bench", script), {
      start: [...command, binaries[runtime]],
    });
    this.#what = `${runtime} ${script} ${args.slice(0, 2).join(" ")}`;
    this.#process = spawn(file, [...before, ...args], {
      env: { ...process.env, CAUSEWAY_DIR: directory, NO_COLOR: "1" },
    });
    running.add(this.#process);
    this.#process.stdin.on("error", () => {}); // it may end before we ask it to
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
    this.#process.stdout.setEncoding("utf8").on("data", (text: string) => this.#output += text);
    this.#ended = once(this.#process, "close").finally(() => running.delete(this.#process));
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** The first line it prints; an error if it ends before. */
  async firstLine(): Promise<string> {
    const watchdog = setTimeout(() => {
      this.#errors += `it was killed: it printed nothing for ${PATIENCE / 1000} s`;
      this.kill();
    }, PATIENCE);
    using _stop = { [Symbol.dispose]: () => clearTimeout(watchdog) };
    while (!this.#output.includes("\n")) {
      const { stdout } = this.#process;
      const ended = this.#ended.then(() => "ended");
      const event = await Promise.race([once(stdout, "data"), ended]);
      if (event === "ended" && !this.#output.includes("\n")) {
        throw new Error(`${this.#what} ended too early\n${this.#errors}`);
      }
    }
    return this.#output.slice(0, this.#output.indexOf("\n"));
  }

  /** Ends it at once. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** Lets it end by itself, which closing its standard input asks for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end();
    const impatience = setTimeout(() => this.#process.kill("SIGKILL"), 3000);
    await this.#ended;
    clearTimeout(impatience);
  }
}

/** Ends everything that is still running. */
export function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}
