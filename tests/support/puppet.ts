// Puppets: processes of any runtime that hold Causeway objects and do what a test tells them, one
// JSON line at a time. The test kills, stops and measures them from outside.

import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import process from "node:process";
import readline from "node:readline";
import { after } from "node:test";
import { bun, deno, node } from "../../tools/toolchain.mjs";
import { within } from "./watchdog.ts";

export type Runtime = "deno" | "bun" | "node";
export const runtimes: readonly Runtime[] = ["deno", "bun", "node"];

/** How a runtime runs a TypeScript file. */
export const commands: Readonly<Record<Runtime, readonly string[]>> = {
  deno: [deno, "run", "-A", "--no-check", "--quiet", "--v8-flags=--expose-gc"],
  bun: [bun, "run"],
  node: [node, "--no-warnings", "--expose-gc"],
};

const program = path.join(import.meta.dirname, "puppet_main.ts");

/** Longest wait for an answer of a puppet, in ms. */
const PATIENCE = 30_000;

/** An error as a puppet reports it. */
export class PuppetError extends Error {
  readonly code: string | undefined;
  readonly reason: string | undefined;

  constructor(reported: { name: string; message: string; code?: string; reason?: string }) {
    super(reported.message);
    this.name = reported.name;
    this.code = reported.code;
    this.reason = reported.reason;
  }
}

interface Reply {
  id: number;
  value?: unknown;
  error?: { name: string; message: string; code?: string; reason?: string };
}

const living = new Set<Puppet>();
/** Those of a test that failed would keep the run from ending. */
after(() => {
  for (const puppet of living) puppet.kill();
});

export class Puppet {
  readonly runtime: Runtime;
  readonly child: ChildProcess;
  /** How it ended: an exit code or the name of a signal. */
  readonly ended: Promise<number | string>;
  /** All that it printed to stderr. */
  errors = "";
  readonly #pending = new Map<number, PromiseWithResolvers<Reply>>();
  readonly #up: Promise<unknown>;
  #count = 0;
  #how: number | string | undefined;

  /** `wrap` goes before the command: a program that starts another one. */
  constructor(runtime: Runtime, directory: string, wrap: readonly string[] = []) {
    this.runtime = runtime;
    const [file, ...args] = [...wrap, ...commands[runtime], program];
    this.child = spawn(file!, args, {
      env: { ...process.env, CAUSEWAY_DIR: directory, NO_COLOR: "1" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    living.add(this);
    this.child.stdin!.on("error", () => {}); // it was killed: `ended` tells
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => this.errors += text);
    this.ended = new Promise((resolve) => {
      this.child.once("exit", (code, signal) => {
        living.delete(this);
        this.#how = signal ?? code!;
        resolve(this.#how);
        for (const { reject } of this.#pending.values()) reject(this.#gone(signal ?? code));
        this.#pending.clear();
      });
    });
    const lines = readline.createInterface({ input: this.child.stdout! });
    lines.on("line", (line) => this.#answer(line));
    this.#up = this.#wait(0).promise;
    this.#up.catch(() => {}); // a test may kill it before it is up
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Resolves when it has loaded the library and takes commands. */
  async up(): Promise<this> {
    await within(this.#up, `${this.runtime} to start`, PATIENCE);
    return this;
  }

  #wait(id: number): PromiseWithResolvers<Reply> {
    const pending = Promise.withResolvers<Reply>();
    this.#pending.set(id, pending);
    return pending;
  }

  #answer(line: string): void {
    if (!line.startsWith("{")) {
      this.errors += `${line}\n`;
      return;
    }
    const reply = JSON.parse(line) as Reply;
    this.#pending.get(reply.id)?.resolve(reply);
    this.#pending.delete(reply.id);
  }

  #gone(how: unknown): Error {
    return new Error(`the ${this.runtime} puppet ended (${how}) ${this.errors}`);
  }

  /** Gives an order without waiting for what comes of it. */
  post(order: string, options: object = {}): void {
    this.child.stdin!.write(`${JSON.stringify({ id: ++this.#count, order, ...options })}\n`);
  }

  /** Gives an order and returns what came of it. */
  // deno-lint-ignore no-explicit-any -- the orders are untyped, as their answers are
  async do(order: string, options: object = {}, patience = PATIENCE): Promise<any> {
    if (this.#how !== undefined) throw this.#gone(this.#how);
    const { promise } = this.#wait(this.#count + 1);
    promise.catch(() => {}); // the time may be over before it is killed
    this.post(order, options);
    const reply = await within(promise, `${this.runtime} to ${order}`, patience);
    if (reply.error !== undefined) throw new PuppetError(reply.error);
    return reply.value;
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }

  /** Kills it, and waits until it is gone. */
  async end(): Promise<void> {
    this.kill();
    await within(this.ended, `${this.runtime} to die`, PATIENCE);
  }

  /** Closes what it has open and lets it end by itself. */
  async finish(): Promise<void> {
    await this.do("closeAll");
    this.child.stdin!.end();
    const how = await within(this.ended, `${this.runtime} to end by itself`, PATIENCE);
    if (how !== 0) throw this.#gone(how);
  }
}
