// Queue: messages between processes, each to exactly one, waited for in every way.

import assert from "node:assert/strict";
import { bytes, CapacityMismatchError, CodecMismatchError, Queue } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { checkBytes, pattern } from "../support/payloads.ts";
import type { Peer } from "../support/peers.ts";

/** Opens the queue in a peer, kept as `queue`. */
async function openAt(peer: Peer, name: string, options: { capacity?: number } = {}) {
  await peer.run(
    async ({ ipc, use, kept }, name: string, options) => {
      kept.queue = use(await ipc.Queue.open(name, options));
      kept.got = [];
    },
    name,
    options,
  );
}

/** Lets a peer wait for a message; what it gets is pushed to `got`. */
async function waitAt(peer: Peer): Promise<void> {
  await peer.run(({ kept }) => {
    kept.queue.dequeue().then((value: unknown) => kept.got.push(value), () => {});
  });
}

const gotAt = (peer: Peer): Promise<unknown[]> => peer.run(({ kept }): unknown[] => kept.got);

/** Time for those that wait to fall asleep. That they do isn't needed for a test to pass. */
const asleep = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

crossTest("values cross both ways, in order", async (t) => {
  await using queue = await Queue.open(t.name);
  await using back = await Queue.open(`${t.name}-back`);
  await t.peer.run(async ({ ipc, use }, name: string) => {
    const queue = use(await ipc.Queue.open<unknown>(name));
    const back = use(await ipc.Queue.open<unknown>(`${name}-back`));
    (async () => {
      for await (const value of queue) await back.enqueue(value);
    })();
  }, t.name);
  const values = [
    0,
    "text",
    null,
    [1, 2n ** 80n],
    { a: new Date(5), b: new Map([[1, 2]]) },
    "",
    -1.5,
  ];
  for (const value of values) await queue.enqueue(value);
  for (const value of values) assert.deepEqual(await back.dequeue(), value);
  for (let round = 0; round < 200; round++) {
    await queue.enqueue(round);
    assert.equal(round % 2 === 0 ? await back.dequeue() : back.dequeueSync(), round);
  }
});

crossTest("bytes of any size, up to a thirty-second of the capacity", async (t) => {
  const capacity = 1 << 17;
  const codec = bytes;
  await using queue = await Queue.open<Uint8Array>(t.name, { capacity, codec });
  assert.equal(queue.maxMessageBytes, 4088);
  const sizes = [0, 1, 7, 8, 9, 63, 64, 65, 1000, 4087, 4088];
  const received = t.peer.run(
    async ({ ipc, use, payloads }, name: string, sizes: number[]) => {
      const queue = use(await ipc.Queue.open<Uint8Array>(name, { codec: ipc.bytes }));
      for (let i = 0; i < 3000; i++) {
        const payload = await queue.dequeue();
        payloads.checkBytes(payload, payloads.pattern(sizes[i % sizes.length]!, i));
      }
    },
    t.name,
    sizes,
  );
  for (let i = 0; i < 3000; i++) await queue.enqueue(pattern(sizes[i % sizes.length]!, i));
  await received;
  await assert.rejects(queue.enqueue(new Uint8Array(4089)), { code: "MESSAGE_TOO_LARGE" });
  await queue.enqueue(pattern(4088, 1));
  checkBytes(await queue.dequeue(), pattern(4088, 1));
});

crossTest("batches, and the blocking forms, over a small queue", async (t) => {
  await using queue = await Queue.open<number>(t.name, { capacity: 4096 });
  const count = 5000;
  const sent = t.peer.run(
    async ({ ipc, use }, name: string, count: number) => {
      const queue = use(await ipc.Queue.open<number>(name));
      const many = (from: number) => Array.from({ length: 50 }, (_, i) => from + i);
      for (let i = 0; i < count; i += 50) {
        const turn = (i / 50) % 3;
        if (turn === 0) { for (const n of many(i)) queue.enqueueSync(n); }
        else if (turn === 1) await queue.enqueueMany(many(i));
        else {
          let next = queue.tryEnqueueMany(many(i));
          for (; next < 50; next++) await queue.enqueue(i + next);
        }
      }
    },
    t.name,
    count,
  );
  // Awaited first: what the peer is told to do leaves this process with its event loop.
  assert.equal(await queue.dequeue(), 0);
  for (let expected = 1; expected < count;) {
    if (expected % 3 === 0) assert.equal(queue.dequeueSync(), expected++);
    if (expected === count) break;
    for (const n of await queue.dequeueMany(17)) assert.equal(n, expected++);
    const one = queue.tryDequeue();
    if (one !== undefined) assert.equal(one, expected++);
    if (expected === count) break;
    for (const n of queue.tryDequeueMany(5)) assert.equal(n, expected++);
  }
  await sent;
  assert.equal(queue.size, 0);
});

crossTest("two producers and two consumers: each message once", async (t) => {
  const other = t.start();
  await using queue = await Queue.open<[number, number]>(t.name, { capacity: 1 << 14 });
  const each = 4000;
  const produce = (peer: Peer, id: number): Promise<void> =>
    peer.run(
      async ({ ipc, use }, name: string, id: number, each: number) => {
        const queue = use(await ipc.Queue.open<[number, number]>(name));
        for (let i = 0; i < each; i++) await queue.enqueue([id, i]);
      },
      t.name,
      id,
      each,
    );
  const consuming = other.run(async ({ ipc, use }, name: string) => {
    const queue = use(await ipc.Queue.open<[number, number]>(name));
    const got: [number, number][] = [];
    for (;;) {
      const message = await queue.dequeue();
      if (message[0] < 0) return got;
      got.push(message);
    }
  }, t.name);
  const producing = Promise.all([produce(t.peer, 0), produce(other, 1)]);
  const got: [number, number][] = [];
  const mine = (async () => {
    for (;;) {
      const message = await queue.dequeue();
      if (message[0] < 0) return;
      got.push(message);
    }
  })();
  await producing;
  await queue.enqueueMany([[-1, 0], [-1, 0]]);
  await mine;
  const theirs = await consuming;
  for (const seen of [got, theirs]) {
    for (const id of [0, 1]) {
      const numbers = seen.filter(([by]) => by === id).map(([, n]) => n);
      assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b), "each producer's order");
    }
  }
  const all = new Set([...got, ...theirs].map(([id, n]) => id * each + n));
  assert.equal(got.length + theirs.length, 2 * each);
  assert.equal(all.size, 2 * each);
});

