// Channel: messages that have no answer, and what happens when they come too fast.

import assert from "node:assert/strict";
import { BackpressureError, Channel } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { openSilent } from "../support/partners.ts";
import { checkBytes, numbered, numberIn, pattern } from "../support/payloads.ts";
import { noStop } from "../support/peers.ts";
import { sleep } from "../support/remote_functions.ts";

/** Sizes of messages, most small, some over the ring. */
const sizes = [4, 8, 60, 4, 1000, 4, 333, 9000];

/** The peer checks the numbers of what it gets, and says how many that were. */
async function openCounter(t: Cross, options: { capacity?: number } = {}): Promise<void> {
  await t.peer.run(
    async ({ ipc, use, kept, assert, payloads }, name: string, options) => {
      kept.expected = 0;
      kept.channel = use(
        await ipc.Channel.open(name, {
          ...options,
          onMessage: (payload) => assert.equal(payloads.numberIn(payload), kept.expected++),
          onRequest: () => payloads.numbered(kept.expected),
          onError: (error) => kept.error = error,
        }),
      );
    },
    t.name,
    options,
  );
}

/** How many messages the peer got in order; throws if one was wrong. */
async function countedBy(t: Cross): Promise<number> {
  return await t.peer.run(({ kept }): number => {
    if (kept.error !== undefined) throw kept.error;
    return kept.expected;
  });
}

for (const [capacity, count] of [[4096, 2000], [1 << 18, 10_000]] as const) {
  crossTest(`messages keep their order, ${capacity} bytes of ring`, async (t) => {
    await openCounter(t, { capacity });
    await using channel = await Channel.open(t.name);
    for (let i = 0; i < count; i++) {
      if (!channel.send(numbered(i, sizes[i % sizes.length]))) await channel.writable;
    }
    assert.equal(numberIn(await channel.request()), count, "a request comes after them");
    assert.equal(await countedBy(t), count);
  });
}

crossTest("messages go both ways at the same time, each way in order", async (t) => {
  await openCounter(t, { capacity: 16384 });
  let expected = 0;
  await using channel = await Channel.open(t.name, {
    onMessage: (payload) => assert.equal(numberIn(payload), expected++),
  });
  const theirs = t.peer.run(async ({ kept, payloads }, sizes: number[]) => {
    for (let i = 0; i < 5000; i++) {
      const payload = payloads.numbered(i, sizes[i % sizes.length]);
      if (!kept.channel.send(payload)) await kept.channel.writable;
    }
  }, sizes);
  for (let i = 0; i < 5000; i++) {
    if (!channel.send(numbered(i, sizes[i % sizes.length]))) await channel.writable;
  }
  await theirs;
  await until(async () => expected === 5000 && await countedBy(t) === 5000);
});

crossTest("messages and requests keep one order", async (t) => {
  await openCounter(t, { capacity: 4096 });
  await using channel = await Channel.open(t.name);
  let sent = 0;
  for (let round = 0; round < 100; round++) {
    for (let i = 0; i <= round % 7; i++) channel.send(numbered(sent++, sizes[round % 8]));
    const answer = round % 2 === 0 ? channel.requestSync() : await channel.request();
    assert.equal(numberIn(answer), sent);
  }
});

crossTest("messages sent before the partner comes arrive first, in order", async (t) => {
  await using channel = await Channel.open(t.name, { sendQueueBytes: 1000 });
  let sent = 0;
  assert.throws(
    () => {
      for (;; sent++) assert.equal(channel.send(numbered(sent, 100)), false);
    },
    (error) => error instanceof BackpressureError && error.limit === 1000 && error.queued === 1000,
  );
  assert.equal(sent, 10);
  assert.equal(channel.stats.queuedMessages, 10);
  const writable = channel.writable;
  await openCounter(t);
  await writable;
  channel.send(numbered(sent++));
  assert.equal(numberIn(await channel.request()), 11);
  assert.equal(await countedBy(t), 11);
});

/** Sends until it is refused, wakes the partner up, and checks that nothing was lost. */
async function overflow(
  t: Cross,
  stop: () => Promise<unknown>,
  go: () => void,
): Promise<void> {
  await openCounter(t, { capacity: 16384 });
  await using channel = await Channel.open(t.name, { sendQueueBytes: 100_000 });
  await channel.request();
  await stop();
  let sent = 0;
  assert.throws(
    () => {
      for (;; sent++) channel.send(numbered(sent, sizes[sent % sizes.length]));
    },
    { name: "BackpressureError", code: "BACKPRESSURE", limit: 100_000 },
  );
  const { overflows, queuedBytes, queuedMessages, waits } = channel.stats;
  assert.ok(queuedBytes > 90_000 && queuedBytes <= 100_000, `${queuedBytes} bytes are queued`);
  assert.ok(queuedMessages > 0 && waits >= queuedMessages);
  assert.equal(overflows, 1);
  // Who awaits waits: calls are never refused, however much they bring.
  const asked = [1, 2].map(() => channel.request(numbered(0, 80_000)));
  assert.ok(channel.stats.queuedBytes >= queuedBytes + 160_000);
  assert.equal(channel.stats.overflows, 1);
  let isWritable = false;
  const writable = channel.writable.then(() => isWritable = true);
  await sleep(20);
  assert.equal(isWritable, false, "not before the partner has read");
  go();
  await writable;
  assert.equal(channel.stats.queuedBytes, 0);
  for (const answer of await Promise.all(asked)) assert.equal(numberIn(answer), sent);
  for (const end = sent + 100; sent < end; sent++) channel.send(numbered(sent));
  assert.equal(numberIn(await channel.request()), sent);
  assert.equal(await countedBy(t), sent);
}

