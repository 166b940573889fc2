// The program of a worker: runs the functions that it is sent. See workers.ts.

import process from "node:process";
import { parentPort } from "node:worker_threads";
import { FunctionRunner, type Task } from "./remote_functions.ts";

/** The worker's own side in Deno. */
interface WebScope {
  postMessage(message: unknown): void;
  close(): void;
  onmessage: (event: { data: Task | string }) => void;
}

const web = "Deno" in globalThis ? globalThis as unknown as WebScope : undefined;
const runner = new FunctionRunner((outcome) => (web ?? parentPort!).postMessage(outcome));
let busy = Promise.resolve();

function onMessage(message: Task | string): void {
  if (message === "exit") {
    if (web) web.close();
    else process.exit(0);
  } else if (message === "reset") {
    busy = runner.reset();
  } else {
    void busy.then(() => runner.run(message as Task));
  }
}

if (web) web.onmessage = ({ data }) => onMessage(data);
else parentPort!.on("message", onMessage);
