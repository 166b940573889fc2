// Writes records into a ring that the test reads on its own thread: see model.test.ts.

import { workerData } from "node:worker_threads";
import { ConnectionLayout, Kind } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { RingProducer } from "../../src/ring/producer.ts";
import { maxPayload } from "../../src/ring/record.ts";
import { Random } from "../support/random.ts";
import { write } from "../support/ring.ts";
import { native } from "../support/scratch.ts";

const { path, capacity, seed, count } = workerData as {
  path: string;
  capacity: number;
  seed: number;
  count: number;
};
const { ringAB, data } = ConnectionLayout;
const segment = Segment.open(native, path, Kind.connection)!;
const producer = new RingProducer(segment, ringAB, data, capacity);
// Waiting on it is a short sleep: on a busy machine the reader needs the processor.
const never = new Int32Array(new SharedArrayBuffer(4));
const random = new Random(seed);
for (let i = 0; i < count; i++) {
  const payload = new Uint8Array(random.below(maxPayload(capacity) + 1)).fill(i);
  while (!write(producer, payload, i)) Atomics.wait(never, 0, 0, 0.1);
}
segment.close();