crossTest("a full queue: refused, timed out, and room is told", async (t) => {
  await openAt(t.peer, t.name, { capacity: 4096 });
  await using queue = await Queue.open<number>(t.name);
  let put = 0;
  while (queue.tryEnqueue(put)) put++;
  await assert.rejects(queue.enqueue(put, { timeout: 30 }), { code: "TIMEOUT" });
  assert.throws(() => queue.enqueueSync(put, { timeout: 30 }), { code: "TIMEOUT" });
  const stop = new AbortController();
  const given = assert.rejects(queue.enqueue(-1, { signal: stop.signal }), { name: "AbortError" });
  const waiting = queue.enqueue(put);
  await asleep();
  stop.abort();
  await given;
  const got = await t.peer.run(async ({ kept }, count: number) => {
    const got: number[] = [];
    for (let i = 0; i <= count; i++) got.push(await kept.queue.dequeue());
    return got;
  }, put);
  await waiting;
  assert.deepEqual(got, Array.from({ length: put + 1 }, (_, i) => i));
});

crossTest("a producer that blocks is woken by room", async (t) => {
  await openAt(t.peer, t.name, { capacity: 4096 });
  await using queue = await Queue.open<number>(t.name);
  const blocked = t.peer.run(({ kept }) => {
    let put = 0;
    while (kept.queue.tryEnqueue(put)) put++;
    kept.queue.enqueueSync(put);
    return put;
  });
  await until(() => queue.size > 30);
  await asleep();
  let expected = 0;
  while (!await Promise.race([blocked.then(() => true), asleep().then(() => false)])) {
    assert.equal(await queue.dequeue(), expected++);
  }
  const put = await blocked;
  while (expected <= put) assert.equal(await queue.dequeue(), expected++);
});

/** Peers that wait for one message each, asleep. */
async function waiters(t: Cross, count: number): Promise<Peer[]> {
  const peers = [t.peer, ...Array.from({ length: count - 1 }, () => t.start())];
  await Promise.all(peers.map((peer) => openAt(peer, t.name)));
  await Promise.all(peers.map(waitAt));
  await asleep();
  return peers;
}

crossTest("a burst wakes as many as there is work for", async (t) => {
  await using queue = await Queue.open<number>(t.name);
  const peers = await waiters(t, 3);
  const counts = async (): Promise<number[]> =>
    (await Promise.all(peers.map(gotAt))).map((got) => got.length);
  const sum = async (): Promise<number> => (await counts()).reduce((a, b) => a + b);
  queue.tryEnqueueMany([1, 2]);
  await until(async () => await sum() === 2);
  queue.tryEnqueue(3);
  await until(async () => await sum() === 3);
  assert.deepEqual(await counts(), [1, 1, 1]);
  await Promise.all(peers.map(waitAt));
  await asleep();
  for (const value of [4, 5, 6]) queue.tryEnqueue(value);
  await until(async () => await sum() === 6);
  assert.deepEqual(await counts(), [2, 2, 2]);
});

crossTest("who is cancelled passes its wake-up on", async (t) => {
  await using queue = await Queue.open<number>(t.name);
  await openAt(t.peer, t.name);
  for (let round = 0; round < 20; round++) {
    await waitAt(t.peer);
    const stop = new AbortController();
    const given = assert.rejects(queue.dequeue({ signal: stop.signal }), { name: "AbortError" });
    await asleep();
    await using other = await Queue.open<number>(t.name);
    other.tryEnqueue(round); // may ring either
    stop.abort();
    await given;
    await until(async () => (await gotAt(t.peer)).length === round + 1);
  }
});

crossTest("a closed or timed-out waiter leaves the message to others", async (t) => {
  await openAt(t.peer, t.name);
  for (let round = 0; round < 10; round++) {
    const queue = await Queue.open<number>(t.name);
    await using other = await Queue.open<number>(t.name);
    const given = queue.dequeue(round % 2 === 0 ? { timeout: 25 } : {}).catch(() => undefined);
    await waitAt(t.peer);
    await asleep();
    other.tryEnqueue(round);
    await queue.close();
    // The one that was to give up may have been faster.
    const got = await given;
    if (got === undefined) await until(async () => (await gotAt(t.peer)).includes(round));
    else other.tryEnqueue(-1);
    await until(async () => (await gotAt(t.peer)).length === round + 1);
  }
});

crossTest("another capacity or codec is refused, with both values", async (t) => {
  await openAt(t.peer, t.name, { capacity: 8192 });
  await assert.rejects(Queue.open(t.name, { capacity: 16384 }), (error) => {
    return error instanceof CapacityMismatchError && /8192.*16384/.test(error.message);
  });
  await assert.rejects(Queue.open(t.name, { codec: bytes }), (error) => {
    return error instanceof CodecMismatchError && /messagepack.*bytes/.test(error.message);
  });
  await using queue = await Queue.open<string>(t.name, { capacity: 8192 });
  queue.tryEnqueue("works");
  assert.equal(await t.peer.run(({ kept }) => kept.queue.dequeue()), "works");
});

peersEnd();
