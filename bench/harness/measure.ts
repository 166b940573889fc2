// How things are measured on the measuring side.

import { build } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import type { Measured } from "./question.ts";

/** Calls between two looks at the clock where single calls aren't timed. */
const CALLS_PER_LOOK = 64;

/**
 * What reading the clock costs here, in ns: up to a quarter of a microsecond, which is as much as
 * a round trip. It is subtracted from every latency.
 */
const clockCost = measureClock();

function measureClock(): number {
  const histogram = newHistogram();
  for (let i = 0; i < 100_000; i++) {
    const start = performance.now();
    histogram.recordValue(nanoseconds(performance.now() - start));
  }
  return histogram.getValueAtPercentile(50);
}

function newHistogram(): Histogram {
  return build({ highestTrackableValue: 100e9, numberOfSignificantValueDigits: 3 });
}

function nanoseconds(elapsed: number): number {
  return Math.max(0, Math.round(elapsed * 1e6));
}

/** One call after the other, each timed. `check` runs outside of the time measured. */
export async function latencies<T>(
  milliseconds: number,
  call: () => Promise<T>,
  check: (answer: T) => void,
  before?: () => Promise<unknown>,
): Promise<Measured> {
  const histogram = newHistogram();
  const end = performance.now() + milliseconds;
  for (let start = 0; start < end;) {
    if (before !== undefined) await before();
    start = performance.now();
    const answer = await call();
    histogram.recordValue(nanoseconds(performance.now() - start));
    check(answer);
  }
  return summary(histogram);
}

/** The same for calls that block. */
export function latenciesSync<T>(
  milliseconds: number,
  call: () => T,
  check: (answer: T) => void,
): Measured {
  const histogram = newHistogram();
  const end = performance.now() + milliseconds;
  for (let start = 0; start < end;) {
    start = performance.now();
    const answer = call();
    histogram.recordValue(nanoseconds(performance.now() - start));
    check(answer);
  }
  return summary(histogram);
}

function summary(histogram: Histogram): Measured {
  const at = (percentile: number) =>
    Math.max(0, histogram.getValueAtPercentile(percentile) - clockCost);
  return {
    calls: histogram.totalCount,
    p50: at(50),
    p99: at(99),
    "p99.9": at(99.9),
    max: at(100),
    mean: Math.max(0, histogram.mean - clockCost),
  };
}

/**
 * Calls per second with `inFlight` of them under way at any time. Long calls want a look at the
 * clock after each.
 */
export async function throughput(
  milliseconds: number,
  inFlight: number,
  call: () => Promise<void>,
  perLook = CALLS_PER_LOOK,
): Promise<{ calls: number; perSecond: number }> {
  const start = performance.now();
  let over = false;
  let calls = 0;
  const caller = async () => {
    while (!over) {
      await call();
      if (++calls % perLook === 0) over = performance.now() - start > milliseconds;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return { calls, perSecond: calls / (performance.now() - start) * 1000 };
}

/**
 * Sends for so long, then asks the receiver what has arrived: the time ends when it has confirmed
 * the last message. `send` returns false when the sender must wait for `writable`.
 */
export async function stream(
  milliseconds: number,
  sender: {
    send(): boolean;
    writable(): Promise<unknown>;
    /** How many messages the receiver has had, after checking each. */
    confirm(): Promise<number>;
  },
  perLook = CALLS_PER_LOOK,
): Promise<{ messages: number; perSecond: number }> {
  const start = performance.now();
  let messages = 0;
  while (performance.now() - start < milliseconds) {
    for (let i = 0; i < perLook; i++) {
      messages++;
      if (!sender.send()) await sender.writable();
    }
  }
  const received = await sender.confirm();
  const elapsed = performance.now() - start;
  if (received !== messages) throw new Error(`${messages} sent, ${received} received`);
  return { messages, perSecond: messages / elapsed * 1000 };
}
