// Subscribers that lag, stop or die, publishers that die, and the limits of both.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bytes,
  ClosedError,
  ConnectionLimitError,
  json,
  LaggedError,
  MessageTooLargeError,
  Publisher,
  Subscriber,
} from "../../mod.ts";
import { type Cross, crossTest as anyCrossTest, peersEnd, uniqueName } from "../support/cross.ts";
import { until, within } from "../support/watchdog.ts";
import { noStop, type Peer } from "../support/peers.ts";
import { numbered, numberIn } from "../support/payloads.ts";

/** What waits for deaths and wake-ups of many takes its time on a busy machine. */
const crossTest: typeof anyCrossTest = (title, body, options) =>
  anyCrossTest(title, body, { limit: 120, ...options });

type OnLag = "block" | "drop-oldest" | "disconnect";

/** A subscriber in a peer that notes all it gets. */
function subscribe(peer: Peer, name: string, onLag: OnLag): Promise<void> {
  return peer.run(
    async ({ ipc, use, kept, payloads: { numberIn } }, name: string, onLag: OnLag) => {
      kept.got = 0;
      kept.next = 0;
      kept.wrong = 0;
      kept.lost = 0;
      kept.events = [];
      kept.subscriber = use(
        await ipc.Subscriber.open(name, {
          codec: ipc.bytes,
          onLag,
          onMessage(value, { sequence }) {
            const number = numberIn(value as Uint8Array);
            if (number !== sequence || number !== kept.next) kept.wrong++;
            kept.next = number + 1;
            kept.got++;
          },
          onLost: (count) => {
            kept.lost += count;
            kept.next += count;
          },
          onConnect: () => void kept.events.push("connect"),
          onDisconnect: (_, reason) => void kept.events.push(reason),
          onError: (error) => void kept.events.push((error as { code: string }).code),
        }),
      );
    },
    name,
    onLag,
  );
}

interface Noted {
  got: number;
  next: number;
  wrong: number;
  lost: number;
  events: string[];
}

function notes(peer: Peer): Promise<Noted> {
  return peer.run(({ kept: { got, next, wrong, lost, events } }) => ({
    got,
    next,
    wrong,
    lost,
    events,
  }));
}

const CAPACITY = 65536;
const SIZE = 100;

/** A publisher here, a healthy subscriber in the peer, one that is stopped beside it. */
async function withStopped(
  t: Cross,
  onLag: OnLag,
  body: (publisher: Publisher, stopped: Peer, events: string[]) => Promise<void>,
): Promise<void> {
  const events: string[] = [];
  await using publisher = await Publisher.open(t.name, {
    capacity: CAPACITY,
    codec: bytes,
    onDisconnect: (_, reason) => void events.push(reason),
  });
  const stopped = t.start();
  await subscribe(t.peer, t.name, "block");
  await subscribe(stopped, t.name, onLag);
  await publisher.ready(2);
  for (let i = 0; i < 10; i++) await publisher.publish(numbered(i, SIZE));
  await until(async () => (await notes(stopped)).got === 10);
  stopped.kill("SIGSTOP");
  try {
    await body(publisher, stopped, events);
  } finally {
    stopped.kill("SIGCONT");
  }
}

crossTest(
  "a stopped subscriber that blocks holds the publisher back until it goes on",
  async (t) => {
    await withStopped(t, "block", async (publisher, stopped, events) => {
      let published = 10;
      while (publisher.tryPublish(numbered(published, SIZE))) published++;
      assert.ok(published >= 0.8 * CAPACITY / (SIZE + 20), `${published} had room`);
      await until(async () => (await notes(t.peer)).got === published);
      await assert.rejects(
        publisher.publish(numbered(published, SIZE), { timeout: 50 }),
        { code: "TIMEOUT" },
      );
      assert.throws(
        () => publisher.publishSync(numbered(published, SIZE), { timeout: 50 }),
        { code: "TIMEOUT" },
      );
      assert.ok(publisher.stats.waits >= 2);
      const waiting = publisher.publish(numbered(published, SIZE));
      stopped.kill("SIGCONT");
      await waiting;
      publisher.publishSync(numbered(published + 1, SIZE));
      for (const peer of [t.peer, stopped]) {
        await until(async () => (await notes(peer)).got === published + 2);
        const { wrong, lost } = await notes(peer);
        assert.deepEqual({ wrong, lost }, { wrong: 0, lost: 0 });
      }
      assert.deepEqual(events, []);
    });
  },
  { skip: () => noStop },
);

