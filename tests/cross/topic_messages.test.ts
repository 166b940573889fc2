// Topics between the process of this file and a peer in each runtime: who gets what.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, json, Publisher, type SharedMemory, Subscriber } from "../../mod.ts";
import { crossTest as anyCrossTest, peersEnd, uniqueName } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { checkBytes, numbered, numberIn, pattern } from "../support/payloads.ts";

/** Small rings and many processes take their time on a busy machine. */
const crossTest: typeof anyCrossTest = (title, body) => anyCrossTest(title, body, { limit: 120 });

crossTest("subscribers before and after: each gets every message of each publisher", async (t) => {
  await using early = await Subscriber.open<[string, number]>(t.name);
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.first = use(await ipc.Publisher.open(name, { capacity: 4096 }));
    kept.got = [];
    use(await ipc.Subscriber.open(name, { onMessage: (value) => void kept.got.push(value) }));
    kept.second = use(await ipc.Publisher.open(name, { capacity: 65536 }));
  }, t.name);
  await using own = await Publisher.open<[string, number]>(t.name);
  await using late = await Subscriber.open<[string, number]>(t.name);
  await early.ready(3);
  await late.ready(3);
  const COUNT = 1000;
  const publishing = t.peer.run(async ({ kept }, count: number) => {
    for (let i = 0; i < count; i++) {
      await kept.first.publish(["first", i]);
      await kept.second.publish(["second", i]);
    }
  }, COUNT);
  const ownPublishing = (async () => {
    for (let i = 0; i < COUNT; i++) await own.publish(["own", i]);
  })();
  const check = async (subscriber: Subscriber<[string, number]>): Promise<void> => {
    const next: Record<string, number> = { first: 0, second: 0, own: 0 };
    for (let i = 0; i < 3 * COUNT; i++) {
      const [from, number] = await subscriber.receive();
      assert.equal(number, next[from]!++);
    }
    assert.equal(subscriber.tryReceive(), undefined);
  };
  await Promise.all([check(early), check(late), publishing, ownPublishing]);
  await until(() => t.peer.run(({ kept }, count: number) => kept.got.length === 3 * count, COUNT));
  const inOrder = await t.peer.run(({ kept }) => {
    const next: Record<string, number> = { first: 0, second: 0, own: 0 };
    return kept.got.every(([from, number]: [string, number]) => next[from]!++ === number);
  });
  assert.ok(inOrder);
  assert.equal(early.lost + late.lost, 0);
});

crossTest(
  "a publisher that comes later reaches those who are there with its first message",
  async (t) => {
    await t.peer.run(async ({ ipc, use, kept }, name: string) => {
      kept.got = [];
      const onMessage = (value: unknown) => void kept.got.push(value);
      use(await ipc.Subscriber.open(name, { onMessage, codec: ipc.json }));
    }, t.name);
    for (let round = 0; round < 20; round++) {
      const publisher = await Publisher.open(t.name, { codec: json });
      assert.equal(publisher.subscribers, 1);
      for (let i = 0; i < 5; i++) assert.equal(publisher.tryPublish({ round, i }), true);
      await publisher.close();
    }
    await until(() => t.peer.run(({ kept }) => kept.got.length === 100));
    // Each publisher's order is kept; there is none between publishers.
    const got: { round: number; i: number }[] = await t.peer.run(({ kept }) => kept.got);
    for (let round = 0; round < 20; round++) {
      const numbers = got.filter((each) => each.round === round).map(({ i }) => i);
      assert.deepEqual(numbers, [0, 1, 2, 3, 4]);
    }
  },
);

crossTest("late joiners get the last messages, or the latest", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.publisher = use(await ipc.Publisher.open(name, { capacity: 4096, history: 100 }));
    for (let i = 0; i < 1000; i++) await kept.publisher.publish(i);
  }, t.name);
  await using none = await Subscriber.open<number>(t.name);
  await using latest = await Subscriber.open<number>(t.name, { history: "latest" });
  await using ten = await Subscriber.open<number>(t.name, { history: 10 });
  await using all = await Subscriber.open<number>(t.name, { history: 500, onLag: "drop-oldest" });
  await t.peer.run(async ({ kept }) => {
    await kept.publisher.ready(4);
    await kept.publisher.publish(1000);
  });
  assert.equal(await none.receive(), 1000);
  for (const expected of [999, 1000]) assert.equal(await latest.receive(), expected);
  for (let i = 990; i <= 1000; i++) assert.equal(await ten.receive(), i);
  const first = await all.receive();
  assert.ok(first >= 900 && first <= 960, `${first}: at most 100, and what the ring holds`);
  for (let i = first + 1; i <= 1000; i++) assert.equal(await all.receive(), i);
  for (const subscriber of [none, latest, ten, all]) {
    assert.equal(subscriber.tryReceive(), undefined);
    assert.equal(subscriber.lost, 0);
  }
});

