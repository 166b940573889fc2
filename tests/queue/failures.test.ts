// Messages that can't be processed: what consumers are told, how often they are delivered, and
// where they go.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, type Codec, SharedMemory } from "../../mod.ts";
import * as errors from "../../src/errors.ts";
import { Queue } from "../../src/queue/queue.ts";
import { Kind, MembershipLayout, QueueChunk, QueueLayout } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { native, Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";
import { queueTest } from "./opened.ts";

/** Texts; "bad" ones can't be decoded. */
const text: Codec = {
  name: "text",
  encode: (value) => new TextEncoder().encode(String(value)),
  decode(payload) {
    const text = new TextDecoder().decode(payload);
    if (text.startsWith("bad")) throw new errors.CodecError(text);
    return text === "nothing" ? undefined : text;
  },
};

const textIn = (payload: Uint8Array): string => new TextDecoder().decode(payload);

/** Rejects a message until it isn't delivered any more; how often it was. */
async function rejectUntilGone(queue: Queue): Promise<number> {
  let deliveries = 0;
  for (let job = queue.tryTake(); job !== undefined; job = queue.tryTake()) {
    assert.equal(job.attempts, ++deliveries);
    assert.equal(job.redelivered, deliveries > 1);
    job.reject();
    await Promise.resolve();
  }
  return deliveries;
}

queueTest("what can't be decoded is delivered, and says so", async (open) => {
  const queue = await open<string>({ codec: text });
  queue.tryEnqueueMany(["bad one", "nothing", "good"]);
  const got: string[] = [];
  for await (using job of queue.deliveries()) {
    if (job.error === undefined) {
      got.push(job.value);
      job.ack();
      break;
    }
    assert.ok(job.error instanceof errors.CodecError);
    assert.throws(() => job.value, (error) => error === job.error);
    got.push(`error: ${textIn(job.bytes)}`);
    job.ack();
  }
  assert.deepEqual(got, ["error: bad one", "error: nothing", "good"]);
  assert.deepEqual([queue.size, queue.stats.unacknowledged], [0, 0]);
});

queueTest("one that can't be decoded comes again when it is rejected", async (open) => {
  const queue = await open<string>({ codec: text });
  queue.tryEnqueueMany(["bad", "good"]);
  for (let attempts = 1; attempts < 5; attempts++) {
    const job = queue.tryTake()!;
    assert.deepEqual([textIn(job.bytes), job.attempts], ["bad", attempts]);
    job.reject();
  }
  queue.tryTake()!.ack();
  assert.equal(queue.tryTake()!.value, "good");
});

queueTest("taking values goes on with the next, and tells onError", async (open) => {
  const told: unknown[] = [];
  const queue = await open<string>({ codec: text, onError: (error) => told.push(error) });
  const errorsTold = (): string[] => told.splice(0).map((error) => (error as Error).message);
  queue.tryEnqueueMany(["bad 1", "a", "bad 2", "nothing", "b", "c", "bad 3", "d"]);
  assert.equal(await queue.dequeue(), "a");
  assert.deepEqual(errorsTold(), ["bad 1"]);
  assert.deepEqual(await queue.dequeueMany(2), ["b", "c"], "as many as were asked for");
  assert.match(errorsTold().join(), /bad 2,the codec "text" read undefined/);
  assert.deepEqual(queue.tryDequeueMany(10), ["d"]);
  queue.tryEnqueueMany(["bad 4", "bad 5"]);
  assert.equal(queue.tryDequeue(), undefined);
  assert.deepEqual(errorsTold(), ["bad 3", "bad 4", "bad 5"]);
  queue.tryEnqueueMany(["bad 6", "e"]);
  for await (const value of queue) {
    assert.equal(value, "e");
    break;
  }
  const waiting = queue.dequeueMany(5);
  queue.tryEnqueue("bad 7");
  await until(() => told.length === 2, "the bad one");
  queue.tryEnqueue("f");
  assert.deepEqual(await waiting, ["f"], "a list that would be empty isn't handed over");
});

test("without onError the console is told once, and nothing ends", async () => {
  using scratch = new Scratch();
  await using queue = await Queue.open<string>("q", { directory: scratch.path, codec: text });
  const { error } = console;
  const lines: unknown[][] = [];
  console.error = (...line) => lines.push(line);
  try {
    queue.tryEnqueueMany(["bad", "bad", "good"]);
    assert.equal(queue.tryDequeue(), "good");
  } finally {
    console.error = error;
  }
  assert.equal(lines.length, 1);
  assert.match(String(lines[0]![0]), /queue "q"/);
  assert.ok(lines[0]![1] instanceof errors.CodecError);
});

queueTest("after so many deliveries a message goes to the dead-letter queue", async (open) => {
  const jobs = await open<string>({ maxAttempts: 3, deadLetter: "dead" });
  const dead = await open<string>({}, "dead");
  jobs.tryEnqueueMany(["poison"]);
  assert.equal(await rejectUntilGone(jobs), 3);
  assert.deepEqual([jobs.size, jobs.stats.deadLettered], [0, 1]);
  const job = await dead.take();
  assert.deepEqual([job.value, job.attempts], ["poison", 1]);
  job.ack();

  // The same when no consumer rejects it: each closes the queue instead.
  jobs.tryEnqueue("deadly");
  for (let attempts = 1; attempts <= 3; attempts++) {
    const consumer = await open<string>({ maxAttempts: 3, deadLetter: "dead" });
    assert.equal(consumer.tryTake()!.attempts, attempts);
    await consumer.close();
  }
  assert.equal(jobs.tryTake(), undefined);
  assert.equal(jobs.tryDequeue(), undefined);
  assert.equal(await dead.dequeue(), "deadly");
  // A disposed delivery counts as rejected.
  jobs.tryEnqueueMany(["left", "next"]);
  for (let turn = 0; turn < 3; turn++) {
    using left = jobs.tryTake()!;
    assert.equal(left.value, "left");
  }
  assert.equal(jobs.tryDequeue(), "next");
  assert.equal(await dead.dequeue(), "left");
});

queueTest("a delivery is sent to the dead-letter queue at once, or refused", async (open) => {
  const jobs = await open<string>({ deadLetter: "dead" });
  const plain = await open<string>({});
  const dead = await open<string>({}, "dead");
  jobs.tryEnqueueMany(["a", "b"]);
  jobs.tryTake()!.reject({ deadLetter: true });
  assert.equal(await dead.dequeue(), "a");
  const job = plain.tryTake()!;
  assert.throws(() => job.reject({ deadLetter: true }), (error) => {
    return error instanceof errors.ArgumentError && /no dead-letter queue/.test(error.message);
  });
  assert.throws(() => job.reject({ later: 5 } as never), errors.ArgumentError);
  assert.throws(() => job.reject({ delay: -1 }), errors.ArgumentError);
  assert.throws(() => job.reject({ delay: 5, deadLetter: true }), errors.ArgumentError);
  job.ack();
});

queueTest("what dequeue can't decode goes to the dead-letter queue", async (open) => {
  const told: unknown[] = [];
  const options = {
    codec: text,
    deadLetter: "dead",
    onError: (error: unknown) => told.push(error),
  };
  const jobs = await open<string>(options);
  const dead = await open<string>({ codec: text }, "dead");
  jobs.tryEnqueueMany(["bad 1", "a", "bad 2", "b", "c"]);
  assert.equal(await jobs.dequeue(), "a");
  assert.deepEqual(await jobs.dequeueMany(10), ["b", "c"]);
  assert.deepEqual([textIn(dead.tryTake()!.bytes), textIn(dead.tryTake()!.bytes)], [
    "bad 1",
    "bad 2",
  ]);
  assert.deepEqual(told, []);
  const { messagesReceived, deadLettered, acknowledged, unacknowledged } = jobs.stats;
  assert.deepEqual([messagesReceived, deadLettered, acknowledged, unacknowledged], [5, 2, 0, 0]);
});

queueTest("a dead-letter queue that is full holds nobody up, and loses nothing", async (open) => {
  const options = { codec: bytes, capacity: 4096 };
  const dead = await open<Uint8Array>(options, "dead");
  const jobs = await open<Uint8Array>({ ...options, deadLetter: "dead" });
  let inside = 0;
  while (dead.tryEnqueue(new Uint8Array(120))) inside++;
  for (const n of [1, 2, 3]) jobs.tryEnqueue(new Uint8Array([n]));
  for (let i = 0; i < 2; i++) jobs.tryTake()!.reject({ deadLetter: true });
  assert.equal((await jobs.dequeue())[0], 3);
  assert.deepEqual([dead.size, jobs.size, jobs.stats.unacknowledged], [inside, 0, 0]);
  for (; inside > 0; inside--) dead.tryDequeue();
  assert.equal((await dead.dequeue())[0], 1);
  assert.equal((await dead.dequeue())[0], 2);
  await until(() => jobs.stats.deadLettered === 2, "both");

  // Closed before there is room, it gives them back.
  while (dead.tryEnqueue(new Uint8Array(120)));
  jobs.tryEnqueue(new Uint8Array([4]));
  const other = await open<Uint8Array>({ codec: bytes });
  jobs.tryTake()!.reject({ deadLetter: true });
  assert.equal(other.tryTake(), undefined);
  await jobs.close();
  const again = other.tryTake()!;
  assert.deepEqual([again.value[0], again.attempts], [4, 2]);
});

queueTest(
  "a delayed rejection comes back after its time, or when the queue is closed",
  async (open) => {
    const [a, b] = [await open<string>(), await open<string>()];
    a.tryEnqueueMany(["slow", "quick"]);
    const start = performance.now();
    a.tryTake()!.reject({ delay: 60 });
    assert.equal(b.tryDequeue(), "quick");
    assert.equal(b.tryDequeue(), undefined);
    assert.equal(a.stats.unacknowledged, 0);
    const job = await b.take();
    assert.ok(performance.now() - start >= 59);
    assert.deepEqual([job.value, job.attempts], ["slow", 2]);
    job.reject({ delay: 3600_000 });
    assert.equal(a.tryTake(), undefined);
    await b.close();
    assert.equal(a.tryTake()!.attempts, 3);
  },
);

queueTest("options that make no sense are refused", async (open) => {
  await assert.rejects(open({ maxAttempts: 3 }), (error) => {
    return error instanceof errors.ArgumentError && /needs `deadLetter`/.test(error.message);
  });
  for (const maxAttempts of [0, 1.5, -1, NaN, 32768]) {
    await assert.rejects(open({ maxAttempts, deadLetter: "dead" }), errors.ArgumentError);
  }
  await assert.rejects(open({ deadLetter: "jobs" }), /its own dead-letter queue/);
  await assert.rejects(open({ deadLetter: "" }), errors.ArgumentError);
  await open({ codec: text }, "dead");
  await assert.rejects(open({ deadLetter: "dead" }), errors.CodecMismatchError);
  await open({ capacity: 4096 }, "small");
  await assert.rejects(open({ deadLetter: "small" }), /capacity of 4096, too small/);
  // What failed to open left nothing.
  assert.equal((await open({ capacity: 8192 })).capacity, 8192);
});

queueTest(
  "memory that is gone is told, and the rest of the message is there",
  async (open, scratch) => {
    const queue = await open<{ id: number; image: SharedMemory }>();
    const image = await SharedMemory.create({ size: 8, directory: scratch.path });
    for (const id of [1, 2, 3]) await queue.enqueue({ id, image });
    image.close();
    // As if another process had sent them, and ended.
    for (const file of scratch.files()) {
      if (file.startsWith("memory")) scratch.directory.removeFile(scratch.at(file));
    }
    const first = queue.tryTake()!;
    assert.ok(first.error instanceof errors.MemoryGoneError);
    const { id, image: gone } = first.value;
    assert.deepEqual([id, gone.size, gone.isClosed], [1, 0, true]);
    assert.throws(() => gone.bytes, errors.MemoryGoneError);
    assert.throws(() => gone.buffer, errors.MemoryGoneError);
    assert.throws(() => queue.tryEnqueue({ id, image: gone }), errors.MemoryGoneError);
    gone.close();
    first.ack();
    const second = queue.tryDequeue()!;
    assert.equal(second.id, 2);
    assert.throws(() => second.image.bytes, errors.MemoryGoneError);
    for await (using job of queue.deliveries()) {
      assert.deepEqual([job.value.id, job.error?.name], [3, "MemoryGoneError"]);
      job.ack();
      break;
    }
  },
);

queueTest("a shortage while a message is decoded loses nothing", async (open) => {
  let isShort = true;
  const short: Codec = {
    name: "short",
    encode: (value) => new TextEncoder().encode(String(value)),
    decode(payload) {
      if (isShort && textIn(payload) === "memory") throw new errors.LimitError("no descriptors");
      return textIn(payload);
    },
  };
  const queue = await open<string>({ codec: short });
  queue.tryEnqueueMany(["a", "memory", "b"]);
  assert.deepEqual(queue.tryDequeueMany(10), ["a"]);
  await assert.rejects(queue.dequeue(), errors.LimitError);
  const job = queue.tryTake()!;
  assert.ok(job.error instanceof errors.LimitError);
  job.reject();
  isShort = false;
  assert.deepEqual(await queue.dequeueMany(10), ["memory", "b"]);
});

queueTest("a forgotten enqueue that fails is reported, and what waits is bounded", async (open) => {
  const told: unknown[] = [];
  const onError = (error: unknown): void => void told.push(error);
  const full = { codec: bytes, capacity: 4096 };
  const queue = await open<Uint8Array>({ ...full, sendQueueBytes: 500, onError });
  while (queue.tryEnqueue(new Uint8Array(120)));
  for (let i = 0; i < 10; i++) queue.enqueue(new Uint8Array(100));
  await until(() => told.length === 8, "the refusals");
  for (const error of told.splice(0)) assert.ok(error instanceof errors.BackpressureError);
  const awaited = [
    assert.rejects(queue.enqueue(new Uint8Array(100)), errors.BackpressureError),
    assert.rejects(queue.enqueueMany([new Uint8Array(100)]), errors.BackpressureError),
  ];
  queue.enqueue(new Uint8Array(121));
  await Promise.all(awaited);
  await queue.close();
  queue.enqueue(new Uint8Array(1));
  await until(() => told.length === 4, "all of them");
  assert.deepEqual(told.map((error) => (error as Error).name).sort(), [
    "ClosedError",
    "ClosedError",
    "ClosedError",
    "MessageTooLargeError",
  ]);
  // A program that awaits each isn't refused, whatever the limit is.
  const next = await open<Uint8Array>({ ...full, sendQueueBytes: 1 }, "next");
  const loop = (async () => {
    for (let i = 0; i < 100; i++) assert.equal((await next.dequeue())[0], i);
  })();
  for (let i = 0; i < 100; i++) await next.enqueue(new Uint8Array(120).fill(i));
  await loop;
});

for (
  const [what, offset, garbage] of [
    ["number of members", MembershipLayout.used, 1000],
    ["size of a record", QueueLayout.data + 4, 0x7fff_ffff],
    ["position in a chunk", QueueLayout.chunks + QueueChunk.end, 13],
  ] as const
) {
  queueTest(`a ${what} that makes no sense ends the queue, nothing else`, async (open, scratch) => {
    const told: unknown[] = [];
    const onError = (error: unknown): void => void told.push(error);
    const [queue, other] = [await open<string>({ onError, codec: text }), await open({}, "other")];
    queue.tryEnqueue("a");
    // A wait that is given up, and one that stays: timers and polls look at the tables, too.
    const waits = [
      queue.enqueue("b"),
      queue.dequeueMany(1, { timeout: 5 }),
      queue.take({ timeout: 200 }),
    ].map((wait) =>
      wait.then(() => {}, (error) => assert.ok(error instanceof errors.CausewayError))
    );
    const segment = Segment.open(native, scratch.at("queue/jobs/shared"), Kind.queue)!;
    const before = segment.u32(offset);
    segment.setU32(offset, garbage);
    for (let i = 0; i < 30 && !queue.isClosed; i++) {
      for (const call of [() => queue.tryEnqueue("x"), () => queue.tryTake()?.reject()]) {
        try {
          call();
        } catch (error) {
          assert.ok(error instanceof errors.CausewayError);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(queue.isClosed, true);
    assert.throws(() => queue.tryDequeue(), errors.CorruptSegmentError);
    assert.ok(told.some((error) => error instanceof errors.CorruptSegmentError));
    await Promise.all(waits);
    segment.setU32(offset, before);
    segment.close();
    await queue.close();
    assert.equal(other.tryEnqueue("still there"), true);
    assert.equal(await other.dequeue(), "still there");
    assert.equal(scratch.files().some((file) => file.startsWith("queue/jobs")), false);
  });
}