crossTest("a stopped subscriber that drops loses an exact number, the other nothing", async (t) => {
  await withStopped(t, "drop-oldest", async (publisher, stopped, events) => {
    const COUNT = 20_000;
    for (let i = 10; i < COUNT; i++) await publisher.publish(numbered(i, SIZE));
    stopped.kill("SIGCONT");
    await until(async () => (await notes(stopped)).next === COUNT);
    const { got, lost, wrong } = await notes(stopped);
    assert.equal(wrong, 0);
    assert.equal(got + lost, COUNT);
    assert.ok(got - 10 >= 0.4 * CAPACITY / (SIZE + 20), `${got} were left`);
    assert.ok(lost > COUNT / 2);
    assert.equal(await stopped.run(({ kept }) => kept.subscriber.lost), lost);
    await until(async () => (await notes(t.peer)).got === COUNT);
    assert.deepEqual((({ lost, wrong }) => [lost, wrong])(await notes(t.peer)), [0, 0]);
    assert.deepEqual(events, []);
  });
}, { skip: () => noStop });

crossTest("a stopped subscriber that wants it is disconnected, the other goes on", async (t) => {
  await withStopped(t, "disconnect", async (publisher, stopped, events) => {
    const COUNT = 5000;
    for (let i = 10; i < COUNT; i++) await publisher.publish(numbered(i, SIZE));
    await until(() => events.length > 0);
    assert.deepEqual(events, ["lagged"]);
    assert.equal(publisher.subscribers, 1);
    stopped.kill("SIGCONT");
    await until(async () => (await notes(stopped)).events.length === 3);
    assert.deepEqual((await notes(stopped)).events, ["connect", "LAGGED", "lagged"]);
    await until(async () => (await notes(t.peer)).got === COUNT);
    // A new one begins where the publisher is.
    await stopped.run(({ kept }) => kept.subscriber.close());
    await using again = await Subscriber.open(t.name, { codec: bytes });
    await publisher.publish(numbered(COUNT));
    assert.equal(numberIn(await again.receive() as Uint8Array), COUNT);
  });
}, { skip: () => noStop });

crossTest(
  "a slow subscriber that drops, while the publisher overtakes it all the time",
  async (t) => {
    await t.peer.run(async ({ ipc, use, kept }, name: string) => {
      kept.publisher = use(
        await ipc.Publisher.open(name, { capacity: 4096, codec: ipc.bytes }),
      );
    }, t.name);
    const lost: number[] = [];
    await using subscriber = await Subscriber.open(t.name, {
      codec: bytes,
      onLag: "drop-oldest",
      onLost: (count) => void lost.push(count),
    });
    await subscriber.ready();
    const COUNT = 100_000;
    const publishing = t.peer.run(async ({ kept, payloads: { numbered } }, count: number) => {
      for (let i = 0; i <= count; i++) {
        await kept.publisher.publish(numbered(i, i === count ? 4 : 4 + (i & 63)));
      }
    }, COUNT);
    let got = 0;
    for await (const value of subscriber) {
      const number = numberIn(value as Uint8Array);
      got++;
      assert.equal(number + 1, got + subscriber.lost);
      if (number === COUNT) break;
    }
    await publishing;
    assert.equal(lost.reduce((sum, count) => sum + count, 0), subscriber.lost);
    assert.equal(got + subscriber.lost, COUNT + 1);
  },
);

