// A worker: takes jobs until there is one that says to end.
//
//     worker.ts <name> [jobs]
//
// With a number it gets stuck after so many jobs, as a program with a bug would.

import process from "node:process";
import { Queue } from "../../mod.ts";
import { type Job, JOBS, type Report, REPORTS } from "./job.ts";

const worker = process.argv[2] ?? "worker";
const good = Number(process.argv[3] ?? Infinity);

await using jobs = await Queue.open<Job>(JOBS);
await using reports = await Queue.open<Report>(REPORTS);

let done = 0;
for await (const delivery of jobs.deliveries()) {
  using taken = delivery; // an error gives it back
  const { value: job, redelivered: again } = taken;
  if (job === null) {
    taken.ack();
    break;
  }
  await reports.enqueue({ worker, job: job.id, again });
  if (done++ === good) await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
  let primes = 0;
  for (let n = job.from; n < job.to; n++) if (isPrime(n)) primes++;
  // First the result, then the end of the job: who dies in between has it done twice, not never.
  await reports.enqueue({ worker, job: job.id, primes, again });
  taken.ack();
}

function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
  return true;
}