crossTest("bytes of any size, several parts, and loans arrive as they were", async (t) => {
  const CAPACITY = 1 << 20;
  const sizes = [0, 1, 7, 8, 4095, 4096, 5000, 100_000, CAPACITY / 4 - 16];
  await t.peer.run(
    async ({ ipc, use, kept }, name: string, capacity: number) => {
      kept.publisher = use(await ipc.Publisher.open(name, { capacity, codec: ipc.bytes }));
    },
    t.name,
    CAPACITY,
  );
  await using subscriber = await Subscriber.open<Uint8Array | Uint8Array[]>(t.name, {
    codec: bytes,
  });
  await subscriber.ready();
  const publishing = t.peer.run(async ({ kept, payloads: { pattern } }, sizes: number[]) => {
    const { publisher } = kept;
    for (const size of sizes) {
      await publisher.publish(pattern(size, size));
      await publisher.publishParts([
        pattern(size >> 1, 1),
        new Uint8Array(0),
        pattern(size >> 2, 2),
      ]);
      const loan = await publisher.loan(size);
      loan.bytes.set(pattern(size, size + 1));
      loan.publish();
      (await publisher.loan(10))[Symbol.dispose]();
    }
    await publisher.publishParts([]);
    await publisher.publishMany(sizes.map((size) => pattern(size, 3)));
  }, sizes);
  for (const size of sizes) {
    checkBytes(await subscriber.receive() as Uint8Array, pattern(size, size));
    const parts = await subscriber.receive() as Uint8Array[];
    assert.equal(parts.length, 3);
    checkBytes(parts[0], pattern(size >> 1, 1));
    checkBytes(parts[1], new Uint8Array(0));
    checkBytes(parts[2], pattern(size >> 2, 2));
    checkBytes(await subscriber.receive() as Uint8Array, pattern(size, size + 1));
  }
  assert.deepEqual(await subscriber.receive(), []);
  for (const size of sizes) checkBytes(await subscriber.receive() as Uint8Array, pattern(size, 3));
  await publishing;
});

crossTest("for await, receive, receiveSync and tryReceive; a loop ends with close", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.publisher = use(await ipc.Publisher.open(name, { capacity: 4096 }));
  }, t.name);
  const subscriber = await Subscriber.open<{ n: number }>(t.name);
  await subscriber.ready();
  const send = (from: number, to: number): Promise<void> =>
    t.peer.run(
      async ({ kept, sleep }, from: number, to: number) => {
        for (let n = from; n < to; n++) {
          await kept.publisher.publish({ n });
          if (n % 50 === 0) await sleep(3); // everybody falls asleep now and then
        }
      },
      from,
      to,
    );
  let sending = send(0, 500);
  let expected = 0;
  for await (const { n } of subscriber.values({ keepOpen: true })) {
    assert.equal(n, expected++);
    if (expected === 500) break;
  }
  await sending;
  assert.equal(subscriber.isClosed, false);
  sending = send(500, 700);
  for (; expected < 600; expected++) assert.deepEqual(await subscriber.receive(), { n: expected });
  for (; expected < 700; expected++) assert.deepEqual(subscriber.receiveSync(), { n: expected });
  await sending;
  assert.equal(subscriber.tryReceive(), undefined);
  await assert.rejects(subscriber.receive({ timeout: 10 }), { code: "TIMEOUT" });
  assert.throws(() => subscriber.receiveSync({ timeout: 10 }), { code: "TIMEOUT" });
  const abort = new AbortController();
  const aborted = assert.rejects(subscriber.receive({ signal: abort.signal }), { name: "Stop" });
  abort.abort(Object.assign(new Error("stop"), { name: "Stop" }));
  await aborted;
  const looping = (async () => {
    let count = 0;
    for await (const _ of subscriber) count++;
    return count;
  })();
  await send(700, 710);
  await until(() => subscriber.stats.messagesReceived === 710);
  await subscriber.close();
  assert.equal(await looping, 10);
  await assert.rejects(subscriber.receive(), { code: "CLOSED" });
});

