// Ends a fuzzing process whose thread makes no progress: a hang can't be noticed from within.

import process from "node:process";
import { workerData } from "node:worker_threads";

const { heart, pid } = workerData as { heart: Int32Array; pid: number };
const LIMIT = 30_000;
let last = -1;
setInterval(() => {
  const now = Atomics.load(heart, 0);
  if (now === last) {
    console.error(`watchdog: round ${Atomics.load(heart, 1)} hangs`);
    process.kill(pid, "SIGKILL");
  }
  last = now;
}, LIMIT);
