// A job queue with workers in Deno, Bun and Node that count primes. One of them gets stuck in a job
// and is killed: another one does that job.
//
//     node examples/job_queue/main.ts [jobs]
//
// after `npm ci`. It ends by itself.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { Queue } from "../../mod.ts";
import { bun, deno, node } from "../../tools/toolchain.mjs";
import { type Job, JOBS, type Report, REPORTS } from "./job.ts";

const count = Number(process.argv[2] ?? 40);
const RANGE = 50_000;

const commands: Record<string, string[]> = {
  Deno: [deno, "run", "-A"],
  Bun: [bun],
  Node: [node, "--disable-warning=ExperimentalWarning"],
};

function start(name: string, ...args: string[]): ChildProcess {
  const [executable, ...options] = commands[name]! as [string, ...string[]];
  const program = path.join(import.meta.dirname, "worker.ts");
  return spawn(executable, [...options, program, name, ...args], { stdio: "inherit" });
}

await using jobs = await Queue.open<Job>(JOBS);
await using reports = await Queue.open<Report>(REPORTS);

// The one that gets stuck in its second job comes first, so that it has one.
const bad = start("Bun", "1");
const good = [start("Deno"), start("Node")];

await jobs.enqueueMany(
  Array.from({ length: count }, (_, id) => ({ id, from: id * RANGE, to: (id + 1) * RANGE })),
);
console.log(`${count} jobs wait for three workers`);

const results = new Map<number, number>();
let begun = 0;
while (results.size < count) {
  const { worker, job, primes, again } = await reports.dequeue();
  if (primes !== undefined) {
    results.set(job, primes);
    console.log(`${worker}: job ${job} has ${primes} primes${again ? ", second attempt" : ""}`);
  } else if (worker === "Bun" && ++begun === 2) {
    console.log(`Bun is stuck in job ${job}: kill it`);
    bad.kill("SIGKILL");
  }
}

// If there were too few jobs, or the others were faster, it isn't stuck.
bad.kill("SIGKILL");
await jobs.enqueueMany(good.map(() => null));
await Promise.all(good.map((worker) => worker.exitCode ?? once(worker, "exit")));
const sum = [...results.values()].reduce((a, b) => a + b, 0);
console.log(`${results.size} jobs done: ${sum} primes below ${count * RANGE}`);
