// Takes a lock that other workers want too: see directory.test.ts.

import fs from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { BUSY, RuntimeDirectory } from "../../src/memory/directory.ts";
import { native } from "../support/scratch.ts";

const { root, counter, rounds } = workerData as { root: string; counter: string; rounds: number };
const directory = new RuntimeDirectory(native, root);
let overlaps = 0;
for (let i = 0; i < rounds;) {
  const result = directory.tryLocked(["rpc", "name"], (folder) => {
    const mine = `${folder}/holder`;
    if (fs.existsSync(mine)) overlaps++;
    fs.writeFileSync(mine, "");
    fs.writeFileSync(counter, String(Number(fs.readFileSync(counter, "utf8")) + 1));
    fs.rmSync(mine);
  });
  directory.prune(["rpc", "name"]);
  if (result !== BUSY) i++;
}
parentPort!.postMessage(overlaps);
