// Loads the native library in several threads, one after the other and at once, and says what of it
// the process has then: see library.test.ts.

import fs from "node:fs";
import process from "node:process";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { binding } from "../../src/platform/runtime.ts";

async function inThread(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url));
  await new Promise((resolve) => worker.once("message", resolve));
  await worker.terminate();
}

/** How many parts of our files are mapped, and of how many files. */
function mapped(): { parts: number; files: number } {
  const lines = fs.readFileSync("/proc/self/maps", "utf8").split("\n")
    .filter((line) => line.includes("/memfd:causeway-"));
  return { parts: lines.length, files: new Set(lines.map((line) => line.split(/ +/)[4])).size };
}

await binding();
if (isMainThread) {
  const before = mapped();
  for (let i = 0; i < 3; i++) await inThread();
  await Promise.all([inThread(), inThread()]);
  const after = mapped();
  const grown = after.parts === before.parts ? "once" : `${after.parts} for ${before.parts}`;
  console.log(`files ${after.files}, mapped ${grown}`);
  process.exit(0);
} else {
  parentPort!.postMessage("loaded");
}
