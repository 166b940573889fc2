// What do locks cost, and passing memory by reference? Against a lock file, the Unix socket, and the
// same call with the bytes themselves.

import fs from "node:fs";
import path from "node:path";
import { connect, Event, Mutex, RwLock, serve, SharedMemory } from "../mod.ts";
import { connectEcho, openEcho } from "./harness/echo.ts";
import { latencies, latenciesSync } from "./harness/measure.ts";
import { Payload } from "./harness/payload.ts";
import { LATENCY, microseconds } from "./harness/question.ts";
import type { Measured, PairQuestion } from "./harness/question.ts";

const GIGABYTE = 1 << 30;
const COPIED = 16 << 20;
/** Calls between two looks at the clock: one is far shorter than the look. */
const BATCH = 1000;

const row = { metrics: LATENCY, unit: microseconds };

interface Api {
  touch(memory: SharedMemory | Uint8Array): number;
}

export const question: PairQuestion = {
  rows: [
    { ...row, asks: "lock and unlock a free mutex", subject: "mutex", peer: "lock file" },
    {
      ...row,
      asks: "read lock and unlock, nobody writes",
      subject: "read lock",
      peer: "lock file",
    },
    { ...row, asks: "event there and back, blocking", subject: "blocking", peer: "Unix socket" },
    { ...row, asks: "event there and back, awaited", subject: "awaited", peer: "Unix socket" },
    { ...row, asks: "call with 1 GiB by reference", subject: "1 GiB", peer: "16 MiB copied" },
  ],

  async server(setup) {
    await openEcho(setup);
    const ask = await Event.open("ask", { autoReset: true });
    const answer = await Event.open("answer", { autoReset: true });
    const echo = async (): Promise<void> => {
      for (;;) {
        await ask.wait();
        answer.set();
      }
    };
    void echo();
    await serve("memory", {
      touch(memory: SharedMemory | Uint8Array) {
        if (memory instanceof Uint8Array) return memory.length;
        using used = memory;
        return used.size;
      },
    });
  },

  async client(setup) {
    const { socket } = await connectEcho(setup);
    const payload = new Payload(64);
    const mutex = await Mutex.open("lock");
    const rwlock = await RwLock.open("lock");
    const ask = await Event.open("ask", { autoReset: true });
    const answer = await Event.open("answer", { autoReset: true });
    const { remote } = await connect<Api>("memory");
    const memory = await SharedMemory.create({ size: GIGABYTE });
    const bytes = new Uint8Array(COPIED);
    const file = path.join(setup.directory, "lock.file");
    return {
      "mutex": (milliseconds) => perCall(milliseconds, () => mutex.tryLock()!.unlock()),
      "read lock": (milliseconds) => perCall(milliseconds, () => rwlock.tryRead()!.unlock()),
      "lock file": (milliseconds) =>
        latenciesSync(milliseconds, () => {
          fs.closeSync(fs.openSync(file, "wx"));
          fs.unlinkSync(file);
        }, () => {}),
      "blocking": (milliseconds) =>
        latenciesSync(milliseconds, () => {
          ask.set();
          answer.waitSync();
        }, () => {}),
      "awaited": (milliseconds) =>
        latencies(milliseconds, () => {
          ask.set();
          return answer.wait();
        }, () => {}),
      "Unix socket": (milliseconds) =>
        latencies(milliseconds, () => socket.request(payload.next()), payload.checkEcho),
      "1 GiB": (milliseconds) =>
        latencies(milliseconds, () => remote.touch(memory), check(GIGABYTE)),
      "16 MiB copied": (milliseconds) =>
        latencies(milliseconds, () => remote.touch(bytes), check(COPIED)),
    };
  },
};

function check(size: number): (seen: number) => void {
  return (seen) => {
    if (seen !== size) throw new Error(`${seen} bytes arrived, not ${size}`);
  };
}

/** The time of one call, in batches. */
function perCall(milliseconds: number, call: () => void): Measured {
  const measured = latenciesSync(milliseconds, () => {
    for (let i = 0; i < BATCH; i++) call();
  }, () => {});
  return Object.fromEntries(
    Object.entries(measured).map((
      [name, value],
    ) => [name, name === "calls" ? value : value / BATCH]),
  );
}