crossTest("a stopped partner: sending is refused, nothing is lost", async (t) => {
  const stop = (): Promise<void> => Promise.resolve(t.peer.kill("SIGSTOP"));
  try {
    await overflow(t, stop, () => t.peer.kill("SIGCONT"));
  } finally {
    t.peer.kill("SIGCONT");
  }
}, { skip: () => noStop });

crossTest("a stopped partner: calls wait, and go on when it does", async (t) => {
  await openCounter(t);
  await using channel = await Channel.open(t.name);
  await channel.request();
  t.peer.kill("SIGSTOP");
  const waiting = channel.request();
  try {
    await assert.rejects(channel.request(undefined, { timeout: 100 }), { code: "TIMEOUT" });
    assert.throws(() => channel.requestSync(undefined, { timeout: 100 }), { code: "TIMEOUT" });
    assert.equal(channel.isConnected, true, "who is paused isn't dead");
  } finally {
    t.peer.kill("SIGCONT");
  }
  assert.equal(numberIn(await waiting), 0);
}, { skip: () => noStop });

crossTest("a busy partner: sending is refused, nothing is lost", async (t) => {
  const stop = async (): Promise<void> => {
    await t.peer.run(() => {
      setTimeout(() => {
        for (const end = performance.now() + 500; performance.now() < end;);
      });
    });
    await sleep(30);
  };
  await overflow(t, stop, () => {});
});

crossTest("a handler that throws hurts nobody: onError is told", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.got = [];
    kept.errors = [];
    use(
      await ipc.Channel.open(name, {
        onMessage(payload) {
          if (payload![0] === 2) throw new Error("not two");
          kept.got.push(payload![0]);
        },
        onError: (error) => kept.errors.push((error as Error).message),
        onRequest: () => undefined,
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  for (const n of [1, 2, 3]) channel.send(new Uint8Array([n]));
  await channel.request();
  const { got, errors } = await t.peer.run(({ kept }) => kept);
  assert.deepEqual({ got, errors }, { got: [1, 3], errors: ["not two"] });
});

crossTest("borrowed payloads are whole while the handler runs", async (t) => {
  await t.peer.run(async ({ ipc, use, kept, payloads }, name: string) => {
    kept.count = 0;
    use(
      await ipc.Channel.open(name, {
        borrow: true,
        capacity: 65536,
        onMessage(payload) {
          payloads.checkBytes(payload, payloads.pattern(12_000, kept.count++));
        },
        onRequest: () => payloads.numbered(kept.count),
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  for (let i = 0; i < 200; i++) {
    if (!channel.send(pattern(12_000, i))) await channel.writable;
  }
  assert.equal(numberIn(await channel.request()), 200);
});

crossTest("statistics count each way", async (t) => {
  await openSilent(t.peer, `${t.name}-silent`);
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.channel = use(
      await ipc.Channel.open(name, { onRequest: () => new Uint8Array(7), onMessage() {} }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  await using silent = await Channel.open(`${t.name}-silent`);
  for (let i = 0; i < 10; i++) {
    checkBytes(await channel.request(pattern(100, i)), new Uint8Array(7));
  }
  for (let i = 0; i < 5; i++) channel.send(pattern(1000, i));
  channel.send();
  channel.requestSync();
  assert.deepEqual(channel.stats, {
    messagesSent: 17,
    bytesSent: 6000,
    messagesReceived: 11,
    bytesReceived: 77,
    timeouts: 0,
    overflows: 0,
    dropped: 0,
    queuedBytes: 0,
    queuedMessages: 0,
    waits: 0,
    pendingCalls: 0,
  });
  const theirs = await t.peer.run(({ kept }) => kept.channel.stats);
  assert.equal(theirs.messagesReceived, 17);
  assert.equal(theirs.bytesReceived, 6000);
  assert.equal(theirs.messagesSent, 11);
  assert.equal(theirs.bytesSent, 77);
  const waiting = assert.rejects(silent.request(undefined, { timeout: 20 }), { code: "TIMEOUT" });
  assert.equal(silent.stats.pendingCalls, 1);
  await waiting;
  assert.equal(silent.stats.timeouts, 1);
});

crossTest("a process that ends by itself sends first what it was told to send", async (t) => {
  let bytes = 0;
  await using channel = await Channel.open(t.name, {
    capacity: 16384,
    onMessage: (payload) => void (bytes += payload!.length),
  });
  const peer = t.start();
  await peer.run(async ({ ipc }, name: string) => {
    const channel = await ipc.Channel.open(name);
    await channel.whenConnected();
    setTimeout(() => {
      for (let i = 0; i < 300; i++) channel.send(new Uint8Array(10_000));
    }, 100);
  }, t.name);
  peer.leave();
  await channel.whenConnected();
  // This side is busy meanwhile: nearly all of it waits over there when there is no more to do.
  await sleep(50);
  for (const end = performance.now() + 1000; performance.now() < end;);
  assert.deepEqual(await peer.ended, { code: 0, signal: null });
  await until(() => bytes === 3_000_000, "all of it");
});

peersEnd();
