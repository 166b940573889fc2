// How long does an awaited request take when both sides were asleep before it?

import { setTimeout as sleep } from "node:timers/promises";
import { connectEcho, openEcho } from "./harness/echo.ts";
import { latencies } from "./harness/measure.ts";
import { Payload } from "./harness/payload.ts";
import { LATENCY, microseconds } from "./harness/question.ts";
import type { PairQuestion } from "./harness/question.ts";

/** Long enough for anybody to have gone to sleep. */
const IDLE_MS = 5;

export const question: PairQuestion = {
  rows: [{
    asks: "awaited request, both parked before",
    subject: "causeway",
    peer: "Unix socket",
    metrics: LATENCY,
    unit: microseconds,
    target: { better: 1.2 },
  }],

  server: openEcho,

  async client(setup) {
    const { channel, socket } = await connectEcho(setup);
    const payload = new Payload(64);
    const idle = () => sleep(IDLE_MS);
    return {
      "causeway": (milliseconds) =>
        latencies(milliseconds, () => channel.request(payload.next()), payload.checkEcho, idle),
      "Unix socket": (milliseconds) =>
        latencies(milliseconds, () => socket.request(payload.next()), payload.checkEcho, idle),
    };
  },
};
