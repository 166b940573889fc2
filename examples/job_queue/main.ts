// A job queue with workers in Deno, Bun and Node that count primes. One of them gets stuck in a job
// and is killed: another one does that job.
//
//     node examples/job_queue/main.ts [jobs]
//
// after `npm ci`. It ends by itself.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { Queue } from "../../mod.ts";
import type { Runtime } from "../../tools/runtimes.ts";
import { start } from "../start.ts";
import { type Job, JOBS, type Report, REPORTS } from "./job.ts";

const count = Number(process.argv[2] ?? 40);
const RANGE = 50_000;

function startWorker(runtime: Runtime, ...args: string[]): ChildProcess {
  return start(runtime, import.meta.dirname, "worker.ts", runtime, ...args);
}

await using jobs = await Queue.open<Job>(JOBS);
await using reports = await Queue.open<Report>(REPORTS);

// The one that gets stuck in its second job comes first, so that it has one.
const bad = startWorker("bun", "1");
const good = [startWorker("deno"), startWorker("node")];

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
  } else if (worker === "bun" && ++begun === 2) {
    console.log(`${worker}: stuck in job ${job}, so it is killed`);
    bad.kill("SIGKILL");
  }
}

// If there were too few jobs, or the others were faster, it isn't stuck.
bad.kill("SIGKILL");
await jobs.enqueueMany(good.map(() => null));
await Promise.all(good.map((worker) => worker.exitCode ?? once(worker, "exit")));
const sum = [...results.values()].reduce((a, b) => a + b, 0);
console.log(`${results.size} jobs done: ${sum} primes below ${count * RANGE}`);
