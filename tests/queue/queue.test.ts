// The public names of a queue, with all its users in this realm.

import assert from "node:assert/strict";
import { bytes, json, SharedMemory } from "../../mod.ts";
import * as errors from "../../src/errors.ts";
import { Queue } from "../../src/queue/queue.ts";
import { besideTimer } from "../support/beside_timer.ts";
import { until } from "../support/watchdog.ts";
import { queueTest } from "./opened.ts";

queueTest("each form of enqueueing and dequeueing", async (open) => {
  const [a, b] = [await open<number>(), await open<number>()];
  await a.enqueue(1);
  assert.equal(a.tryEnqueue(2), true);
  a.enqueueSync(3);
  await a.enqueueMany([4, 5]);
  assert.equal(a.tryEnqueueMany(new Set([6, 7, 8, 9])), 4);
  assert.equal(b.size, 9);
  assert.equal(await b.dequeue(), 1);
  assert.equal(b.tryDequeue(), 2);
  assert.equal(b.dequeueSync(), 3);
  assert.deepEqual(await b.dequeueMany(2), [4, 5]);
  assert.deepEqual(b.tryDequeueMany(3), [6, 7, 8]);
  assert.equal((await b.take()).value, 9);
  assert.equal(b.tryDequeue(), undefined);
  assert.equal(b.tryTake(), undefined);
  assert.deepEqual(b.tryDequeueMany(3), []);
  assert.equal(b.size, 0);
  const { messagesSent } = a.stats;
  const { messagesReceived, unacknowledged } = b.stats;
  assert.deepEqual([messagesSent, messagesReceived, unacknowledged], [9, 9, 1]);
});

queueTest("one user is its own partner, and what is waited for arrives", async (open) => {
  const queue = await open<string>();
  const waiting = [queue.dequeue(), queue.dequeue(), queue.take(), queue.dequeueMany(5)] as const;
  queue.tryEnqueueMany(["a", "b", "c", "d", "e"]);
  const [a, b, c, rest] = await Promise.all(waiting);
  assert.deepEqual([a, b, c.value, rest], ["a", "b", "c", ["d", "e"]]);
  c.ack();
});

queueTest("a delivery is acknowledged once, or comes again", async (open) => {
  const [a, b] = [await open<string>(), await open<string>()];
  a.tryEnqueueMany(["one", "two"]);
  const first = b.tryTake()!;
  assert.equal(first.redelivered, false);
  first.reject();
  first.reject();
  assert.throws(() => first.ack(), (error) => {
    return error instanceof errors.ClosedError && /after it was rejected/.test(error.message);
  });
  {
    using again = a.tryTake()!;
    assert.deepEqual([again.value, again.redelivered], ["one", true]);
  }
  using last = b.takeSync();
  assert.deepEqual([last.value, last.redelivered], ["one", true]);
  last.ack();
  last.ack();
  assert.equal(b.tryDequeue(), "two");
  const { acknowledged, rejected, redelivered } = b.stats;
  assert.deepEqual([acknowledged, rejected, redelivered], [1, 1, 1]);
});

queueTest("closing gives back what isn't acknowledged, and ends waits and loops", async (open) => {
  const [a, b, c] = [await open<number>(), await open<number>(), await open<number>()];
  a.tryEnqueueMany([1, 2, 3]);
  const [one, two] = [b.tryTake()!, b.tryTake()!];
  two.ack();
  assert.equal(await c.dequeue(), 3);
  const waiting = c.take();
  await b.close();
  await b.close();
  const again = await waiting;
  assert.deepEqual([again.value, again.redelivered], [1, true]);
  assert.throws(() => one.ack(), (error) => {
    return error instanceof errors.ClosedError && /after the queue was closed/.test(error.message);
  });
  again.ack();
  const loop = (async () => {
    const seen: number[] = [];
    for await (const value of c) seen.push(value);
    return seen;
  })();
  const wait = assert.rejects(c.dequeue(), errors.ClosedError);
  a.tryEnqueueMany([4]);
  await until(() => c.stats.messagesReceived === 3, "the loop has it");
  await c.close();
  assert.deepEqual(await loop, [4]);
  await wait;
  for (
    const use of [() => c.tryEnqueue(1), () => c.tryDequeue(), () => c.tryTake(), () => c.size]
  ) {
    assert.throws(use, errors.ClosedError);
  }
  await assert.rejects(c.enqueue(1), errors.ClosedError);
  await assert.rejects(c.dequeueMany(1), errors.ClosedError);
});

queueTest(
  "a loop over deliveries takes none before it is asked, and hears its signal",
  async (open) => {
    const [a, b] = [await open<number>(), await open<number>()];
    a.tryEnqueueMany([1, 2, 3]);
    const stop = new AbortController();
    const seen: number[] = [];
    await assert.rejects(
      (async () => {
        for await (const job of b.deliveries({ signal: stop.signal })) {
          seen.push(job.value);
          assert.equal(a.size, 3 - seen.length);
          job.ack();
          if (seen.length === 3) stop.abort(new Error("enough"));
        }
      })(),
      { message: "enough" },
    );
    assert.deepEqual(seen, [1, 2, 3]);
  },
);

