// How many bytes per second does a long stream carry, as a request or as a response?
//
// "own memory" is a reader that brings a buffer and gets it back filled (BYOB): nothing is
// allocated for it. The default allocates what it hands over.

import {
  connectStreams,
  receiveOn,
  receiveOnSocket,
  sendOn,
  serveOnSocket,
  serveStreams,
} from "./harness/byte_stream.ts";
import { gigabytesPerSecond } from "./harness/question.ts";
import type { PairQuestion } from "./harness/question.ts";

const row = {
  peer: "Unix socket",
  metrics: ["bytes/s"],
  unit: gigabytesPerSecond,
  target: { atLeast: 10 },
};

export const question: PairQuestion = {
  rows: [
    { ...row, asks: "stream as response", subject: "response" },
    { ...row, asks: "stream as response, own memory", subject: "own memory" },
    { ...row, asks: "stream as request", subject: "request" },
  ],

  async server(setup) {
    await serveStreams();
    await serveOnSocket(setup);
  },

  async client(setup) {
    const client = await connectStreams();
    return {
      "response": receiveOn(client, "default"),
      "own memory": receiveOn(client, "own memory"),
      "request": sendOn(client),
      "Unix socket": receiveOnSocket(setup),
    };
  },
};
