// Other processes for tests, in any of the three runtimes. See remote_functions.ts for what runs
// in them, peer_program.ts for their side, and tools/systems/systems.ts for where else than here they can run.

import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { commandOf, type Runtime } from "../../tools/runtimes.ts";
import { peerSystem } from "../../tools/systems/systems.ts";
import { root } from "../../tools/toolchain.mjs";
import { MARK, type Order } from "./peer_lines.ts";
import { FunctionSender, type RemoteFunction } from "./remote_functions.ts";

export type { Runtime };

export const runtimes: readonly Runtime[] = peerSystem.runtimes;

export const thisRuntime: Runtime = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** The command that runs a program where peers run, with garbage collection on demand. */
export function peerCommand(runtime: Runtime, program: string): [string, ...string[]] {
  return commandOf(runtime, program, { start: peerSystem.command(runtime), gc: true });
}

/** Why a test can't stop a peer and let it go on, or false. */
export const noStop: string | false = process.platform === "win32" && "Windows has no SIGSTOP";

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: string | null;
}

export interface PeerOptions {
  /** Variables beside those of this process. */
  env?: NodeJS.ProcessEnv;
  /** Goes before the command: a program that starts another one. */
  wrap?: readonly string[];
  /** Gets what the process prints. Without it that goes where this process prints. */
  onOutput?: (text: string) => void;
}

/** A process that runs functions for a test. */
export class Peer {
  readonly runtime: Runtime;
  readonly pid: number;
  readonly ended: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #functions: FunctionSender;
  #hasEnded = false;

  constructor(runtime: Runtime, { env = {}, wrap = [], onOutput }: PeerOptions = {}) {
    this.runtime = runtime;
    const program = path.join(root, "tests/support/peer_program.ts");
    const [file, ...args] = [...wrap, ...peerCommand(runtime, program)];
    this.#child = spawn(file!, args, {
      cwd: root,
      env: { ...process.env, ...peerSystem.env, ...env },
      stdio: ["pipe", "pipe", onOutput === undefined ? "inherit" : "pipe"],
    });
    this.pid = this.#child.pid!;
    this.#functions = new FunctionSender((task) => this.#say(JSON.stringify(task)));
    createInterface(this.#child.stdout!).on("line", (line) => {
      if (line.startsWith(MARK)) this.#functions.settle(JSON.parse(line.slice(MARK.length)));
      else if (onOutput !== undefined) onOutput(`${line}\n`);
      else console.log(`[${runtime} peer] ${line}`);
    });
    if (onOutput !== undefined) this.#child.stderr!.setEncoding("utf8").on("data", onOutput);
    this.#child.stdin!.on("error", () => {}); // it is gone, which `ended` tells
    this.ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        this.#hasEnded = true;
        const how = `the ${runtime} peer ended (code ${code}, signal ${signal})`;
        this.#functions.end(new Error(how));
        resolve({ code, signal });
      });
    });
  }

  #say(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** Runs a function there; its result is JSON. */
  // deno-lint-ignore no-explicit-any
  run<Args extends any[], Result>(
    task: RemoteFunction<Args, Result>,
    ...args: Args
  ): Promise<Awaited<Result>> {
    return this.#functions.run(task, args);
  }

  /** Closes what the test has opened there. */
  async reset(): Promise<void> {
    this.#order("reset");
    await this.run(() => {}); // comes after it
  }

  /** From now on nothing but what is open keeps the process alive. */
  leave(): void {
    this.#order("leave");
    this.#child.stdin!.end();
  }

  #order(order: Order): void {
    this.#say(JSON.stringify(order));
  }

  /** Closes everything there and lets the process end. */
  async end(): Promise<Exit> {
    this.#child.stdin!.end();
    return await this.ended;
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (this.#hasEnded) return; // its id may be another's by now
    // Not by child.kill(): in Deno that does nothing after the first time.
    process.kill(this.pid, signal);
  }
}
