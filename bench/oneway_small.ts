// How many small messages arrive per second, each counted and checked?

import { receive, receiveOnSocket, sendOn, sendOnSocket } from "./harness/stream.ts";
import { millionPerSecond } from "./harness/question.ts";
import type { PairQuestion } from "./harness/question.ts";

const SIZE = 64;

export const question: PairQuestion = {
  rows: [{
    asks: "one-way, 64 B",
    subject: "causeway",
    peer: "Unix socket",
    metrics: ["messages/s"],
    unit: millionPerSecond,
    target: { atLeast: 10 },
  }],

  async server(setup) {
    await receive("messages");
    await receiveOnSocket(setup);
  },

  client: async (setup) => ({
    "causeway": await sendOn("messages", SIZE),
    "Unix socket": await sendOnSocket(setup, SIZE),
  }),
};
