// How many calls a second with 40 under way, of 2 bytes and of 1,700, echoed? What a server of
// records does: sizes between "small" and "large", many callers. Typed and on bytes.

import path from "node:path";
import { serveOnSocket, SocketClient } from "../examples/demo/socket.ts";
import { connect, RpcClient, RpcServer, serve } from "../mod.ts";
import { throughput } from "./harness/measure.ts";
import { thousandPerSecond } from "./harness/question.ts";
import type { PairQuestion, Row, Setup, Subject } from "./harness/question.ts";
import { checkDigest, digest, sample } from "./harness/samples.ts";
import { serveEcho, SocketClient as BytesSocketClient } from "./harness/socket.ts";

const IN_FLIGHT = 40;
const SIZES = [2, 1700];

const api = { echo: (bytes: Uint8Array) => bytes };
type Api = typeof api;

const subjectOf = (kind: string, size: number) => `${kind}, ${size.toLocaleString("en")} B`;

export const question: PairQuestion = {
  rows: ["typed", "bytes"].flatMap((kind) =>
    SIZES.map((size): Row => ({
      asks: `40 in flight, echoed: ${subjectOf(kind, size)}`,
      subject: subjectOf(kind, size),
      peer: `socket ${subjectOf(kind, size)}`,
      metrics: ["calls/s"],
      unit: thousandPerSecond,
      target: { ...(kind === "bytes" ? { atLeast: 300 } : {}), better: 1 },
    }))
  ),

  async server(setup) {
    await serve("typed", api);
    await serveOnSocket(socketPath(setup), api);
    await RpcServer.open("bytes", { onRequest: (bytes) => bytes });
    await serveEcho(setup.directory);
  },

  async client(setup) {
    const { remote } = await connect<Api>("typed");
    const typedSocket = await SocketClient.connect<Api>(socketPath(setup));
    const client = await RpcClient.open("bytes");
    const socket = await BytesSocketClient.connect(setup.directory);
    const subjects: Record<string, Subject> = {};
    for (const size of SIZES) {
      const add = (kind: string, echo: (bytes: Uint8Array) => Promise<Uint8Array | undefined>) =>
        subjects[subjectOf(kind, size)] = calls(size, echo);
      add("typed", (bytes) => remote.echo(bytes));
      add("socket typed", (bytes) => typedSocket.call("echo", bytes));
      add("bytes", (bytes) => client.request(bytes));
      add("socket bytes", (bytes) => socket.request(bytes));
    }
    return subjects;
  },
};

function calls(
  size: number,
  echo: (bytes: Uint8Array) => Promise<Uint8Array | undefined>,
): Subject {
  let variant = 0;
  return async (milliseconds) => {
    const { perSecond } = await throughput(milliseconds, IN_FLIGHT, async () => {
      const asked = ++variant;
      checkDigest(digest((await echo(sample(size, asked)))!), size, asked);
    });
    return { "calls/s": perSecond };
  };
}

function socketPath({ directory }: Setup): string {
  return path.join(directory, "typed.socket");
}