crossTest("a handler that throws or takes its time hurts nobody else", async (t) => {
  await t.peer.run(async ({ ipc, use, kept, sleep }, name: string) => {
    kept.errors = [];
    kept.throwing = [];
    kept.slow = [];
    kept.infos = [];
    use(
      await ipc.Subscriber.open<number>(name, {
        onMessage(value) {
          kept.throwing.push(value);
          if (value % 2 === 0) throw new Error(`no ${value}`);
          return value % 5 === 0 ? Promise.reject(new Error(`no ${value}`)) : undefined;
        },
        onError: (error) => void kept.errors.push((error as Error).message),
      }),
    );
    let running = 0;
    use(
      await ipc.Subscriber.open<number>(name, {
        async onMessage(value, info) {
          if (running++ > 0) kept.slow.push("two at a time");
          await sleep(value % 10 === 0 ? 2 : 0);
          kept.slow.push(value);
          kept.infos.push(info);
          running--;
        },
      }),
    );
  }, t.name);
  await using publisher = await Publisher.open<number>(t.name);
  const COUNT = 100;
  const numbers = Array.from({ length: COUNT }, (_, i) => i);
  await publisher.publishMany(numbers);
  await until(() => t.peer.run(({ kept }) => kept.slow.length + kept.throwing.length === 200));
  const { throwing, slow, errors, infos } = await t.peer.run(({ kept }) => ({ ...kept })) as Record<
    string,
    unknown[]
  >;
  assert.deepEqual(throwing, numbers);
  assert.deepEqual(slow, numbers);
  assert.deepEqual(
    errors!.toSorted(),
    numbers.filter((n) => n % 2 === 0 || n % 5 === 0).map((n) => `no ${n}`).toSorted(),
  );
  assert.deepEqual(infos, numbers.map((sequence) => ({ publisher: publisher.id, sequence })));
});

crossTest("events, counts and ready on both sides", async (t) => {
  const events: string[] = [];
  await using publisher = await Publisher.open(t.name, {
    onConnect: (id) => void events.push(`+${id}`),
    onDisconnect: (id, reason) => void events.push(`-${id} ${reason}`),
  });
  assert.equal(publisher.subscribers, 0);
  await assert.rejects(publisher.ready(1, { timeout: 20 }), { code: "TIMEOUT" });
  const two = publisher.ready(2);
  const id = await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.events = [];
    kept.subscriber = use(
      await ipc.Subscriber.open(name, {
        onConnect: (id) => void kept.events.push(`+${id}`),
        onDisconnect: (id, reason) => void kept.events.push(`-${id} ${reason}`),
      }),
    );
    await kept.subscriber.ready(1);
    return kept.subscriber.id;
  }, t.name);
  await publisher.ready();
  const second = await Subscriber.open(t.name);
  await two;
  assert.equal(publisher.subscribers, 2);
  await second.ready();
  const other = await Publisher.open(t.name);
  await second.ready(2);
  assert.equal(second.publishers, 2);
  await second.close();
  await until(() => publisher.subscribers === 1);
  await other.close();
  await until(() => t.peer.run(({ kept }) => kept.events.length === 3));
  assert.deepEqual(await t.peer.run(({ kept }) => kept.events), [
    `+${publisher.id}`,
    `+${other.id}`,
    `-${other.id} closed`,
  ]);
  await t.peer.run(({ kept }) => kept.subscriber.close());
  await until(() => events.length === 4);
  assert.deepEqual(events, [`+${id}`, `+${second.id}`, `-${second.id} closed`, `-${id} closed`]);
});

crossTest(
  "messages in place: large ones are views of the ring, until the handler is done",
  async (t) => {
    await using publisher = await Publisher.open(t.name, { codec: bytes, capacity: 65536 });
    await t.peer.run(async ({ ipc, use, kept, payloads, sleep }, name: string) => {
      kept.got = [];
      kept.place = new Set();
      use(
        await ipc.Subscriber.open(name, {
          codec: ipc.bytes,
          borrow: true,
          async onMessage(value) {
            const payload = value as Uint8Array;
            kept.place.add(payload.buffer);
            const before = payloads.numberIn(payload);
            await sleep(1);
            kept.got.push([before, payloads.numberIn(payload)]);
          },
        }),
      );
    }, t.name);
    await publisher.ready();
    for (let i = 0; i < 40; i++) await publisher.publish(numbered(i, 10_000));
    await until(() => t.peer.run(({ kept }) => kept.got.length === 40));
    assert.deepEqual(
      await t.peer.run(({ kept }) => kept.got),
      Array.from({ length: 40 }, (_, i) => [i, i]),
    );
    assert.equal(await t.peer.run(({ kept }) => kept.place.size), 1);
  },
);