queueTest("a full queue: refused, waited for in order, timed out", async (open) => {
  const [a, b] = [
    await open<Uint8Array>({ codec: bytes, capacity: 4096 }),
    await open<Uint8Array>({
      codec: bytes,
    }),
  ];
  assert.equal(b.capacity, 4096);
  assert.equal(a.maxMessageBytes, 120);
  const of = (n: number): Uint8Array => new Uint8Array(120).fill(n);
  let put = 0;
  while (a.tryEnqueue(of(put))) put++;
  assert.equal(put, 32);
  await assert.rejects(a.enqueue(of(99), { timeout: 20 }), (error) => {
    return error instanceof errors.TimeoutError && /room in queue "jobs"/.test(error.message);
  });
  assert.throws(() => a.enqueueSync(of(99), { timeout: 20 }), errors.TimeoutError);
  await assert.rejects(a.enqueue(of(99), { timeout: 0 }), errors.TimeoutError);
  const reused = of(32);
  const waiting = [
    a.enqueue(reused),
    a.enqueueMany([of(33), of(34)]),
    a.enqueueMany([of(35), of(36), of(37)], { timeout: 1000 }),
  ] as const;
  reused.fill(0);
  assert.equal(a.tryEnqueue(of(99)), false, "not before those that wait");
  for (let n = 0; n < 4; n++) assert.equal((await b.dequeue())[0], n);
  await waiting[0];
  await waiting[1];
  await assert.rejects(waiting[2], (error) => {
    return error instanceof errors.TimeoutError && /1 of them are in/.test(error.message);
  });
  for (let n = 4; n < 36; n++) assert.equal((await b.dequeue())[0], n);
  assert.equal(b.tryDequeue(), undefined);
});

queueTest("what can't be a message is refused", async (open) => {
  const [queue, strict] = [await open({ capacity: 4096 }), await open({ codec: json }, "other")];
  for (const form of ["enqueue", "enqueueMany"] as const) {
    await assert.rejects(queue[form]([] as never, { timeout: -1 }), errors.ArgumentError);
  }
  await assert.rejects(queue.enqueue(undefined), errors.ArgumentError);
  assert.throws(() => queue.tryEnqueueMany([1, undefined]), errors.ArgumentError);
  assert.throws(() => queue.tryEnqueue("x".repeat(200)), (error) => {
    return error instanceof errors.MessageTooLargeError && /raise `capacity`/.test(error.message);
  });
  await assert.rejects(queue.enqueueMany([1, "x".repeat(200)]), errors.MessageTooLargeError);
  assert.throws(() => queue.tryEnqueue(() => 1), errors.CodecError);
  assert.throws(() => strict.tryEnqueue(1n), errors.CodecError);
  assert.equal(queue.size, 0);
  await assert.rejects(queue.dequeueMany(0), errors.ArgumentError);
  assert.throws(() => queue.tryDequeueMany(1.5), errors.ArgumentError);
  await queue.enqueueMany([]);
  assert.equal(queue.tryEnqueueMany([]), 0);
});

queueTest("what doesn't match is refused", async (open) => {
  await open({ capacity: 8192, codec: json });
  await assert.rejects(open({ capacity: 4096, codec: json }), (error) => {
    return error instanceof errors.CapacityMismatchError && /8192.*4096/.test(error.message);
  });
  await assert.rejects(open({ codec: bytes }), (error) => {
    return error instanceof errors.CodecMismatchError && /json.*bytes/.test(error.message);
  });
  for (const capacity of [0, 100, 4095, 5000, 2 ** 31, NaN, "4096" as unknown as number]) {
    await assert.rejects(open({ capacity }), errors.ArgumentError);
  }
  await assert.rejects(open({ durable: 1 as unknown as boolean }), errors.ArgumentError);
  await assert.rejects(open({}, ""), errors.ArgumentError);
});

queueTest("it goes with its last user, or stays and can be removed", async (open, scratch) => {
  const where = { directory: scratch.path };
  const [a, b] = [await open(), await open()];
  a.tryEnqueue("kept by b");
  await a.close();
  assert.equal(b.tryDequeue(), "kept by b");
  b.tryEnqueue("lost");
  await b.close();
  const c = await open({ durable: true });
  assert.equal(c.tryDequeue(), undefined);
  c.tryEnqueueMany(["stays", "too"]);
  assert.equal(await Queue.remove("jobs", where), false);
  c.tryTake();
  await c.close();
  const d = await open();
  const again = d.tryTake()!;
  assert.deepEqual([again.value, again.redelivered], ["stays", true]);
  again.ack();
  await d.close();
  assert.equal(await Queue.remove("jobs", where), true);
  assert.equal(await Queue.remove("jobs", where), false);
  assert.equal((await open()).tryDequeue(), undefined);
});

