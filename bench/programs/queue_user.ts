// A producer or a consumer of bench/queue.ts: queue_user.ts <producer|consumer> <one|many> <queue|socket>
//
// A producer waits for a start, enqueues for so many ms, and reports; a consumer counts until it
// is told to stop.

import net from "node:net";
import path from "node:path";
import process from "node:process";
import { bytes, Queue } from "../../mod.ts";

const [role, how, means] = process.argv.slice(2) as [string, string, string];
const SIZE = 64;
const BATCH = 64;
const STOP = 1;

interface Control {
  ms?: number;
}
interface Report {
  role: string;
  count: number;
}

const control = await Queue.open<Control>("bench-control");
const reports = await Queue.open<Report>("bench-reports");
const resume = await Queue.open<boolean>("bench-resume");

const message = new Uint8Array(SIZE);
const many = Array.from({ length: BATCH }, () => message);

/** Producer and consumer on the library's queue. */
async function onQueue(): Promise<void> {
  const queue = await Queue.open<Uint8Array>("bench-queue", { codec: bytes, capacity: 2097152 });
  process.stdout.write("ready\n");
  if (role === "producer") {
    for await (const { ms } of control) {
      let count = 0;
      for (const end = performance.now() + ms!; performance.now() < end;) {
        if (how === "one") {
          for (let i = 0; i < BATCH; i++) {
            if (!queue.tryEnqueue(message)) await queue.enqueue(message);
          }
        } else {
          const put = queue.tryEnqueueMany(many);
          if (put < BATCH) await queue.enqueueMany(many.slice(put));
        }
        count += BATCH;
      }
      await reports.enqueue({ role, count });
    }
  }
  for (let count = 0;;) {
    let got: Uint8Array[];
    if (how === "one") got = [queue.tryDequeue() ?? await queue.dequeue()];
    else got = await queue.dequeueMany(BATCH);
    count += got.length;
    if (!got.some(([first]) => first === STOP)) continue;
    // Between producers there is no order: some messages may come after the stops.
    for (let more; (more = queue.tryDequeueMany(BATCH)).length > 0;) {
      got.push(...more);
      count += more.length;
    }
    const stops = got.filter(([first]) => first === STOP).length;
    // Those of others, which came to us.
    for (let i = 1; i < stops; i++) await queue.enqueue(new Uint8Array(SIZE).fill(STOP));
    await reports.enqueue({ role, count: count - stops });
    count = 0;
    await resume.dequeue(); // so that each consumer gets one stop
  }
}

/** The same through a broker on a Unix socket: 64 bytes each, dealt out in turn. */
async function onSocket(): Promise<void> {
  const file = path.join(process.env["CAUSEWAY_DIR"]!, `broker-${role}`);
  const socket = net.connect(file);
  await new Promise((resolve) => socket.once("connect", resolve));
  process.stdout.write("ready\n");
  if (role === "producer") {
    for await (const { ms } of control) {
      let count = 0;
      const batch = new Uint8Array(SIZE * BATCH);
      for (const end = performance.now() + ms!; performance.now() < end;) {
        let writable = true;
        if (how === "one") { for (let i = 0; i < BATCH; i++) writable = socket.write(message); }
        else writable = socket.write(batch);
        count += BATCH;
        if (!writable) await new Promise((resolve) => socket.once("drain", resolve));
      }
      await reports.enqueue({ role, count });
    }
  }
  let rest = new Uint8Array(0);
  socket.on("data", (chunk: Uint8Array) => {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    let count = 0;
    let at = 0;
    for (; at + SIZE <= bytes.length; at += SIZE) {
      if (bytes.subarray(at, at + SIZE)[0] !== STOP) count++;
    }
    rest = bytes.slice(at);
    reports.tryEnqueue({ role: "some", count });
  });
}

await (means === "queue" ? onQueue() : onSocket());
