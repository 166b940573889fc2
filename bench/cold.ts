// What do the first 100 calls of a fresh process take, before anything is compiled? Typed, awaited,
// against the same codec over a Unix socket; each figure is of a process of its own.

import path from "node:path";
import { serveOnSocket, SocketClient } from "../examples/demo/socket.ts";
import { connect, serve } from "../mod.ts";
import { LATENCY, microseconds } from "./harness/question.ts";
import type { Measured, PairQuestion, Setup } from "./harness/question.ts";

const CALLS = 100;

const api = { add: (a: number, b: number) => a + b };
type Api = typeof api;

const row = { subject: "causeway", peer: "Unix socket", unit: microseconds, target: { better: 1 } };

export const question: PairQuestion = {
  fresh: true,

  rows: [
    { ...row, asks: "typed call, the first 100 of a process", metrics: LATENCY },
    { ...row, asks: "typed call, the first of a process", metrics: ["first"] },
    { ...row, asks: "typed call, the worst of the first 100", metrics: ["max"] },
  ],

  async server(setup) {
    await serve("calculator", api);
    await serveOnSocket(socketPath(setup), api);
  },

  client: (setup) =>
    Promise.resolve({
      "causeway": async () => {
        const { remote } = await connect<Api>("calculator");
        return await first((a, b) => remote.add(a, b));
      },
      "Unix socket": async () => {
        const socket = await SocketClient.connect<Api>(socketPath(setup));
        return await first((a, b) => socket.call("add", a, b));
      },
    }),

  // Processes, not rounds within one.
  plan: ({ quick }) => ({ warmUp: 0, rounds: quick ? 3 : 7, milliseconds: 0 }),
};

async function first(add: (a: number, b: number) => Promise<number>): Promise<Measured> {
  const times: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const start = performance.now();
    const sum = await add(i, 2);
    times.push((performance.now() - start) * 1e6);
    if (sum !== i + 2) throw new Error(`${i} + 2 = ${sum}`);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(CALLS * share) - 1]!;
  return {
    first: times[0]!,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    mean: times.reduce((sum, time) => sum + time) / CALLS,
  };
}

function socketPath({ directory }: Setup): string {
  return path.join(directory, "calculator.socket");
}
