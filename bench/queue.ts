// How many messages of 64 B pass per second from producers to consumers, each to one of them? With
// 1 + 1, 2 + 2 and 4 + 4 processes, enqueued and dequeued one by one and in batches of 64; beside a
// broker process that deals them out over Unix sockets, where "many" writes 64 at once.

import process from "node:process";
import { bytes, Queue } from "../mod.ts";
import { Child } from "./harness/processes.ts";
import { millionPerSecond } from "./harness/question.ts";
import type { Measured, Rounds, Row, Runtime, RuntimeQuestion } from "./harness/question.ts";

const PAIRS = [1, 2, 4] as const;
const HOWS = ["one", "many"] as const;
const STOP = 1;

const subject = (pairs: number, how: string, means: string): string =>
  `${means} ${pairs}+${pairs} ${how}`;

const rows: Row[] = PAIRS.flatMap((pairs) =>
  HOWS.map((how): Row => ({
    asks: `queue, ${pairs} + ${pairs}, 64 B, ${how === "one" ? "one by one" : "in batches of 64"}`,
    subject: subject(pairs, how, "queue"),
    peer: subject(pairs, how, "socket"),
    metrics: ["messages/s"],
    unit: millionPerSecond,
    target: { better: how === "many" ? 3 : 1 },
  }))
);

/** The two ends: a pair that goes one by one, and a crowd that goes in batches. */
function isQuick(pairs: number, how: string): boolean {
  return how === "one" ? pairs === 1 : pairs === 4;
}

interface Report {
  role: string;
  count: number;
}

/** The processes of one subject, and how to run a round with them. */
class Crowd implements AsyncDisposable {
  readonly #children: Child[] = [];
  readonly #pairs: number;
  readonly #means: string;
  #control!: Queue<{ ms: number }>;
  #reports!: Queue<Report>;
  #resume!: Queue<boolean>;
  #queue: Queue<Uint8Array> | undefined;

  private constructor(pairs: number, means: string) {
    this.#pairs = pairs;
    this.#means = means;
  }

  static async start(
    runtime: Runtime,
    directory: string,
    pairs: number,
    how: string,
    means: string,
  ): Promise<Crowd> {
    const crowd = new Crowd(pairs, means);
    const child = async (program: string, args: string[]): Promise<void> => {
      const started = new Child(runtime, `programs/${program}.ts`, args, directory);
      crowd.#children.push(started);
      await started.firstLine();
    };
    crowd.#control = await Queue.open("bench-control", { directory });
    crowd.#reports = await Queue.open("bench-reports", { directory });
    crowd.#resume = await Queue.open("bench-resume", { directory });
    if (means === "queue") {
      crowd.#queue = await Queue.open("bench-queue", {
        directory,
        codec: bytes,
        capacity: 2097152,
      });
    } else await child("queue_broker", []);
    for (let i = 0; i < pairs; i++) {
      await child("queue_user", ["consumer", how, means]);
      await child("queue_user", ["producer", how, means]);
    }
    return crowd;
  }

  /** All that was produced in so many ms was consumed: messages per second. */
  async round(ms: number): Promise<Measured> {
    const pairs = this.#pairs;
    const begin = performance.now();
    await this.#control.enqueueMany(Array.from({ length: pairs }, () => ({ ms })));
    let produced = 0;
    let consumed = 0;
    const count = ({ role, count }: Report): void => {
      if (role === "producer") produced += count;
      else consumed += count;
    };
    const isFrom = (reports: Report[], role: string): number =>
      reports.filter((report) => report.role === role).length;
    for (let left = pairs; left > 0;) {
      const reports = await this.#reports.dequeueMany(100);
      reports.forEach(count);
      left -= isFrom(reports, "producer");
    }
    for (let i = 0; this.#means === "queue" && i < pairs; i++) {
      await this.#queue!.enqueue(new Uint8Array(64).fill(STOP));
    }
    for (let stopped = 0; this.#means === "queue" ? stopped < pairs : consumed < produced;) {
      const reports = await this.#reports.dequeueMany(100);
      reports.forEach(count);
      stopped += isFrom(reports, "consumer");
    }
    const seconds = (performance.now() - begin) / 1000;
    if (this.#means === "queue") {
      await this.#resume.enqueueMany(Array.from({ length: pairs }, () => true));
    }
    if (consumed !== produced) throw new Error(`${consumed} of ${produced} messages arrived`);
    return { "messages/s": consumed / seconds };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const queue of [this.#control, this.#reports, this.#resume, this.#queue]) {
      await queue?.close();
    }
    for (const child of this.#children) child.kill();
    await Promise.all(this.#children.map((child) => child[Symbol.asyncDispose]()));
  }
}

export const question: RuntimeQuestion = {
  rows,

  async run(runtime, { directory, quick }) {
    const rounds: Rounds = {};
    if (process.platform === "win32") return rounds;
    const [count, ms] = quick ? [1, 400] : [4, 1500];
    for (const pairs of PAIRS) {
      for (const how of HOWS) {
        if (quick && !isQuick(pairs, how)) continue;
        // In turn: both would need the processors at the same time.
        for (let round = 0; round < count; round++) {
          for (const means of ["queue", "socket"]) {
            await using crowd = await Crowd.start(runtime, directory, pairs, how, means);
            console.error(subject(pairs, how, means));
            await crowd.round(ms); // eight programs warm up

            (rounds[subject(pairs, how, means)] ??= []).push(await crowd.round(ms));
          }
        }
      }
    }
    return rounds;
  },
};
