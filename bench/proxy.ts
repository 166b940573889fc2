// How long does a call of a typed method take, with MessagePack both ways? The peer is the
// demonstration's: the same codec over a Unix socket.

import path from "node:path";
import { serveOnSocket, SocketClient } from "../examples/demo/socket.ts";
import { connect, serve } from "../mod.ts";
import { latencies, latenciesSync } from "./harness/measure.ts";
import { LATENCY, microseconds } from "./harness/question.ts";
import type { PairQuestion, Setup } from "./harness/question.ts";

const api = { add: (a: number, b: number) => a + b };
type Api = typeof api;

const row = { peer: "Unix socket", metrics: LATENCY, unit: microseconds };

export const question: PairQuestion = {
  rows: [
    { ...row, asks: "typed call, awaited", subject: "awaited", target: { atMost: 5 } },
    { ...row, asks: "typed call, blocking", subject: "blocking" },
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
    };
  },
};

function socketPath({ directory }: Setup): string {
  return path.join(directory, "calculator.socket");
}
