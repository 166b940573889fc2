// A server with every kind of stream, and what tests need to look at them.

import type { Peer } from "./peers.ts";

/** What {@linkcode serveStreams} serves. */
export interface StreamApi {
  /** Yields 0 to n - 1. */
  count(n: number): AsyncIterable<number>;
  /** The same as a web stream. */
  countStream(n: number): ReadableStream<number>;
  /** The same, and then throws a TypeError with a cause. */
  countAndFail(n: number): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
  /** What came before the error, and the error. */
  sumUntilError(numbers: AsyncIterable<number>): Promise<{ sum: number; error: Error }>;
  /** So many bytes, in chunks of that size; byte i is i & 0xff. */
  bytes(total: number, chunk: number): ReadableStream<Uint8Array>;
  /** The same as a byte stream, for BYOB readers. */
  ownBytes(total: number): ReadableStream<Uint8Array>;
  /** Reads bytes that are as those of `bytes`, and counts them. */
  check(stream: ReadableStream<Uint8Array>): Promise<number>;
  /** Gives everything back, doubled where it is a number. */
  double(stream: AsyncIterable<unknown>): AsyncIterable<unknown>;
  echo(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array>;
  /** A stream to write to, and what was written when it was closed. */
  sink(options?: { failAt?: number; failClose?: boolean }): {
    stream: WritableStream<unknown>;
    written: () => Promise<unknown[]>;
  };
  /** Writes 0 to n - 1 to a stream of the caller. */
  writeTo(stream: WritableStream<unknown>, n: number): Promise<void>;
  /** Writes one value, then aborts. */
  abortAfterOne(stream: WritableStream<unknown>): Promise<void>;
  nested(): {
    list: [AsyncIterable<string>, { deep: ReadableStream<number> }];
    map: Map<string, AsyncIterable<{ inner: AsyncIterable<number> }>>;
  };
  takeNested(value: { a: [AsyncIterable<number>]; b: ReadableStream<number> }): Promise<number>;
  /** Never gives anything. */
  stall(): ReadableStream<Uint8Array>;
  /** Takes a stream and reads one value of it. */
  readOne(stream: AsyncIterable<unknown>): Promise<unknown>;
  /** Takes a stream and never reads it. */
  ignore(stream: AsyncIterable<unknown>): number;
  add(a: number, b: number): number;
  /** What has happened to its streams so far. */
  events(): string[];
  /** How far `bytes` and `count` are. */
  produced(): number;
  fail(stream: AsyncIterable<unknown>): never;
  hang(stream: AsyncIterable<unknown>): Promise<never>;
}

/** Serves a {@linkcode StreamApi} in a peer. */
export async function serveStreams(peer: Peer, name: string): Promise<void> {
  await peer.run(async ({ ipc, use, kept }, name: string) => {
    const events: string[] = [];
    let produced = 0;
    const text = (reason: unknown) => reason instanceof Error ? reason.message : String(reason);
    async function* count(n: number) {
      const { signal } = ipc.currentCall();
      signal.addEventListener("abort", () => events.push("signal"));
      try {
        for (let i = 0; i < n; i++) {
          produced = i + 1;
          yield i;
        }
      } finally {
        events.push("returned");
      }
    }
    const bytes = (total: number, size: number) => {
      const pattern = new Uint8Array(size + 256).map((_, index) => index);
      let sent = 0;
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          const now = Math.min(size, total - sent);
          if (now > 0) controller.enqueue(pattern.slice(sent & 0xff, (sent & 0xff) + now));
          sent += now;
          produced = sent;
          if (sent === total) controller.close();
        },
        cancel: (reason) => void events.push(`cancelled: ${text(reason)}`),
      }, { highWaterMark: 0 });
    };
    const ownBytes = (total: number) => {
      let sent = 0;
      return new ReadableStream<Uint8Array>({
        type: "bytes",
        pull(controller) {
          const chunk = new Uint8Array(Math.min(5000, total - sent));
          for (let i = 0; i < chunk.length; i++) chunk[i] = sent + i;
          sent += chunk.length;
          controller.enqueue(chunk);
          if (sent === total) controller.close();
        },
      });
    };
    kept.server = use(
      await ipc.serve(name, {
        count,
        countStream(n: number) {
          let i = 0;
          return new ReadableStream<number>({
            pull(controller) {
              if (i === n) controller.close();
              else controller.enqueue(i++);
            },
            cancel: (reason) => void events.push(`cancelled: ${text(reason)}`),
          });
        },
        async *countAndFail(n: number) {
          yield* count(n);
          throw Object.assign(new TypeError("no more", { cause: new RangeError("deeper") }), {
            at: n,
          });
        },
        async sum(numbers: AsyncIterable<number>) {
          let sum = 0;
          for await (const each of numbers) sum += each;
          return sum;
        },
        async sumUntilError(numbers: AsyncIterable<number>) {
          let sum = 0;
          try {
            for await (const each of numbers) sum += each;
          } catch (error) {
            return { sum, error };
          }
          throw new Error("no error came");
        },
        bytes,
        ownBytes,
        async check(stream: ReadableStream<Uint8Array>) {
          let received = 0;
          for await (const chunk of stream) {
            for (let i = 0; i < chunk.length; i += 97) {
              if (chunk[i] !== ((received + i) & 0xff)) throw new Error(`byte ${received + i}`);
            }
            received += chunk.length;
          }
          return received;
        },
        async *double(stream: AsyncIterable<unknown>) {
          for await (const each of stream) yield typeof each === "number" ? each * 2 : each;
        },
        echo: (stream: ReadableStream<Uint8Array>) => stream,
        sink({ failAt = Infinity, failClose = false } = {}) {
          const written: unknown[] = [];
          const closed = Promise.withResolvers<unknown[]>();
          closed.promise.catch(() => {});
          const stream = new WritableStream<unknown>({
            write(chunk) {
              if (written.length === failAt) throw new RangeError(`not the one after ${failAt}`);
              written.push(chunk);
            },
            close() {
              if (failClose) throw new Error("can't be closed");
              closed.resolve(written);
            },
            abort: (reason) => closed.reject(reason),
          });
          return { stream, written: () => closed.promise };
        },
        async writeTo(stream: WritableStream<unknown>, n: number) {
          const writer = stream.getWriter();
          for (let i = 0; i < n; i++) await writer.write(i);
          await writer.close();
        },
        async abortAfterOne(stream: WritableStream<unknown>) {
          const writer = stream.getWriter();
          await writer.write("one");
          await writer.abort(new Error("changed my mind"));
        },
        nested() {
          async function* words() {
            yield "a";
            yield "b";
          }
          async function* inner() {
            yield { inner: count(2) };
            yield { inner: count(3) };
          }
          const deep = new ReadableStream<number>({
            start(controller) {
              controller.enqueue(1);
              controller.close();
            },
          });
          return { list: [words(), { deep }], map: new Map([["x", inner()]]) };
        },
        async takeNested({ a, b }: { a: [AsyncIterable<number>]; b: ReadableStream<number> }) {
          let sum = 0;
          for await (const each of a[0]) sum += each;
          for await (const each of b) sum += each;
          return sum;
        },
        stall: () =>
          new ReadableStream({ cancel: (reason) => void events.push(`stalled: ${text(reason)}`) }),
        async readOne(stream: AsyncIterable<unknown>) {
          for await (const each of stream) return each;
          return "none";
        },
        ignore(stream: AsyncIterable<unknown>) {
          kept.ignored = stream;
          return 1;
        },
        add: (a: number, b: number) => a + b,
        events: () => events,
        produced: () => produced,
        fail() {
          throw new Error("not that one");
        },
        hang: () => new Promise<never>(() => {}),
      }),
    );
  }, name);
}

/** Bytes as {@linkcode StreamApi.check} wants them. */
export function patternStream(total: number, size = 100_000): ReadableStream<Uint8Array> {
  const pattern = new Uint8Array(size + 256).map((_, index) => index);
  let sent = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const now = Math.min(size, total - sent);
      if (now > 0) controller.enqueue(pattern.slice(sent & 0xff, (sent & 0xff) + now));
      sent += now;
      if (sent === total) controller.close();
    },
  }, { highWaterMark: 0 });
}

/** Counts bytes that follow the pattern. */
export async function checkPattern(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let received = 0;
  for await (const chunk of stream) {
    for (let i = 0; i < chunk.length; i += 97) {
      if (chunk[i] !== ((received + i) & 0xff)) throw new Error(`byte ${received + i}`);
    }
    received += chunk.length;
  }
  return received;
}

/** All values of a stream. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of stream) values.push(value);
  return values;
}

/** Counts up, and notes how it ended. */
export async function* counting(n: number, events: string[] = []): AsyncGenerator<number> {
  try {
    for (let i = 0; i < n; i++) yield i;
  } finally {
    events.push("returned");
  }
}