crossTest("a disconnected subscriber's receive says so, once", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.publisher = use(await ipc.Publisher.open(name, { capacity: 4096 }));
  }, t.name);
  await using subscriber = await Subscriber.open<number>(t.name, { onLag: "disconnect" });
  await subscriber.ready();
  await t.peer.run(async ({ kept }) => {
    for (let i = 0; i < 1000; i++) await kept.publisher.publish(i);
  });
  await assert.rejects(async () => {
    for (let i = 0; i < 1000; i++) assert.equal(await subscriber.receive(), i);
  }, (error) => error instanceof LaggedError && error.publisher !== "");
  assert.equal(subscriber.publishers, 0);
  await assert.rejects(subscriber.receive({ timeout: 10 }), { code: "TIMEOUT" });
});

crossTest("a subscriber that is killed lets the publisher go on that it held back", async (t) => {
  const events: string[] = [];
  await using publisher = await Publisher.open(t.name, {
    capacity: 4096,
    codec: bytes,
    onDisconnect: (_, reason) => void events.push(reason),
  });
  for (const how of ["awaited", "blocking"] as const) {
    const victim = t.start();
    await subscribe(victim, t.name, "block");
    await publisher.ready();
    victim.kill("SIGSTOP");
    while (publisher.tryPublish(numbered(0, SIZE)));
    const last = numbered(1, SIZE);
    const kill = (): void => victim.kill("SIGKILL");
    if (how === "awaited") {
      const waiting = publisher.publish(last);
      kill();
      await within(waiting, "the waiting publish", 60_000);
    } else {
      const killer = t.start();
      await killer.run(async (_, pid: number) => {
        const { default: process } = await import("node:process");
        setTimeout(() => process.kill(pid, "SIGKILL"), 100);
      }, victim.pid);
      publisher.publishSync(last, { timeout: 60_000 });
    }
    await victim.ended;
    await until(() => publisher.subscribers === 0);
    await until(() => events.length > 0);
    assert.deepEqual(events.splice(0), ["died"]);
  }
}, { skip: () => noStop });

crossTest("what a killed publisher had published arrives, then its end", async (t) => {
  await subscribe(t.peer, t.name, "block");
  const victim = t.start();
  await victim.run(async ({ ipc, kept }, name: string) => {
    kept.publisher = await ipc.Publisher.open(name, { codec: ipc.bytes });
    await kept.publisher.ready();
  }, t.name);
  await until(async () => (await notes(t.peer)).events.length === 1);
  const dying = victim.run(async ({ kept, payloads: { numbered } }) => {
    const { default: process } = await import("node:process");
    for (let i = 0; i < 5000; i++) kept.publisher.tryPublish(numbered(i, 40));
    kept.publisher.tryLoan(100).bytes.fill(7); // never published
    process.kill(process.pid, "SIGKILL");
  }).catch(() => {});
  await victim.ended;
  await dying;
  await until(async () => (await notes(t.peer)).events.length === 2);
  const { got, wrong, lost, events } = await notes(t.peer);
  assert.deepEqual({ got, wrong, lost }, { got: 5000, wrong: 0, lost: 0 });
  assert.deepEqual(events, ["connect", "died"]);
  // The name goes on with another one.
  await using publisher = await Publisher.open(t.name, { codec: bytes });
  await publisher.ready();
  await publisher.publish(numbered(0));
  await until(async () => (await notes(t.peer)).got === 5001);
});

crossTest("both sides killed again and again: nothing stays, everything goes on", async (t) => {
  await using publisher = await Publisher.open(t.name, { capacity: 4096, codec: bytes });
  let stop = false;
  let published = 0;
  const publishing = (async () => {
    for (; !stop; published++) await publisher.publish(numbered(published, 50));
  })();
  await using subscriber = await Subscriber.open(t.name, { codec: bytes, onLag: "drop-oldest" });
  for (let round = 0; round < 3; round++) {
    const victim = t.start();
    await victim.run(async ({ ipc, payloads: { numbered } }, name: string) => {
      await ipc.Subscriber.open(name, { codec: ipc.bytes, onMessage: () => {} });
      const publisher = await ipc.Publisher.open(name, { codec: ipc.bytes });
      const go = (): void => void setTimeout(go, 1);
      go();
      void (async () => {
        for (let i = 0;; i++) await publisher.publish(numbered(i));
      })();
    }, t.name);
    await subscriber.ready(2);
    victim.kill("SIGKILL");
    await victim.ended;
    const before = published;
    await until(() => published > before + 1000);
    await until(() => {
      for (let i = 0; i < 10_000 && subscriber.tryReceive() !== undefined;) i++;
      return subscriber.publishers === 1;
    });
  }
  stop = true;
  await publishing;
});

