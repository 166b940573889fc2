// All questions, by the name that --only takes. Each is loaded where it is asked.

import type { Question } from "./harness/question.ts";

// deno-fmt-ignore: it is a table
export const questions: Record<string, () => Promise<Question>> = {
  "floors": async () => (await import("./floors.ts")).question,
  "blocking": async () => (await import("./blocking.ts")).question,
  "awaited": async () => (await import("./awaited.ts")).question,
  "parked": async () => (await import("./parked.ts")).question,
  "proxy": async () => (await import("./proxy.ts")).question,
  "payloads": async () => (await import("./payloads.ts")).question,
  "structures": async () => (await import("./structures.ts")).question,
  "in-flight": async () => (await import("./in_flight.ts")).question,
  "pipelined": async () => (await import("./pipelined.ts")).question,
  "busy": async () => (await import("./busy.ts")).question,
  "cold": async () => (await import("./cold.ts")).question,
  "oneway-small": async () => (await import("./oneway_small.ts")).question,
  "oneway-large": async () => (await import("./oneway_large.ts")).question,
  "pipe": async () => (await import("./pipe.ts")).question,
  "streams": async () => (await import("./streams.ts")).question,
  "topic": async () => (await import("./topic.ts")).question,
  "idle-connections": async () => (await import("./idle_connections.ts")).question,
  "load": async () => (await import("./load.ts")).question,
  "queue": async () => (await import("./queue.ts")).question,
  "locks": async () => (await import("./locks.ts")).question,
  "idle-cpu": async () => (await import("./idle_cpu.ts")).question,
};

/** These take long to set up, and what they ask of hardly ever changes. */
const SLOW = ["idle-connections", "idle-cpu"];

/** What --quick asks, if it isn't told. */
export const quickQuestions = Object.keys(questions).filter((name) => !SLOW.includes(name));
