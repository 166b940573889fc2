// The program of a peer process: reads functions and orders from stdin, one JSON line each. It ends
// when stdin does. See peers.ts.

import fs from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { MARK, type Order } from "./peer_lines.ts";
import { FunctionRunner, type Task } from "./remote_functions.ts";

// Written at once: the function that comes next may block the thread.
const runner = new FunctionRunner((outcome) => writeAll(`${MARK}${JSON.stringify(outcome)}\n`));
const input = createInterface(process.stdin);
let busy = Promise.resolve();
let left = false;

input.on("line", (line) => {
  const message: Task | Order = JSON.parse(line);
  if (message === "leave") {
    left = true;
    input.close();
    process.stdin.destroy();
  } else if (message === "reset") {
    busy = runner.reset();
  } else {
    // Functions run side by side, but not while things are being closed.
    busy.then(() => runner.run(message));
  }
});
input.on("close", () => {
  if (!left) void busy.then(() => runner.reset()).then(() => process.exit(0));
});

/** A pipe takes long outcomes piece by piece, and now and then nothing. */
function writeAll(text: string): void {
  let rest: Uint8Array = new TextEncoder().encode(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    }
  }
}