// -------------------------------------------------------------------------- limits

crossTest("one subscriber more than a publisher allows is refused", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.publisher = use(await ipc.Publisher.open(name, { capacity: 4096 }));
  }, t.name);
  const open = await Promise.all(
    Array.from({ length: 64 }, () => Subscriber.open<number>(t.name)),
  );
  await assert.rejects(Subscriber.open(t.name), (error) => {
    assert.ok(error instanceof ConnectionLimitError, String(error));
    assert.match(error.message, /64.*maxSubscribers/);
    return error.code === "CONNECTION_LIMIT";
  });
  await t.peer.run(({ kept }) => kept.publisher.publish(7));
  for (const each of open) assert.equal(await each.receive(), 7);
  await open[10]!.close();
  await using again = await Subscriber.open<number>(t.name);
  await t.peer.run(({ kept }) => kept.publisher.publish(8));
  assert.equal(await again.receive(), 8);

  // A publisher that comes later, and has no room for all: those without are told.
  const errors: unknown[] = [];
  const told = await Subscriber.open(`${t.name}-2`, {
    onError: (error) => void errors.push(error),
  });
  const first = await Subscriber.open(`${t.name}-2`, {
    onError: (error) => void errors.push(error),
  });
  await t.peer.run(async ({ ipc, use }, name: string) => {
    use(await ipc.Publisher.open(name, { capacity: 4096, maxSubscribers: 1 }));
  }, `${t.name}-2`);
  await until(() => errors.length === 1);
  assert.ok(errors[0] instanceof ConnectionLimitError);
  assert.equal(told.publishers + first.publishers, 1);
  await Promise.all([...open, told, first].map((each) => each.close()));
});

crossTest("another codec is refused, on either side", async (t) => {
  await t.peer.run(async ({ ipc, use }, name: string) => {
    use(await ipc.Publisher.open(name, { capacity: 4096, codec: ipc.json }));
  }, t.name);
  await assert.rejects(Subscriber.open(t.name), (error: Error & { code?: string }) => {
    assert.match(error.message, /json.*messagepack/);
    return error.code === "CODEC_MISMATCH";
  });
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  await using right = await Subscriber.open(t.name, { codec: json, onError });
  await right.ready();
  // One that comes later is told of by `onError`, and isn't held back.
  await t.peer.run(async ({ ipc, use }, name: string) => {
    const other = use(await ipc.Publisher.open(name, { capacity: 4096, codec: ipc.bytes }));
    for (let i = 0; i < 100; i++) await other.publish(new Uint8Array(100));
  }, t.name);
  await until(() => errors.length === 1);
  assert.equal((errors[0] as { code: string }).code, "CODEC_MISMATCH");
  assert.equal(right.publishers, 1);
});

