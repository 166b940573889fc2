// Queue: what is left of those who close, end, are killed or are stopped, and who goes on.

import assert from "node:assert/strict";
import { Queue, type SharedMemory } from "../../mod.ts";
import { crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { noStop, type Peer } from "../support/peers.ts";
import { sleep } from "../support/remote_functions.ts";

/** A peer opens the queue and takes so many messages, without acknowledging them. */
function takeAt(peer: Peer, name: string, count: number): Promise<unknown[]> {
  return peer.run(
    async ({ ipc, use, kept }, name: string, count: number) => {
      const queue = use(await ipc.Queue.open(name));
      kept.jobs = [];
      while (kept.jobs.length < count) kept.jobs.push(await queue.take());
      return kept.jobs.map(({ value }: { value: unknown }) => value);
    },
    name,
    count,
  );
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

crossTest(
  "what a killed consumer had taken comes again, marked; what it had done doesn't",
  async (t) => {
    await using queue = await Queue.open<number>(t.name);
    queue.tryEnqueueMany(numbers(0, 10));
    const killed = t.start();
    assert.deepEqual(await takeAt(killed, t.name, 4), [0, 1, 2, 3]);
    await killed.run(({ kept }) => {
      kept.jobs[1].ack();
      kept.jobs[2].reject();
    });
    assert.equal(await queue.dequeue(), 2);
    killed.kill("SIGKILL");
    const again: number[] = [];
    for await (const job of queue.deliveries({ timeout: 20_000 })) {
      if (job.redelivered) again.push(job.value);
      job.ack();
      if (again.length === 2) break;
    }
    assert.deepEqual(again, [0, 3]);
  },
);

crossTest("a message that kills its consumers goes to the dead-letter queue", async (t) => {
  const deadLetter = `${t.name}-dead`;
  await using queue = await Queue.open<string>(t.name, { maxAttempts: 2, deadLetter });
  await using dead = await Queue.open<string>(deadLetter);
  queue.tryEnqueueMany(["deadly", "good"]);
  for (let attempts = 1; attempts <= 2; attempts++) {
    const killed = t.start();
    const seen = await killed.run(
      async ({ ipc, kept }, name: string, deadLetter: string) => {
        const jobs = await ipc.Queue.open<string>(name, { maxAttempts: 2, deadLetter });
        kept.job = await jobs.take();
        return [kept.job.value, kept.job.attempts];
      },
      t.name,
      deadLetter,
    );
    assert.deepEqual(seen, ["deadly", attempts]);
    killed.kill("SIGKILL");
    await killed.ended;
  }
  const job = await queue.take();
  // Recovery may take a moment: then "good" comes first.
  if (job.value === "good") job.ack();
  else assert.fail(`${job.value} was delivered ${job.attempts} times`);
  const waiting = queue.take({ signal: AbortSignal.timeout(20_000) }).catch(() => {});
  assert.equal(await dead.dequeue(), "deadly");
  assert.equal(queue.size, 0);
  queue.tryEnqueue("end");
  (await waiting)!.ack();
});

crossTest("what lost its memory is told from what has it, and holds nobody up", async (t) => {
  await using queue = await Queue.open<{ id: number; image: SharedMemory }>(t.name);
  await t.peer.run(async ({ ipc, use }, name: string) => {
    const jobs = use(await ipc.Queue.open(name));
    for (let id = 1; id <= 3; id++) {
      using image = await ipc.SharedMemory.create({ size: 4096 });
      await jobs.enqueue({ id, image });
    }
  }, t.name);
  const has = await queue.take();
  assert.deepEqual([has.value.id, has.value.image.size, has.error], [1, 4096, undefined]);
  has.value.image.close();
  has.ack();
  const ends = t.start();
  await ends.run(async ({ ipc }, name: string) => {
    const jobs = await ipc.Queue.open(name);
    using image = await ipc.SharedMemory.create({ size: 4096 });
    await jobs.enqueue({ id: 4, image });
  }, t.name);
  ends.kill("SIGKILL");
  await ends.ended;
  for (const id of [2, 3]) {
    const job = await queue.take();
    assert.equal(job.value.id, id);
    job.value.image.close();
    job.ack();
  }
  await until(async () => {
    const job = await queue.take();
    assert.equal(job.value.id, 4);
    // Until its death is proved, the memory is still there.
    if (job.error === undefined) {
      job.value.image.close();
      job.reject();
      return false;
    }
    assert.equal(job.error.name, "MemoryGoneError");
    assert.throws(() => job.value.image.bytes, { name: "MemoryGoneError" });
    job.ack();
    return true;
  });
});

crossTest("a killed consumer's messages wake who waits", async (t) => {
  await using queue = await Queue.open<string>(t.name);
  queue.tryEnqueue("job");
  const killed = t.start();
  await takeAt(killed, t.name, 1);
  const waiting = queue.take({ timeout: 25_000 });
  await sleep(20);
  killed.kill("SIGKILL");
  const job = await waiting;
  assert.deepEqual([job.value, job.redelivered], ["job", true]);
  job.ack();
});

crossTest("a process that ends in an orderly way gives back at once", async (t) => {
  await using queue = await Queue.open<string>(t.name);
  queue.tryEnqueueMany(["a", "b"]);
  const ends = t.start();
  await takeAt(ends, t.name, 2);
  const waiting = [queue.take(), queue.take()];
  // Without closing anything.
  ends.run(() => {
    const { process } = globalThis as unknown as { process: { exit(code: number): void } };
    setTimeout(() => process.exit(0), 1);
  }).catch(() => {});
  await ends.ended;
  const jobs = await Promise.all(waiting);
  assert.deepEqual(jobs.map(({ value, redelivered }) => [value, redelivered]), [
    ["a", true],
    ["b", true],
  ]);
  for (const job of jobs) job.ack();
});

crossTest("a stopped consumer keeps what it took; the others go on with the rest", async (t) => {
  await using queue = await Queue.open<number>(t.name, { capacity: 4096 });
  queue.tryEnqueueMany([0, 1, 2]);
  const stopped = t.start();
  assert.deepEqual(await takeAt(stopped, t.name, 2), [0, 1]);
  stopped.kill("SIGSTOP");
  const consuming = t.peer.run(async ({ ipc, use }, name: string) => {
    const queue = use(await ipc.Queue.open<number>(name));
    const got: number[] = [];
    while (got.at(-1) !== -1) got.push(await queue.dequeue());
    return got;
  }, t.name);
  // Over all of the memory several times.
  for (const n of numbers(3, 3000)) await queue.enqueue(n);
  await queue.enqueue(-1);
  assert.deepEqual(await consuming, [...numbers(2, 3000), -1]);
  stopped.kill("SIGCONT");
  await stopped.run(({ kept }) => {
    kept.jobs[0].ack();
    kept.jobs[1].reject();
  });
  const job = await queue.take();
  assert.deepEqual([job.value, job.redelivered], [1, true]);
  job.ack();
  assert.equal(queue.tryDequeue(), undefined);
}, { skip: () => noStop });

crossTest("a stopped consumer that was woken doesn't keep the message from others", async (t) => {
  await using queue = await Queue.open<number>(t.name);
  const peers = [t.start(), t.start(), t.peer];
  for (const peer of peers) {
    await peer.run(async ({ ipc, use, kept }, name: string) => {
      kept.got = [];
      const queue = use(await ipc.Queue.open(name));
      (async () => {
        for await (const value of queue) kept.got.push(value);
      })();
    }, t.name);
  }
  await sleep(20);
  for (const peer of peers.slice(0, 2)) peer.kill("SIGSTOP");
  const got = (peer: Peer): Promise<number[]> => peer.run(({ kept }): number[] => kept.got);
  try {
    queue.tryEnqueueMany([1]); // rings one of the three
    await until(async () => (await got(t.peer)).length === 1);
    queue.tryEnqueueMany(numbers(2, 10));
    await until(async () => (await got(t.peer)).length === 9);
  } finally {
    for (const peer of peers.slice(0, 2)) peer.kill("SIGCONT");
  }
  assert.deepEqual(await got(peers[0]!), []);
  queue.tryEnqueueMany(numbers(10, 30));
  await until(async () => (await Promise.all(peers.map(got))).flat().length === 29);
}, { skip: () => noStop });

crossTest("stopped at any moment: the others go on, nothing is lost or doubled", async (t) => {
  await using queue = await Queue.open<[string, number]>(t.name, { capacity: 8192 });
  const consumer = t.start();
  const producer = t.start();
  await consumer.run(async ({ ipc, use, kept }, name: string) => {
    const queue = use(await ipc.Queue.open<[string, number]>(name));
    kept.got = [];
    (async () => {
      for await (const job of queue.deliveries()) {
        kept.got.push(job.value);
        job.ack();
      }
    })();
  }, t.name);
  await producer.run(async ({ ipc, use, kept }, name: string) => {
    const queue = use(await ipc.Queue.open<[string, number]>(name));
    kept.stop = false;
    kept.ended = (async () => {
      let n = 0;
      while (!kept.stop) {
        await queue.enqueue(["peer", n++]);
        // Slow enough for the room of this small queue to be anybody's.
        if (n % 8 === 0) await new Promise((resolve) => setTimeout(resolve));
      }
      return n;
    })();
  }, t.name);
  const mine: [string, number][] = [];
  let sent = 0;
  /** One message of ours in; where there is no room we make some. */
  const goOn = async (): Promise<void> => {
    while (!queue.tryEnqueue(["test", sent])) {
      mine.push(...queue.tryDequeueMany(10));
      await sleep(0);
    }
    sent++;
  };
  for (let round = 0; round < 10; round++) {
    const stopped = round % 2 === 0 ? consumer : producer;
    await sleep(5 + round % 5);
    stopped.kill("SIGSTOP");
    for (let i = 0; i < 300; i++) await goOn();
    stopped.kill("SIGCONT");
  }
  const produced = await producer.run(async ({ kept }) => {
    kept.stop = true;
    return await kept.ended;
  });
  const count = (): Promise<number> => consumer.run(({ kept }) => kept.got.length);
  await until(async () => await count() + mine.length >= sent + produced);
  const theirs: [string, number][] = await consumer.run(({ kept }) => kept.got);
  const all = [...theirs, ...mine];
  assert.equal(all.length, sent + produced);
  assert.equal(new Set(all.map(([by, n]) => `${by} ${n}`)).size, all.length);
}, { skip: () => noStop, limit: 60 });

crossTest("it goes with its last user, however that ends", async (t) => {
  const first = t.start();
  const put = (peer: Peer): Promise<boolean> =>
    peer.run(async ({ ipc, kept }, name: string) => {
      kept.queue = await ipc.Queue.open(name, { capacity: 4096 });
      return kept.queue.tryEnqueue("mine");
    }, t.name);
  assert.equal(await put(first), true);
  const queue = await Queue.open(t.name);
  first.kill("SIGKILL");
  await first.ended;
  assert.equal(await queue.dequeue(), "mine");
  queue.tryEnqueue("lost");
  await queue.close();
  await using other = await Queue.open(t.name, { capacity: 8192 });
  assert.equal(other.tryDequeue(), undefined);
  await other.close();
  const second = t.start();
  await put(second);
  second.kill("SIGKILL");
  await second.ended;
  await using last = await Queue.open(t.name, { capacity: 8192 });
  assert.equal(last.tryDequeue(), undefined);
});

crossTest("a durable one stays when all are killed, with what wasn't done", async (t) => {
  const killed = t.start();
  await killed.run(async ({ ipc }, name: string) => {
    const queue = await ipc.Queue.open(name, { durable: true });
    queue.tryEnqueueMany([1, 2, 3]);
    queue.tryTake();
    queue.tryTake()!.ack();
  }, t.name);
  killed.kill("SIGKILL");
  await killed.ended;
  const queue = await Queue.open<number>(t.name);
  const job = await queue.take();
  assert.deepEqual([job.value, job.redelivered], [1, true]);
  job.ack();
  assert.equal(queue.tryDequeue(), 3);
  assert.equal(queue.tryDequeue(), undefined);
  await queue.close();
  assert.equal(await t.peer.run(({ ipc }, name: string) => ipc.Queue.remove(name), t.name), true);
});

crossTest(
  "a producer may be gone before anybody consumes, as long as somebody stays",
  async (t) => {
    await using queue = await Queue.open<number>(t.name);
    await t.peer.run(async ({ ipc }, name: string) => {
      await using queue = await ipc.Queue.open<number>(name);
      for (let i = 0; i < 1000; i++) await queue.enqueue(i);
    }, t.name);
    assert.deepEqual(await queue.dequeueMany(2000), numbers(0, 1000));
  },
);

crossTest("waiting keeps a process alive, an open queue doesn't", async (t) => {
  await using queue = await Queue.open<string>(t.name);
  const idle = t.start();
  await idle.run(async ({ ipc, kept }, name: string) => {
    kept.queue = await ipc.Queue.open(name);
    kept.queue.ref();
    kept.queue.unref();
  }, t.name);
  idle.leave();
  assert.deepEqual(await idle.ended, { code: 0, signal: null });
  const waits = t.start();
  await waits.run(async ({ ipc, kept }, name: string) => {
    kept.queue = await ipc.Queue.open(name);
    kept.queue.dequeue().then((value: string) => kept.queue.enqueue(`${value} back`));
  }, t.name);
  waits.leave();
  await sleep(100);
  await queue.enqueue("there");
  assert.deepEqual(await waits.ended, { code: 0, signal: null });
  assert.equal(await queue.dequeue(), "there back");
});

crossTest(
  "a process ends when all it enqueued has room, and is heard after it ended",
  async (t) => {
    const queue = await Queue.open<Uint8Array>(t.name, { capacity: 4096 });
    const speaker = t.start();
    await speaker.run(async ({ ipc, kept }, name: string) => {
      kept.queue = await ipc.Queue.open<Uint8Array>(name);
      // Twice what there is room for; nothing is awaited, and the process has nothing else to do.
      for (let n = 0; n < 64; n++) kept.queue.enqueue(new Uint8Array(100).fill(n));
    }, t.name);
    speaker.leave();
    const got: number[] = [];
    while (got.length < 40) got.push((await queue.dequeue())[0]!);
    assert.deepEqual(await speaker.ended, { code: 0, signal: null });
    while (got.length < 64) got.push((await queue.dequeue())[0]!);
    assert.deepEqual(got, numbers(0, 64));
    await queue.close();
  },
);

peersEnd();
