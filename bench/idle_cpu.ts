// How much CPU does a process use that has everything open and nothing to do, beyond the same
// runtime that has opened nothing? Linux only: the system counts it in nanoseconds per thread.

import fs from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "./harness/processes.ts";
import { cpu } from "./harness/question.ts";
import type { Rounds, RuntimeQuestion } from "./harness/question.ts";

export const question: RuntimeQuestion = {
  rows: [{
    asks: "idle CPU with everything open",
    subject: "beyond",
    metrics: ["cpu"],
    unit: cpu,
    // None, as far as it can be told: runtimes do some housekeeping, more with more loaded.
    target: { atMost: 0.5 },
  }],

  async run(runtime, { directory, quick }) {
    if (process.platform !== "linux") return {};
    await using a = new Child(runtime, "programs/idle.ts", ["a"], directory);
    await using b = new Child(runtime, "programs/idle.ts", ["b"], directory);
    await using nothing = new Child(runtime, "programs/idle.ts", [], directory);
    await Promise.all([a, b, nothing].map((child) => child.firstLine()));

    await sleep(1000); // they have told us that they are ready, which was work

    const [count, milliseconds] = quick ? [3, 1000] : [5, 2000];
    const rounds: Rounds = { "everything open": [], "nothing open": [], "beyond": [] };
    for (let round = 0; round < count; round++) {
      const before = [a, nothing].map(({ pid }) => cpuTime(pid));
      await sleep(milliseconds);
      const [open, bare] = [a, nothing].map(({ pid }, i) =>
        (cpuTime(pid) - before[i]!) / milliseconds * 1000
      ) as [number, number];
      rounds["everything open"]!.push({ cpu: open });
      rounds["nothing open"]!.push({ cpu: bare });
      rounds["beyond"]!.push({ cpu: Math.max(0, open - bare) });
    }
    return rounds;
  },
};

/** Of all threads, in ns. */
function cpuTime(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return fs.readdirSync(tasks).reduce((sum, task) => {
    const [running] = fs.readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ");
    return sum + Number(running);
  }, 0);
}