queueTest("a wait that is given up passes its wake-up on", async (open) => {
  const [a, b, c] = [await open<number>(), await open<number>(), await open<number>()];
  for (let round = 0; round < 50; round++) {
    const stop = new AbortController();
    const given = assert.rejects(b.dequeue({ signal: stop.signal }), { name: "AbortError" });
    const taken = c.dequeue();
    if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 1)); // both sleep
    a.tryEnqueue(round);
    stop.abort();
    await given;
    assert.equal(await taken, round);
  }
});

queueTest("misspelt options, and messages that are no list, are refused", async (open) => {
  const queue = await open<number>();
  await assert.rejects(open({ capasity: 4096 } as never), (error) => {
    return error instanceof errors.ArgumentError &&
      /no option `capasity`; there are capacity, codec, durable/.test(error.message);
  });
  await assert.rejects(queue.take({ timeOut: 5 } as never), errors.ArgumentError);
  await assert.rejects(Queue.remove("jobs", { dir: "/" } as never), errors.ArgumentError);
  for (const values of [5, null, undefined, { length: 3 }]) {
    const isTaught = (error: unknown): boolean =>
      error instanceof errors.ArgumentError && /one message alone is for/.test(error.message);
    await assert.rejects(queue.enqueueMany(values as never), isTaught);
    assert.throws(() => queue.tryEnqueueMany(values as never), isTaught);
  }
  await queue.enqueueMany([]);
  assert.equal(queue.size, 0);
});

queueTest("a turn of a loop with `using` gives back what it didn't finish", async (open) => {
  const [a, b] = [await open<number>(), await open<number>()];
  a.tryEnqueueMany([1, 2, 3]);
  for await (using job of b.deliveries()) {
    if (job.value === 2) break;
    job.ack();
  }
  assert.equal(b.stats.unacknowledged, 0);
  for await (const job of b.deliveries()) {
    assert.deepEqual([job.value, job.redelivered], [2, true]);
    break;
  }
  assert.equal(b.stats.unacknowledged, 1, "without it, work may go on");
});

queueTest("memory in a message is held until it is done, or wasn't sent", async (open, scratch) => {
  const queue = await open<SharedMemory | number>({ capacity: 4096 });
  const holds = (): number => scratch.files().filter((file) => file.includes("/hold-")).length;
  const memory = await SharedMemory.create({ size: 8, directory: scratch.path });
  await queue.enqueue(memory);
  while (queue.tryEnqueue(0)) { /* until it is full */ }
  assert.equal(holds(), 1);
  assert.equal(queue.tryEnqueue(memory), false);
  assert.equal(queue.tryEnqueueMany([memory, memory]), 0);
  for (const timeout of [0, 5]) {
    await assert.rejects(queue.enqueue(memory, { timeout }), errors.TimeoutError);
    await assert.rejects(queue.enqueueMany([memory, memory], { timeout }), errors.TimeoutError);
    assert.throws(() => queue.enqueueSync(memory, { timeout }), errors.TimeoutError);
  }
  await assert.rejects(queue.enqueueMany([memory, undefined as never]), errors.ArgumentError);
  assert.equal(holds(), 1);
  const waiting = queue.enqueue(memory);
  assert.equal(holds(), 2);
  memory.close();

  const first = await queue.take();
  (first.value as SharedMemory).close();
  first.reject();
  const again = await queue.take();
  assert.deepEqual([(again.value as SharedMemory).size, again.redelivered], [8, true]);
  assert.equal(holds(), 2);
  again.ack();
  assert.equal(holds(), 1);
  (again.value as SharedMemory).close();
  for (;;) {
    const value = await queue.dequeue();
    if (typeof value === "number") continue;
    assert.equal(holds(), 0);
    value.close();
    break;
  }
  await waiting;
  assert.equal(queue.size, 0);

  using kept = await SharedMemory.create({ size: 8, directory: scratch.path });
  while (queue.tryEnqueue(0)) { /* until it is full */ }
  const closed = assert.rejects(queue.enqueue(kept), errors.ClosedError);
  await queue.close();
  await closed;
  assert.equal(holds(), 0);
});

queueTest("a timer runs beside each loop that always finds room, or a message", async (open) => {
  const queue = await open<number>();
  const fill = (): void => {
    if (queue.size < 10) queue.tryEnqueueMany([1, 2, 3, 4]);
  };
  const consuming = (take: () => Promise<unknown>) => async (): Promise<void> => {
    fill();
    await take();
  };
  const steps: (() => Promise<unknown>)[] = [
    async () => {
      await queue.enqueue(1);
      queue.tryDequeue();
    },
    async () => {
      await queue.enqueueMany([1, 2]);
      queue.tryDequeueMany(2);
    },
    consuming(() => queue.dequeue()),
    consuming(() => queue.dequeueMany(2)),
    consuming(async () => (await queue.take()).ack()),
  ];
  for (const step of steps) await besideTimer(step);
  const values = queue[Symbol.asyncIterator]();
  await besideTimer(consuming(() => values.next()));
  const deliveries = queue.deliveries();
  await besideTimer(consuming(async () => (await deliveries.next()).value!.ack()));
});
