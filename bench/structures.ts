// What do values cost that are no bytes: a small object, lists of records, text? Echoed, one at a
// time and four, against the same codec over a Unix socket.

import { deepStrictEqual } from "node:assert";
import path from "node:path";
import { serveOnSocket, SocketClient } from "../examples/demo/socket.ts";
import { connect, serve } from "../mod.ts";
import { latencies, throughput } from "./harness/measure.ts";
import { LATENCY, microseconds, thousandPerSecond } from "./harness/question.ts";
import type { PairQuestion, Row, Setup, Subject } from "./harness/question.ts";

const IN_FLIGHT = 4;

interface SmallObject {
  id: number;
  name: string;
  ok: boolean;
}

/** What most lists consist of. In a list it has about 60 B of MessagePack. */
interface RecordOfPerson extends SmallObject {
  email: string;
  age: number;
  score: number;
  tags: string[];
}

const api = { echo: (value: unknown) => value };
type Api = typeof api;
type Echo = (value: unknown) => Promise<unknown>;

/** Each has a number that tells answers apart: of an object its id, of a text its length. */
interface Structure {
  name: string;
  make(number: number): unknown;
  numberOf(value: unknown): unknown;
}

const object: Structure = {
  name: "small object",
  make: (id): SmallObject => ({ id, name: "a name", ok: true }),
  numberOf: (value) => (value as SmallObject).id,
};

const structures: Structure[] = [
  object,
  records("1 KB of records", 18),
  records("100 KB of records", 1660),
  text("text of 1 KB", 1000),
  text("text of 100 KB", 100_000),
];

function records(name: string, count: number): Structure {
  const make = (first: number): RecordOfPerson[] =>
    Array.from({ length: count }, (_, i) => ({
      id: first + i,
      name: `person ${i}`,
      ok: i % 3 > 0,
      email: `person.${i}@example.com`,
      age: 20 + i % 60,
      score: i / 7,
      tags: ["red", "large"],
    }));
  return {
    name,
    make,
    numberOf: (value) => (value as RecordOfPerson[])[count - 1]!.id - count + 1,
  };
}

function text(name: string, length: number): Structure {
  const words = "the quick brown fox jumps over the lazy dog, ".repeat(length / 40);
  return {
    name,
    make: (number) => `${number} ${words}`.slice(0, length),
    numberOf: (value) => parseInt(value as string),
  };
}

const subjectOf = (name: string, inFlight: number) =>
  inFlight === 1 ? name : `${name}, 4 in flight`;

export const question: PairQuestion = {
  rows: structures.flatMap(({ name }): Row[] =>
    [1, IN_FLIGHT].map((inFlight) => ({
      asks: `typed echo: ${subjectOf(name, inFlight)}`,
      subject: subjectOf(name, inFlight),
      peer: `socket, ${subjectOf(name, inFlight)}`,
      ...(inFlight === 1
        ? { metrics: LATENCY, unit: microseconds }
        : { metrics: ["calls/s"], unit: thousandPerSecond }),
      target: { better: 1 },
    }))
  ),

  async server(setup) {
    await serve("structures", api);
    await serveOnSocket(socketPath(setup), api);
  },

  async client(setup) {
    const { remote } = await connect<Api>("structures");
    const socket = await SocketClient.connect<Api>(socketPath(setup));
    const subjects: Record<string, Subject> = {};
    for (const structure of structures) {
      for (const inFlight of [1, IN_FLIGHT]) {
        const subject = subjectOf(structure.name, inFlight);
        subjects[subject] = echoing(structure, inFlight, (value) => remote.echo(value));
        subjects[`socket, ${subject}`] = echoing(
          structure,
          inFlight,
          (value) => socket.call("echo", value),
        );
      }
    }
    return subjects;
  },

  plan: ({ quick }) =>
    quick
      ? { warmUp: 40, rounds: 3, milliseconds: 40 }
      : { warmUp: 300, rounds: 3, milliseconds: 200 },
};

/** Values that are made before: making one is no part of the call. */
const MADE = 16;

function echoing({ make, numberOf }: Structure, inFlight: number, echo: Echo): Subject {
  const values = Array.from({ length: MADE }, (_, number) => make(number));
  let last = 0;
  const next = () => values[last = (last + 1) % MADE];
  const check = (answer: unknown, number: number) => {
    if (numberOf(answer) !== number) {
      throw new Error(`${numberOf(answer)} came back, not ${number}`);
    }
  };
  let checked = false;
  return async (milliseconds) => {
    if (!checked) deepStrictEqual(await echo(values[1]), values[1]);
    checked = true;
    if (inFlight === 1) {
      return await latencies(milliseconds, () => echo(next()), (answer) => check(answer, last));
    }
    const { perSecond } = await throughput(milliseconds, inFlight, async () => {
      const value = next();
      const number = last;
      check(await echo(value), number);
    });
    return { "calls/s": perSecond };
  };
}

function socketPath({ directory }: Setup): string {
  return path.join(directory, "structures.socket");
}
