// What do small calls take on a machine that has no processor to spare: both processes on one, and
// beside twice as many processes that compute as there are processors?

import { spawnSync } from "node:child_process";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { serveOnSocket, SocketClient } from "../examples/demo/socket.ts";
import { connect, serve } from "../mod.ts";
import { connectEcho, openEcho } from "./harness/echo.ts";
import { latencies, latenciesSync } from "./harness/measure.ts";
import { Payload } from "./harness/payload.ts";
import { LATENCY, microseconds } from "./harness/question.ts";
import type { Condition, PairQuestion, Setup } from "./harness/question.ts";

const ONE_CPU = ["taskset", "-c", "0"] as const;

const oneCpu: Condition = {
  name: "one CPU for both",
  command: ONE_CPU,
  missing() {
    if (process.platform !== "linux") return "only Linux has taskset";
    const [file, ...args] = ONE_CPU;
    const { status, stderr } = spawnSync(file, [...args, "true"], { encoding: "utf8" });
    return status === 0 ? undefined : `${ONE_CPU.join(" ")}: ${stderr?.trim() || "not installed"}`;
  },
};

const overloaded: Condition = {
  name: "twice as many busy processes as CPUs",
  busy: 2 * os.availableParallelism(),
};

const calls = [
  { asks: "typed call, awaited", peer: "typed socket" },
  { asks: "typed call, blocking", peer: "typed socket" },
  { asks: "request, 64 B, awaited", peer: "socket" },
  { asks: "request, 64 B, blocking", peer: "socket" },
];

const api = { add: (a: number, b: number) => a + b };
type Api = typeof api;

export const question: PairQuestion = {
  conditions: [oneCpu, overloaded],

  rows: [{ name: oneCpu.name, better: 2 }, { name: overloaded.name, better: 1 }].flatMap((
    { name, better },
  ) =>
    calls.map(({ asks, peer }) => ({
      asks: `${name}: ${asks}`,
      subject: `${name}: ${asks}`,
      peer: `${name}: ${peer}`,
      metrics: LATENCY,
      unit: microseconds,
      target: { better },
    }))
  ),

  async server(setup) {
    await serve("calculator", api);
    await serveOnSocket(socketPath(setup), api);
    await openEcho(setup);
  },

  async client(setup) {
    const { remote, sync } = await connect<Api>("calculator");
    const typedSocket = await SocketClient.connect<Api>(socketPath(setup));
    const { channel, socket } = await connectEcho(setup);
    const payload = new Payload(64);
    let a = 0;
    const check = (sum: number) => {
      if (sum !== a + 2) throw new Error(`${a} + 2 = ${sum}`);
    };
    return {
      "typed call, awaited": (ms) => latencies(ms, () => remote.add(++a, 2), check),
      "typed socket": (ms) => latencies(ms, () => typedSocket.call("add", ++a, 2), check),
      "typed call, blocking": (ms) => latenciesSync(ms, () => sync.add(++a, 2), check),
      "request, 64 B, awaited": (ms) =>
        latencies(ms, () => channel.request(payload.next()), payload.checkEcho),
      "socket": (ms) => latencies(ms, () => socket.request(payload.next()), payload.checkEcho),
      "request, 64 B, blocking": (ms) =>
        latenciesSync(ms, () => channel.requestSync(payload.next()), payload.checkEcho),
    };
  },

  // Each process gets the processor for some ms at a time: a round must be many of those.
  plan: ({ quick }) =>
    quick
      ? { warmUp: 50, rounds: 3, milliseconds: 100 }
      : { warmUp: 500, rounds: 3, milliseconds: 500 },
};

function socketPath({ directory }: Setup): string {
  return path.join(directory, "calculator.socket");
}
