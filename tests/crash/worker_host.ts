// Starts a worker again and again, and terminates it in each state; for any runtime. Prints what it
// does as JSON lines; the worker's partner lives in another process.

import fs from "node:fs";
import process from "node:process";
import { Channel } from "../../mod.ts";

const workers = Number(process.argv[2]);
/** The main thread's own, which the end of a worker must not touch. */
const bystander = await Channel.open("bystander", { onRequest: (bytes) => bytes });

interface Started {
  said: Promise<string>;
  terminate(): unknown;
}

async function start(): Promise<Started> {
  const said = Promise.withResolvers<string>();
  const url = new URL("./worker_peer.ts", import.meta.url);
  // deno-lint-ignore no-explicit-any -- Deno has web workers, the others node:worker_threads
  const { Deno, Worker } = globalThis as any;
  if (Deno !== undefined) {
    const worker = new Worker(url, { type: "module" });
    worker.onmessage = ({ data }: { data: string }) => said.resolve(data);
    worker.onerror = (event: { message: string; preventDefault(): void }) => {
      event.preventDefault();
      said.reject(new Error(event.message));
    };
    return { said: said.promise, terminate: () => worker.terminate() };
  }
  const { Worker: Thread } = await import("node:worker_threads");
  const worker = new Thread(url);
  worker.on("message", (data) => said.resolve(data));
  worker.on("error", (error) => said.reject(error));
  return { said: said.promise, terminate: () => worker.terminate() };
}

function counts(): object {
  const maps = fs.readFileSync("/proc/self/maps", "utf8").split("\n");
  return {
    segments: maps.filter((line) => line.includes(process.env["CAUSEWAY_DIR"]!)).length,
    descriptors: fs.readdirSync("/proc/self/fd").length,
    threads: fs.readdirSync("/proc/self/task").length,
  };
}

function print(line: object): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
}

for (let i = 0; i < workers; i++) {
  const worker = await start();
  const state = await worker.said;
  await new Promise((resolve) => setTimeout(resolve, 30)); // until it is in that state
  const at = Date.now();
  const ended = worker.terminate();
  print({ terminated: state, at });
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 3000))]);
  print({ returned: state, after: Date.now() - at, ...counts() });
  // The partner says when it has noticed.
  await new Promise<void>((resolve) => {
    const poll = setInterval(() => {
      if (!fs.existsSync(`${process.env["CAUSEWAY_DIR"]}.noticed-${i}`)) return;
      clearInterval(poll);
      resolve();
    }, 5);
  });
}
print({ bystander: bystander.isClosed ? "closed" : "open" });
await bystander.close();
print({ end: true });
