// Rings a node when its owner says that it is about to block: see reactor.test.ts.

import { parentPort, workerData } from "node:worker_threads";
import { RuntimeDirectory } from "../../src/memory/directory.ts";
import { openNode } from "../../src/memory/nodes.ts";
import { ring } from "../../src/wake/doorbell.ts";
import { native } from "../support/scratch.ts";

const { root, id, index, delay } = workerData as {
  root: string;
  id: string;
  index: number;
  delay: number;
};
const node = openNode(native, new RuntimeDirectory(native, root), id)!;
const never = new Int32Array(new SharedArrayBuffer(4));
parentPort!.postMessage("ready");
while (Atomics.load(node.words, 1023) === 0) Atomics.wait(never, 0, 0, 0.1);
if (delay > 0) Atomics.wait(never, 0, 0, delay);
Atomics.store(node.words, 1023, 0);
Atomics.add(node.words, 1022, 1);
ring(native.shim, node, index);
node.close();