crossTest("publishMany and publishSync, with a subscriber that sleeps in between", async (t) => {
  await t.peer.run(async ({ ipc, use, kept, payloads }, name: string) => {
    kept.sum = 0;
    use(
      await ipc.Subscriber.open(name, {
        codec: ipc.bytes,
        onMessage: (value) => void (kept.sum += payloads.numberIn(value as Uint8Array)),
      }),
    );
  }, t.name);
  await using publisher = await Publisher.open(t.name, { codec: bytes, capacity: 4096 });
  let sum = 0;
  for (let round = 0; round < 5; round++) {
    const list = Array.from({ length: 300 }, (_, i) => numbered(i + round, 64));
    await publisher.publishMany(list);
    for (const each of list) publisher.publishSync(each);
    for (const each of list) sum += 2 * numberIn(each);
    await until(async () => await t.peer.run(({ kept }) => kept.sum) === sum);
  }
  assert.equal(publisher.stats.messagesSent, 3000);
  assert.equal(publisher.stats.bytesSent, 3000 * 64);
});

crossTest("shared memory in a message is the same memory for every subscriber", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.publisher = use(await ipc.Publisher.open(name));
    kept.memory = await ipc.SharedMemory.create({ size: 1 << 20 });
    new Uint8Array(kept.memory.buffer)[12345] = 42;
  }, t.name);
  interface Message {
    memory: SharedMemory;
    note: string;
  }
  await using one = await Subscriber.open<Message>(t.name);
  await using two = await Subscriber.open<Message>(t.name);
  await one.ready();
  await two.ready();
  await t.peer.run(({ kept: { publisher, memory } }) =>
    publisher.publish({ memory, note: "1 MiB" })
  );
  const first = await one.receive();
  const second = await two.receive();
  assert.equal(first.note, "1 MiB");
  assert.equal(new Uint8Array(first.memory.buffer)[12345], 42);
  new Uint8Array(first.memory.buffer)[0] = 7;
  assert.equal(new Uint8Array(second.memory.buffer)[0], 7);
  assert.equal(await t.peer.run(({ kept }) => new Uint8Array(kept.memory.buffer)[0]), 7);
  for (const { memory } of [first, second]) memory.close();
  await t.peer.run(({ kept }) => kept.memory.close());
});

test("all in one process: publishers, subscribers, loans, and deadlocks that are told", async () => {
  const name = uniqueName();
  await using publisher = await Publisher.open(name, { codec: bytes, capacity: 4096 });
  await using reading = await Subscriber.open(name, { codec: bytes });
  const got: number[] = [];
  await using handling = await Subscriber.open(name, {
    codec: bytes,
    onMessage: (value) => void got.push(numberIn(value as Uint8Array)),
  });
  await publisher.publish(numbered(0));
  assert.equal(numberIn(await reading.receive() as Uint8Array), 0);
  using loan = await publisher.loan(4);
  assert.equal(publisher.tryLoan(4), undefined);
  assert.equal(publisher.tryPublish(numbered(2)), false);
  assert.throws(() => publisher.publishSync(numbered(2)), { code: "ARGUMENT" });
  const waiting = publisher.publish(numbered(2));
  loan.bytes.set(numbered(1));
  loan.publish();
  assert.throws(() => loan.publish(), { code: "ARGUMENT" });
  await waiting;
  for (const n of [1, 2]) assert.equal(numberIn(reading.receiveSync() as Uint8Array), n);
  await until(() => got.length === 3);
  let published = 3;
  assert.throws(() => {
    for (;; published++) publisher.publishSync(numbered(published, 100));
  }, { code: "DEADLOCK" });
  for (let n = 3; n < published; n++) {
    assert.equal(numberIn(await reading.receive() as Uint8Array), n);
  }
  await publisher.publish(numbered(published));
  assert.equal(numberIn(await reading.receive() as Uint8Array), published);
  await handling.close();
});

peersEnd();