test("limits and wrong arguments are told with what to do", async () => {
  const name = uniqueName();
  await using publisher = await Publisher.open(name, { capacity: 4096, codec: bytes });
  assert.equal(publisher.maxMessageBytes, 1008);
  for (
    const task of [
      () => publisher.publish(new Uint8Array(1009)),
      () => publisher.publishMany([new Uint8Array(1009)]),
      () => publisher.publishParts([new Uint8Array(1000), new Uint8Array(10)]),
      () => publisher.loan(1009),
    ]
  ) {
    await assert.rejects(task(), (error) => {
      assert.ok(error instanceof MessageTooLargeError, String(error));
      assert.match(error.message, /1008.*`capacity`/);
      return true;
    });
  }
  assert.throws(() => publisher.tryPublish(new Uint8Array(1009)), { code: "MESSAGE_TOO_LARGE" });
  await publisher.publish(new Uint8Array(1008));
  await assert.rejects(publisher.publish(undefined as never), { code: "ARGUMENT" });
  await assert.rejects(publisher.publish(5 as never), { code: "CODEC" });
  await assert.rejects(publisher.publishParts("x" as never), { code: "ARGUMENT" });
  await assert.rejects(publisher.loan(-1), { code: "ARGUMENT" });
  await assert.rejects(publisher.ready(-1), { code: "ARGUMENT" });
  for (
    const options of [
      { capacity: 5000 },
      { maxSubscribers: 0 },
      { maxSubscribers: 5000 },
      { history: -1 },
      { timeout: -1 },
      { codec: 5 },
      { onConnect: 5 },
      null,
    ]
  ) {
    await assert.rejects(Publisher.open(name, options as never), { code: "ARGUMENT" });
  }
  for (
    const options of [
      { onLag: "later" },
      { history: 1.5 },
      { borrow: true },
      { onMessage: 5 },
      { codec: "json" },
      null,
    ]
  ) {
    await assert.rejects(Subscriber.open(name, options as never), { code: "ARGUMENT" });
  }
  await assert.rejects(Publisher.open(""), { code: "ARGUMENT" });
  await using handling = await Subscriber.open(name, { codec: bytes, onMessage: () => {} });
  await assert.rejects(handling.receive(), { code: "ARGUMENT" });
});

test("after close everything says that it is closed", async () => {
  const name = uniqueName();
  const publisher = await Publisher.open<number>(name, { capacity: 4096 });
  const subscriber = await Subscriber.open<number>(name);
  const loan = publisher.tryLoan(8)!;
  const ready = assert.rejects(publisher.ready(5), ClosedError);
  const receiving = assert.rejects(subscriber.receive(), ClosedError);
  const gate = assert.rejects(subscriber.ready(9), ClosedError);
  await publisher.close();
  await publisher.close();
  await subscriber.close();
  await subscriber.close();
  await Promise.all([ready, receiving, gate]);
  assert.throws(() => loan.publish(), { code: "ARGUMENT" });
  assert.equal(loan.bytes.length, 0);
  await assert.rejects(publisher.publish(1), ClosedError);
  await assert.rejects(publisher.publishMany([1]), ClosedError);
  await assert.rejects(publisher.loan(1), ClosedError);
  await assert.rejects(publisher.ready(), ClosedError);
  assert.throws(() => publisher.tryPublish(1), ClosedError);
  assert.throws(() => publisher.publishSync(1), ClosedError);
  await assert.rejects(subscriber.receive(), ClosedError);
  await assert.rejects(subscriber.ready(), ClosedError);
  assert.throws(() => subscriber.tryReceive(), ClosedError);
  for await (const _ of subscriber) assert.fail("nothing comes any more");
});

test("a subscriber that its own onDisconnect closes ends every kind of wait", async () => {
  for (const how of ["loop", "receive", "receiveSync", "tryReceive"] as const) {
    for (const isEarly of [true, false]) {
      const name = uniqueName();
      const publisher = await Publisher.open<number>(name, { capacity: 4096 });
      const subscriber: Subscriber<number> = await Subscriber.open<number>(name, {
        onDisconnect: () => void subscriber.close(),
      });
      await subscriber.ready();
      await publisher.publish(1);
      assert.equal(await subscriber.receive(), 1);
      if (isEarly) await publisher.close();
      const later = isEarly ? undefined : setTimeout(() => publisher.close(), 5);
      switch (how) {
        case "loop":
          for await (const _ of subscriber) assert.fail("nothing comes");
          break;
        case "receive":
          await assert.rejects(subscriber.receive(), ClosedError);
          break;
        case "receiveSync":
          if (!isEarly) await publisher.close(); // nobody could while the thread is blocked
          assert.throws(() => subscriber.receiveSync({ timeout: 60_000 }), ClosedError);
          break;
        default:
          await until(() => subscriber.isClosed || subscriber.tryReceive() === undefined);
      }
      clearTimeout(later);
      await publisher.close();
      await subscriber.close();
    }
  }
});

peersEnd();
