// What do payloads of 0 B to 64 MB cost, as an argument, as a result and as both, one call after the
// other and several at a time? Typed and on bytes, against Unix sockets with the same codec.

import { latencies, latenciesSync, stream, throughput } from "./harness/measure.ts";
import { type Cell, cells, isAsked, peerOf, rowOf, subjectOf } from "./harness/payload_cells.ts";
import {
  connectBytes,
  connectTyped,
  digestIn,
  serveBytes,
  serveTyped,
} from "./harness/payload_ways.ts";
import type { Answer, Calls, Messages, Ways } from "./harness/payload_ways.ts";
import type { Measured, PairQuestion, Subject } from "./harness/question.ts";
import { checkDigest, checkWhole, digest, sample } from "./harness/samples.ts";

/** Calls from this size on take longer than a look at the clock, by far. */
const LONG = 10_000;

export const question: PairQuestion = {
  rows: cells.map(rowOf),

  async server(setup) {
    await serveTyped(setup);
    await serveBytes(setup);
  },

  async client(setup) {
    const ways = { typed: await connectTyped(setup), bytes: await connectBytes(setup) };
    const subjects: Record<string, Subject> = {};
    for (const cell of cells) {
      if (!isAsked(cell, setup)) continue;
      subjects[subjectOf(cell)] = subjectFor(cell, ways[cell.api], "causeway");
      subjects[peerOf(cell)] ??= subjectFor(cell, ways[cell.api], "socket");
    }
    return subjects;
  },

  // Hundreds of subjects: each gets less time than where there are three.
  plan({ quick }) {
    return quick
      ? { warmUp: 20, rounds: 3, milliseconds: 30 }
      : { warmUp: 100, rounds: 3, milliseconds: 100 };
  },
};

/** Before the first time all bytes of an answer are checked, later their ends. */
function subjectFor(cell: Cell, ways: Ways, whose: "causeway" | "socket"): Subject {
  if (cell.way === "one-way") {
    return messages(cell, whose === "socket" ? ways.socketOneway : ways.oneway);
  }
  const calls = whose === "socket" ? ways.socket : ways[cell.way];
  let checked = false;
  const measure = cell.inFlight > 1
    ? rate(cell, calls)
    : calls === ways.blocking
    ? blocking(cell, calls)
    : awaited(cell, calls);
  return async (milliseconds) => {
    if (!checked) checkWhole(await calls.echo(sample(cell.size, 1)), cell.size, 1);
    checked = true;
    return await measure(milliseconds);
  };
}

/** Makes call after call, each with the next sample. */
function caller({ size, direction }: Cell, calls: Calls) {
  let variant = 0;
  const next = {
    argument: () => calls.take(sample(size, variant)),
    result: () => calls.give(size, variant),
    both: () => calls.echo(sample(size, variant)),
  }[direction];
  const checkFor = (answer: Answer, asked: number) =>
    checkDigest(digestIn(answer, direction === "argument"), size, asked);
  return {
    call() {
      variant++;
      return next();
    },
    /** Checks the answer of the last call. */
    check: (answer: Answer) => checkFor(answer, variant),
    /** Calls, and checks when the answer is there, whatever was called meanwhile. */
    async checked() {
      const asked = ++variant;
      checkFor(await next(), asked);
    },
  };
}

function awaited(cell: Cell, calls: Calls): Subject {
  const { call, check } = caller(cell, calls);
  return (milliseconds) => latencies(milliseconds, call as () => Promise<Answer>, check);
}

function blocking(cell: Cell, calls: Calls): Subject {
  const { call, check } = caller(cell, calls);
  return (milliseconds) => latenciesSync(milliseconds, call as () => Answer, check);
}

function rate(cell: Cell, calls: Calls): Subject {
  const { checked } = caller(cell, calls);
  const { size, inFlight, direction } = cell;
  return async (milliseconds) => {
    const perLook = size >= LONG ? 1 : undefined;
    const { perSecond } = await throughput(milliseconds, inFlight, checked, perLook);
    return rates(perSecond, direction === "both" ? 2 * size : size);
  };
}

function messages({ size }: Cell, { tell, writable, told }: Messages): Subject {
  return async (milliseconds) => {
    let variant = 0;
    let sum = 0;
    const { perSecond } = await stream(milliseconds, {
      send() {
        const bytes = sample(size, ++variant);
        sum += digest(bytes);
        return tell(bytes);
      },
      writable,
      async confirm() {
        const [messages, seen] = await told();
        if (seen !== sum) throw new Error(`messages whose digests are ${sum} arrived as ${seen}`);
        return messages;
      },
    }, size >= LONG ? 1 : undefined);
    return rates(perSecond, size);
  };
}

function rates(perSecond: number, bytes: number): Measured {
  return { "calls/s": perSecond, "bytes/s": perSecond * bytes };
}
