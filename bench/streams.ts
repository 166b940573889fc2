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
import { usualPlan } from "./harness/rounds.ts";

const row = {
  peer: "Unix socket",
  metrics: ["bytes/s"],
  unit: gigabytesPerSecond,
};

export const question: PairQuestion = {
  rows: [
    { ...row, asks: "stream as response", subject: "response", target: { better: 4 } },
    {
      ...row,
      asks: "stream as response, own memory",
      subject: "own memory",
      target: { better: 6 },
    },
    { ...row, asks: "stream as request", subject: "request", target: { better: 4 } },
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

  // A round moves what it would at full speed in its time, however long that takes.
  plan: ({ quick }) => quick ? { warmUp: 40, rounds: 3, milliseconds: 40 } : usualPlan(quick),
};
