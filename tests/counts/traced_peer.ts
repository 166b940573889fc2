// A peer whose system calls are counted, by strace.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { Peer, type Runtime } from "../support/peers.ts";
import { until } from "../support/watchdog.ts";

/** How often the thread of the event loop made each system call. */
export type SystemCalls = Record<string, number>;

/** By these each turn of an event loop asks for news, whatever the library does. */
const OF_THE_LOOP = ["epoll_wait", "epoll_pwait", "epoll_pwait2"];

/** With the filter, a call that isn't counted doesn't stop the process: the pair stays busy. */
const STRACE = [
  ...["strace", "--follow-forks", "--seccomp-bpf", "--quiet=all"],
  ...["-e", `trace=!${OF_THE_LOOP.join(",")}`],
];

/** Why nothing can be traced here, or false. */
export function noTrace(): string | false {
  const [file, ...args] = STRACE;
  const { error, status, stderr } = spawnSync(file!, [...args, "true"], { encoding: "utf8" });
  if (error) return `strace isn't installed (${error.message})`;
  return status !== 0 && `strace can't trace here: ${stderr.trim().split("\n").at(-1)}`;
}

/** Its `pid` is that of strace, which ends with it. */
export class TracedPeer extends Peer {
  readonly #file: string;
  #marks = 0;

  constructor(runtime: Runtime, file: string) {
    super(runtime, { wrap: [...STRACE, "-o", file] });
    this.#file = file;
  }

  /** Begins to count. */
  async begin(): Promise<void> {
    // A file that isn't there: looking for it is a system call that shows in the trace.
    await this.run(async (_surroundings, file: string) => {
      const { existsSync } = await import("node:fs");
      existsSync(file);
    }, markOf(++this.#marks));
  }

  /** The system calls since then. */
  async calls(): Promise<SystemCalls> {
    await this.begin();
    const [from, to] = [markOf(this.#marks - 1), markOf(this.#marks)];
    let trace: string[] = [];
    await until(() => {
      trace = fs.readFileSync(this.#file, "utf8").split("\n");
      return trace.some((line) => line.includes(to));
    }, "the mark in the trace");
    const begin = trace.findLastIndex((line) => line.includes(from));
    const end = trace.findIndex((line) => line.includes(to));
    return count(trace.slice(begin + 1, end), trace[begin]!.split(" ")[0]!);
  }
}

/** The calls of one thread; a line begins with the thread and the name of the call. */
function count(trace: readonly string[], thread: string): SystemCalls {
  const calls: SystemCalls = {};
  for (const line of trace) {
    const [, from, name] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (from === thread) calls[name!] = (calls[name!] ?? 0) + 1;
  }
  return calls;
}

function markOf(number: number): string {
  return `/no-such-file/${number}/`;
}
