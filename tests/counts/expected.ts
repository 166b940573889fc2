// What an operation costs each side. A test fails when it costs more, and says what was called how
// often. Who saves something puts the smaller figure here.

import type { Calls } from "./counted_calls.ts";
import type { PatternName } from "./patterns.ts";
import type { Role } from "./side.ts";

export interface Cost {
  /** Calls into native code; a function that isn't named isn't called. The same in each runtime. */
  readonly native: Calls;
  /**
   * System calls of the thread that runs the event loop, beside those by which a loop asks for
   * news; undefined where they are not counted, because most of them are sleeps and wakes.
   */
  readonly system?: number;
}

/** Everything is done in shared memory. */
const none: Cost = { native: {}, system: 0 };
/** Messages come without a pause: a side sleeps only when a processor is taken from one of them. */
const busy: Cost = { native: { cw_wake: 0.2, cw_wait: 0.2 }, system: 0.2 };
/** Each side waits for the other one: at worst each message finds a loop that sleeps. */
const turns: Cost = { native: { cw_wake: 1 } };
/** The same with a thread that sleeps in the call. */
const blocks: Cost = { native: { cw_wake: 1, cw_wait: 1 } };
/** The semaphore is the system's, which isn't called either while it is free. */
const semaphore: Cost = { native: { cw_semaphore_wait: 1, cw_semaphore_post: 1 }, system: 0 };

export interface Costs extends Readonly<Record<Role, Cost>> {
  /** Bytes of V8's heap that `asks` and `answers` take, where that is counted. */
  readonly bytes?: readonly [asks: number, answers: number];
}

// deno-fmt-ignore: it is a table
export const expected: Readonly<Record<PatternName, Costs>> = {
  "channel: request, 64 in flight": { asks: busy,      answers: busy,  bytes: [1000, 350] },
  "channel: request, awaited":      { asks: turns,     answers: turns },
  "channel: request, blocking":     { asks: blocks,    answers: turns },
  "channel: message":               { asks: busy,      answers: busy,  bytes: [20, 120] },
  "rpc: call, 64 in flight":        { asks: busy,      answers: busy,  bytes: [2100, 1000] },
  "rpc: call, awaited":             { asks: turns,     answers: turns },
  "rpc: call, blocking":            { asks: blocks,    answers: turns },
  "rpc: call, one-way":             { asks: busy,      answers: busy,  bytes: [500, 650] },
  "topic: publish, receive":        { asks: busy,      answers: busy,  bytes: [150, 800] },
  "topic: publish, onMessage":      { asks: busy,      answers: busy,  bytes: [150, 200] },
  "queue: enqueue, dequeue":        { asks: busy,      answers: busy,  bytes: [290, 500] },
  "queue: enqueue, take and ack":   { asks: busy,      answers: busy,  bytes: [290, 1250] },
  "queue: blocking":                { asks: busy,      answers: busy },
  "pipe: send, receive":            { asks: busy,      answers: busy,  bytes: [150, 480] },
  "pipe: blocking":                 { asks: busy,      answers: busy },
  "mutex: free, awaited":           { asks: none,      answers: none,  bytes: [850, 0] },
  "mutex: free, blocking":          { asks: none,      answers: none },
  "mutex: contended":               { asks: turns,     answers: turns },
  "rwlock: free, awaited":          { asks: none,      answers: none,  bytes: [1350, 0] },
  "rwlock: free, blocking":         { asks: none,      answers: none },
  "rwlock: both read":              { asks: none,      answers: none },
  "semaphore: free, awaited":       { asks: semaphore, answers: none,  bytes: [700, 0] },
  "semaphore: free, blocking":      { asks: semaphore, answers: none },
  "event: set, reset, wait":        { asks: none,      answers: none,  bytes: [1250, 0] },
  "event: ping, pong":              { asks: turns,     answers: turns },
};

export const patternNames = Object.keys(expected) as readonly PatternName[];
