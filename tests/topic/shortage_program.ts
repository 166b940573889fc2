// A subscriber that runs out of descriptors when it is told to. Started by shortage.test.ts.

import fs from "node:fs";
import process from "node:process";
import readline from "node:readline";
import { bytes, Subscriber } from "../../mod.ts";
import { numberIn } from "../support/payloads.ts";

// Deno sets its signal handling up late, and panics if there is no descriptor left for it then.
process.on("SIGUSR2", () => {});

const files: number[] = [];
const seen = { received: 0, lost: 0, last: -1, errors: [] as string[] };
const subscriber = await Subscriber.open("name", {
  codec: bytes,
  onMessage(value) {
    seen.received++;
    seen.last = numberIn(value as Uint8Array);
  },
  onLost: (count) => seen.lost += count,
  onError: (error) => void seen.errors.push((error as { code: string }).code),
});

const orders: Record<string, () => unknown> = {
  exhaust() {
    try {
      for (;;) files.push(fs.openSync("/dev/null", "r"));
    } catch {
      // There are none left.
    }
  },
  free() {
    for (const file of files.splice(0)) fs.closeSync(file);
  },
  close: () => subscriber.close(),
  seen: () => seen,
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  console.log(JSON.stringify(await orders[line]!() ?? null));
});
console.log("null");
