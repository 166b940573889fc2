// How many awaited requests get through when 64 are always under way?

import { connectEcho, openEcho } from "./harness/echo.ts";
import { throughput } from "./harness/measure.ts";
import { gigabytesPerSecond, millionPerSecond } from "./harness/question.ts";
import type { PairQuestion, Subject } from "./harness/question.ts";

const IN_FLIGHT = 64;

export const question: PairQuestion = {
  rows: [{
    asks: "64 awaited requests in flight, 1 B",
    subject: "causeway, 1 B",
    peer: "Unix socket, 1 B",
    metrics: ["calls/s"],
    unit: millionPerSecond,
    target: { atLeast: 1 },
  }, {
    asks: "64 awaited requests in flight, 512 B, both ways",
    subject: "causeway, 512 B",
    peer: "Unix socket, 512 B",
    metrics: ["bytes/s"],
    unit: gigabytesPerSecond,
    target: { atLeast: 1 },
  }],

  server: openEcho,

  async client(setup) {
    const { channel, socket } = await connectEcho(setup);
    return Object.assign(
      {},
      ...[1, 512].map((size) => ({
        [`causeway, ${size} B`]: calls(size, (bytes) => channel.request(bytes)),
        [`Unix socket, ${size} B`]: calls(size, (bytes) => socket.request(bytes)),
      })),
    );
  },
};

/** Calls whose answers are told apart by their first byte. */
function calls(
  size: number,
  request: (bytes: Uint8Array) => Promise<Uint8Array | undefined>,
): Subject {
  const payload = new Uint8Array(size).fill(1);
  let last = 0;
  return async (milliseconds) => {
    const { perSecond } = await throughput(milliseconds, IN_FLIGHT, async () => {
      const number = last = (last + 1) & 0xff;
      payload[0] = number;
      const answer = await request(payload);
      if (answer?.length !== size || answer[0] !== number) {
        throw new Error(`asked ${number}, the answer is ${answer?.subarray(0, 8)}`);
      }
    });
    return { "calls/s": perSecond, "bytes/s": perSecond * size * 2 };
  };
}
