// How long does an awaited request take, one after the other, so that both sides stay awake?

import { connectEcho, openEcho } from "./harness/echo.ts";
import { latencies } from "./harness/measure.ts";
import { Payload } from "./harness/payload.ts";
import { LATENCY, microseconds } from "./harness/question.ts";
import type { PairQuestion } from "./harness/question.ts";

export const question: PairQuestion = {
  rows: [{
    asks: "awaited request, 64 B",
    subject: "causeway",
    peer: "Unix socket",
    metrics: LATENCY,
    unit: microseconds,
    target: { better: 25 },
  }],

  server: openEcho,

  async client(setup) {
    const { channel, socket } = await connectEcho(setup);
    const payload = new Payload(64);
    return {
      "causeway": (milliseconds) =>
        latencies(milliseconds, () => channel.request(payload.next()), payload.checkEcho),
      "Unix socket": (milliseconds) =>
        latencies(milliseconds, () => socket.request(payload.next()), payload.checkEcho),
    };
  },
};
