// A producer or a consumer for queue.test.ts, until its standard input ends or it is killed.
// queue_worker.ts <role> <queue> <log> <id>
//
// What it did is in its log, a line each, written before it goes on: also what it did last.
//   put <message>             the message is enqueued
//   got <message> <again>     taken, not acknowledged yet
//   ack <message>             acknowledged
//   deq <message>             dequeued

import fs from "node:fs";
import process from "node:process";
import { Queue } from "../../mod.ts";
import { checkBytes, pattern } from "../support/payloads.ts";

interface Message {
  id: string;
  bytes: Uint8Array;
}

const [role, name, log, id] = process.argv.slice(2) as [string, string, string, string];
const file = fs.openSync(log, "a");
const write = (line: string): void => void fs.writeSync(file, `${line}\n`);

let stopping = false;
const stop = new AbortController();
process.stdin.on("end", () => {
  stopping = true;
  stop.abort();
}).resume();

const queue = await Queue.open<Message>(name, { capacity: 1 << 16 });
process.stdout.write("ready\n");

function sizeOf(n: number): number {
  return n % 7 === 0 ? (n * 37) % 1700 : (n * 13) % 100;
}

async function produce(): Promise<void> {
  const next = (n: number): Message => ({ id: `${id}:${n}`, bytes: pattern(sizeOf(n), n) });
  for (let n = 0; !stopping;) {
    const many = n % 5 === 0 ? [next(n), next(n + 1), next(n + 2)] : [next(n)];
    if (many.length > 1) await queue.enqueueMany(many);
    else if (n % 3 === 0) await queue.enqueue(many[0]!);
    else while (!queue.tryEnqueue(many[0]!)) await turn();
    for (const { id } of many) write(`put ${id}`);
    n += many.length;
    if (n % 20 === 0) await turn();
  }
}

async function consume(how: "take" | "dequeue"): Promise<void> {
  const { signal } = stop;
  const check = ({ id, bytes }: Message): string => {
    const n = Number(id.split(":")[1]);
    checkBytes(bytes, pattern(sizeOf(n), n));
    return id;
  };
  for (let n = 0; !stopping; n++) {
    if (n % 20 === 0) await turn();
    if (how === "dequeue") {
      write(`deq ${check(await queue.dequeue({ signal }))}`);
      continue;
    }
    const job = await queue.take({ signal });
    write(`got ${check(job.value)} ${job.redelivered}`);
    if (n % 11 === 0) await turn();
    if (n % 17 === 3) job.reject();
    else {
      job.ack();
      write(`ack ${job.value.id}`);
    }
  }
}

/** Lets the event loop see that it is to end. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

try {
  await (role === "producer" ? produce() : consume(role as "take"));
} catch (error) {
  if (!stopping) throw error;
}
await queue.close();
process.exit(0);
