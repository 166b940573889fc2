// How long does a blocking request take? Against the same request, awaited, over a Unix socket.

import { connectEcho, openEcho } from "./harness/echo.ts";
import { latencies, latenciesSync } from "./harness/measure.ts";
import { Payload } from "./harness/payload.ts";
import { LATENCY, microseconds } from "./harness/question.ts";
import type { PairQuestion } from "./harness/question.ts";

export const question: PairQuestion = {
  rows: [{
    asks: "blocking request, 64 B",
    subject: "causeway",
    peer: "Unix socket",
    metrics: LATENCY,
    unit: microseconds,
    target: { better: 60 },
  }],

  server: openEcho,

  async client(setup) {
    const { channel, socket } = await connectEcho(setup);
    const payload = new Payload(64);
    return {
      "causeway": (milliseconds) =>
        latenciesSync(
          milliseconds,
          () => channel.requestSync(payload.next()),
          payload.checkEcho,
        ),
      "Unix socket": (milliseconds) =>
        latencies(milliseconds, () => socket.request(payload.next()), payload.checkEcho),
    };
  },
};
