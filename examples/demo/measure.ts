// Small calls timed one by one, and files read back: by Causeway and by the Unix socket in turn,
// so that what else happens on the machine hits both.

import { deepStrictEqual } from "node:assert";
import type { Client } from "../../mod.ts";
import type { SearchApi } from "./api.ts";
import type { SocketClient } from "./socket.ts";

export interface Measurement {
  calls: number;
  /** Of small calls, in µs. */
  blocking: Latency;
  awaited: Latency;
  socket: Latency;
  /** Reading files back. */
  megabytesPerSecond: number;
  socketMegabytesPerSecond: number;
}

export interface Latency {
  p50: number;
  p99: number;
}

const ROUNDS = 3;
/** Of each round. */
const MILLISECONDS = 80;
/** Calls before any are timed: runtimes compile what runs often. */
const WARM_UP = 3000;
const WORD = "Promise";

export async function measure(
  { sync, remote }: Client<SearchApi>,
  socket: SocketClient<SearchApi>,
  texts: Map<string, Uint8Array>,
): Promise<Measurement> {
  const expected = await remote.count(WORD);
  const ways = {
    blocking: new Stopwatch(() => sync.count(WORD), expected),
    awaited: new Stopwatch(() => remote.count(WORD), expected),
    socket: new Stopwatch(() => socket.call("count", WORD), expected),
  };
  const files = new Throughput(texts, (file) => remote.read(file));
  const socketFiles = new Throughput(texts, (file) => socket.call("read", file));

  ways.blocking.runSync(WARM_UP);
  await ways.awaited.run(WARM_UP);
  await ways.socket.run(WARM_UP);
  for (const way of Object.values(ways)) way.reset();
  for (let round = 0; round < ROUNDS; round++) {
    ways.blocking.runSync(Infinity);
    await ways.awaited.run(Infinity);
    await ways.socket.run(Infinity);
    await files.run();
    await socketFiles.run();
  }
  return {
    calls: Object.values(ways).reduce((sum, way) => sum + way.calls, files.calls),
    blocking: ways.blocking.latency(),
    awaited: ways.awaited.latency(),
    socket: ways.socket.latency(),
    megabytesPerSecond: files.rate(),
    socketMegabytesPerSecond: socketFiles.rate(),
  };
}

/** Times calls one after the other, and checks their answers. */
class Stopwatch<T> {
  readonly #call: () => T | Promise<T>;
  readonly #expected: T;
  #times: number[] = [];

  constructor(call: () => T | Promise<T>, expected: T) {
    this.#call = call;
    this.#expected = expected;
  }

  async run(calls: number): Promise<void> {
    const end = performance.now() + MILLISECONDS;
    for (let start = 0; calls > 0 && start < end; calls--) {
      start = performance.now();
      this.#add(start, await this.#call());
    }
  }

  runSync(calls: number): void {
    const end = performance.now() + MILLISECONDS;
    for (let start = 0; calls > 0 && start < end; calls--) {
      start = performance.now();
      this.#add(start, this.#call());
    }
  }

  #add(start: number, answer: unknown): void {
    this.#times.push(performance.now() - start);
    if (answer !== this.#expected) throw new Error(`${answer} is not ${this.#expected}`);
  }

  reset(): void {
    this.#times = [];
  }

  get calls(): number {
    return this.#times.length;
  }

  latency(): Latency {
    const sorted = Float64Array.from(this.#times).sort();
    const at = (share: number) => sorted[Math.floor(sorted.length * share)]! * 1000;
    return { p50: at(0.5), p99: at(0.99) };
  }
}

/** Reads files, several at a time, and checks what comes. */
class Throughput {
  readonly #texts: [string, Uint8Array][];
  readonly #read: (file: string) => Promise<Uint8Array>;
  #bytes = 0;
  #milliseconds = 0;
  calls = 0;

  constructor(texts: Map<string, Uint8Array>, read: (file: string) => Promise<Uint8Array>) {
    this.#texts = [...texts];
    this.#read = read;
  }

  async run(): Promise<void> {
    const start = performance.now();
    const reader = async () => {
      while (performance.now() - start < MILLISECONDS) {
        const [file, text] = this.#texts[this.calls++ % this.#texts.length]!;
        const answer = await this.#read(file);
        deepStrictEqual(answer.length, text.length, file);
        this.#bytes += answer.length;
      }
    };
    await Promise.all(Array.from({ length: 4 }, reader));
    this.#milliseconds += performance.now() - start;
  }

  rate(): number {
    return this.#bytes / this.#milliseconds / 1000;
  }
}
