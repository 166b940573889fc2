// Do a thousand idle connections slow down the one that is busy? They are opened and closed again
// in each round, so that both cases share the processes and the moment.

import { RpcClient, RpcServer } from "../mod.ts";
import { latencies, latenciesSync } from "./harness/measure.ts";
import { Payload } from "./harness/payload.ts";
import { LATENCY, microseconds } from "./harness/question.ts";
import type { PairQuestion } from "./harness/question.ts";

const IDLE = 1000;

const row = { metrics: LATENCY, unit: microseconds, target: { worse: 1.2 } };

export const question: PairQuestion = {
  rows: [{
    ...row,
    asks: "awaited request with 1,000 idle connections",
    subject: "awaited, 1,000 idle",
    peer: "awaited, alone",
  }, {
    ...row,
    asks: "blocking request with 1,000 idle connections",
    subject: "blocking, 1,000 idle",
    peer: "blocking, alone",
  }],

  server: () => RpcServer.open("echo", { onRequest: (bytes) => bytes }),

  async client() {
    const client = await RpcClient.open("echo");
    const payload = new Payload(64);
    const awaited = (milliseconds: number) =>
      latencies(milliseconds, () => client.request(payload.next()), payload.checkEcho);
    const blocking = (milliseconds: number) =>
      latenciesSync(milliseconds, () => client.requestSync(payload.next()), payload.checkEcho);

    let idle: RpcClient[] = [];
    const others = async (count: number) => {
      if (idle.length === count) return;
      await Promise.all(idle.map((other) => other.close()));
      idle = await Promise.all(Array.from({ length: count }, () => RpcClient.open("echo")));
    };
    return {
      "awaited, alone": (milliseconds) => others(0).then(() => awaited(milliseconds)),
      "blocking, alone": (milliseconds) => others(0).then(() => blocking(milliseconds)),
      "awaited, 1,000 idle": (milliseconds) => others(IDLE).then(() => awaited(milliseconds)),
      "blocking, 1,000 idle": (milliseconds) => others(IDLE).then(() => blocking(milliseconds)),
    };
  },
};
