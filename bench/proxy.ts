// How long does a call of a typed method take, with MessagePack both ways? The peer is the
// demonstration's: the same codec over a Unix socket.

import path from "node:path";
import { serveOnSocket, SocketClient } from "../examples/demo/socket.ts";
import { connect, serve } from "../mod.ts";
import { latencies, latenciesSync, throughput } from "./harness/measure.ts";
import { LATENCY, microseconds, thousandPerSecond } from "./harness/question.ts";
import type { PairQuestion, Setup, Subject } from "./harness/question.ts";

const api = { add: (a: number, b: number) => a + b };
type Api = typeof api;

const IN_FLIGHT = 4;

const row = { peer: "Unix socket", metrics: LATENCY, unit: microseconds };

export const question: PairQuestion = {
  rows: [
    { ...row, asks: "typed call, awaited", subject: "awaited", target: { better: 20 } },
    { ...row, asks: "typed call, blocking", subject: "blocking", target: { better: 40 } },
    {
      asks: "typed call, 4 in flight",
      subject: "4 in flight",
      peer: "Unix socket, 4 in flight",
      metrics: ["calls/s"],
      unit: thousandPerSecond,
      target: { better: 10 },
    },
  ],

  async server(setup) {
    await serve("calculator", api);
    await serveOnSocket(socketPath(setup), api);
  },

  async client(setup) {
    const { remote, sync } = await connect<Api>("calculator");
    const socket = await SocketClient.connect<Api>(socketPath(setup));
    let a = 0;
    const check = (sum: number) => {
      if (sum !== a + 2) throw new Error(`${a} + 2 = ${sum}`);
    };
    return {
      "awaited": (milliseconds) => latencies(milliseconds, () => remote.add(++a, 2), check),
      "blocking": (milliseconds) => latenciesSync(milliseconds, () => sync.add(++a, 2), check),
      "Unix socket": (milliseconds) =>
        latencies(milliseconds, () => socket.call("add", ++a, 2), check),
      "4 in flight": overlapping((b) => remote.add(++a, b), () => a),
      "Unix socket, 4 in flight": overlapping((b) => socket.call("add", ++a, b), () => a),
    };
  },
};

/** `add` adds to the next number, which `last` then tells. */
function overlapping(add: (b: number) => Promise<number>, last: () => number): Subject {
  return async (milliseconds) => {
    const { perSecond } = await throughput(milliseconds, IN_FLIGHT, async () => {
      const answer = add(2);
      const a = last();
      const sum = await answer;
      if (sum !== a + 2) throw new Error(`${a} + 2 = ${sum}`);
    });
    return { "calls/s": perSecond };
  };
}

function socketPath({ directory }: Setup): string {
  return path.join(directory, "calculator.socket");
}
