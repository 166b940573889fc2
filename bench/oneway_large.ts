// How many bytes per second arrive in messages of 10,000, copied in and out?
//
// By default the library copies a message out for the handler to keep; with `borrow` the handler
// sees it in place and copies it into a buffer of its own.

import { receive, receiveOnSocket, sendOn, sendOnSocket } from "./harness/stream.ts";
import { gigabytesPerSecond } from "./harness/question.ts";
import type { PairQuestion } from "./harness/question.ts";

const SIZE = 10_000;
const row = {
  peer: "Unix socket",
  metrics: ["bytes/s"],
  unit: gigabytesPerSecond,
  target: { atLeast: 8 },
};

export const question: PairQuestion = {
  rows: [
    { ...row, asks: "one-way, 10,000 B, copied in and out", subject: "borrow" },
    { ...row, asks: "one-way, 10,000 B, default", subject: "default" },
  ],

  async server(setup) {
    await receive("lent", { borrow: true });
    await receive("kept");
    await receiveOnSocket(setup);
  },

  client: async (setup) => ({
    "borrow": await sendOn("lent", SIZE),
    "default": await sendOn("kept", SIZE),
    "Unix socket": await sendOnSocket(setup, SIZE),
  }),
};
