// Channel: how partners find each other, who is refused, and what happens when one goes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CapacityMismatchError, Channel, ClosedError, DeadlockError } from "../../mod.ts";
import { NameTakenError, PeerGoneError } from "../../mod.ts";
import { type Cross, crossTest, peersEnd, uniqueName } from "../support/cross.ts";
import { until, within } from "../support/watchdog.ts";
import { noStop, type Peer } from "../support/peers.ts";
import { openEcho, openSilent } from "../support/partners.ts";
import { numbered, numberIn, text, utf8 } from "../support/payloads.ts";
import { sleep } from "../support/remote_functions.ts";

crossTest("who opens first doesn't matter", async (t) => {
  const events: string[] = [];
  const options = {
    onConnect: () => void events.push("connect"),
    onDisconnect: (reason: string) => void events.push(reason),
  };
  await openEcho(t.peer, `${t.name}-1`);
  const second = await Channel.open(`${t.name}-1`, options);
  assert.equal(second.isConnected, true, "there is a partner, so at once");
  assert.deepEqual(events, [], "not before the caller has the channel");
  await until(() => events.length > 0, "onConnect");
  assert.equal(numberIn(await second.request(numbered(1))), 1);
  await second.close();

  const first = await Channel.open(`${t.name}-2`, options);
  assert.equal(first.isConnected, false);
  const connected = first.whenConnected();
  await openEcho(t.peer, `${t.name}-2`);
  await connected;
  assert.equal(first.isConnected, true);
  assert.equal(numberIn(await first.request(numbered(2))), 2);
  await first.close();
  await first.close();
  assert.deepEqual(events, ["connect", "connect"], "closing isn't being left");
});

crossTest("both open at the same time, again and again", async (t) => {
  const open = (name: string): Promise<void> =>
    t.peer.run(async ({ ipc, kept }, name: string) => {
      kept.channel = await ipc.Channel.open(name, { onRequest: (payload) => payload });
    }, name);
  for (let round = 0; round < 30; round++) {
    // Every second time under the name of the round before.
    const name = `${t.name}-${round >> 1}`;
    const [channel] = await Promise.all([Channel.open(name), open(name)]);
    assert.equal(numberIn(await channel.request(numbered(round))), round);
    const close = (): Promise<void> => t.peer.run(({ kept }) => kept.channel.close());
    await Promise.all([channel.close(), close()]);
  }
});

crossTest("a third partner is refused, and let in when one has left", async (t) => {
  const other = t.start();
  await openEcho(t.peer, t.name);
  await other.run(async ({ ipc, kept }, name: string) => {
    kept.channel = await ipc.Channel.open(name, { onRequest: (payload) => payload });
    await kept.channel.whenConnected();
  }, t.name);
  for (let tries = 0; tries < 3; tries++) {
    await assert.rejects(Channel.open(t.name), (error) => {
      assert.ok(error instanceof NameTakenError, String(error));
      assert.match(error.message, new RegExp(t.name));
      return error.code === "NAME_TAKEN";
    });
  }
  const refused = other.run(({ ipc }, name: string) => ipc.Channel.open(name), t.name);
  await assert.rejects(refused, { name: "NameTakenError" });
  await other.run(({ kept }) => kept.channel.request(new Uint8Array(1)).then(() => {}));
  await other.run(({ kept }) => kept.channel.close());
  await using channel = await Channel.open(t.name);
  assert.equal(numberIn(await channel.request(numbered(3))), 3);
});

crossTest("names may be long, in any script, and differ in case", async (t) => {
  const long = "long name ".repeat(500);
  const names = [
    `${long}1`,
    `${long}2`,
    "ü",
    "u\u0308", // looks the same
    "日本語 / 株価",
    "👩‍👩‍👧",
    "a/b",
    "a//b",
    "../a",
    ".",
    "..",
    "a.b",
    "Prices",
    "prices",
    "PRICES",
    "%41",
    "A",
    "~tilde",
    "with\nline\tand\0nul",
    " ",
    "nodes",
    "join-1",
    "\\",
    ':*?"<>|',
  ];
  await t.peer.run(async ({ ipc, use, payloads }, names: string[]) => {
    for (const name of names) {
      use(await ipc.Channel.open(name, { onRequest: () => payloads.utf8(name) }));
    }
  }, names);
  for (const name of names) {
    await using channel = await Channel.open(name);
    assert.equal(channel.name, name);
    assert.equal(text(await channel.request()), name);
  }
  assert.equal(long.length, 5000);
});

crossTest("another capacity than the partner's is an error that says both", async (t) => {
  await openEcho(t.peer, t.name, { capacity: 8192 });
  await assert.rejects(Channel.open(t.name, { capacity: 4096 }), (error) => {
    assert.ok(error instanceof CapacityMismatchError, String(error));
    assert.match(error.message, /8192.*4096/);
    return error.code === "CAPACITY_MISMATCH";
  });
  await using channel = await Channel.open(t.name, { capacity: 8192 });
  assert.equal(numberIn(await channel.request(numbered(1))), 1);
});

crossTest("after close everything says that it is closed", async (t) => {
  await openSilent(t.peer, t.name);
  const channel = await Channel.open(t.name);
  await channel.whenConnected();
  const pending = assert.rejects(channel.request(), ClosedError);
  await channel.close();
  await pending;
  assert.equal(channel.isClosed, true);
  assert.equal(channel.isConnected, false);
  await assert.rejects(channel.request(), ClosedError);
  assert.throws(() => channel.requestSync(), { code: "CLOSED" });
  assert.throws(() => channel.send(), ClosedError);
  await assert.rejects(channel.whenConnected(), ClosedError);
  await assert.rejects(channel.writable, ClosedError);
  channel.ref();
  channel.unref();

  const alone = await Channel.open(`${t.name}-alone`);
  const waiting = [
    assert.rejects(alone.request(), ClosedError),
    assert.rejects(alone.whenConnected(), ClosedError),
  ];
  await alone.close();
  await Promise.all(waiting);
});

crossTest("closing sends what is queued", async (t) => {
  await t.peer.run(async ({ ipc, use, kept, payloads, assert }, name: string) => {
    kept.count = 0;
    use(
      await ipc.Channel.open(name, {
        capacity: 4096,
        onMessage: (payload) => assert.equal(payloads.numberIn(payload), kept.count++),
        onDisconnect: (reason) => kept.reason = reason,
      }),
    );
  }, t.name);
  const channel = await Channel.open(t.name);
  await channel.whenConnected();
  for (let i = 0; i < 100; i++) channel.send(numbered(i, 2000));
  assert.ok(channel.stats.queuedMessages > 0);
  await channel.close();
  await until(async () => await t.peer.run(({ kept }) => kept.reason) === "closed");
  assert.equal(await t.peer.run(({ kept }) => kept.count), 100);
});

crossTest("many channels between the same two processes don't mix", async (t) => {
  const count = 60;
  await t.peer.run(
    async ({ ipc, use, payloads }, name: string, count: number) => {
      for (let i = 0; i < count; i++) {
        const onRequest = (payload?: Uint8Array) =>
          payloads.numbered(payloads.numberIn(payload) * 1000 + i);
        use(await ipc.Channel.open(`${name}-${i}`, { capacity: 4096, onRequest }));
      }
    },
    t.name,
    count,
  );
  const channels = await Promise.all(
    Array.from({ length: count }, (_, i) => Channel.open(`${t.name}-${i}`)),
  );
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(channels.map((c) => c.request(numbered(round))));
    assert.deepEqual(answers.map(numberIn), channels.map((_, i) => round * 1000 + i));
    assert.equal(numberIn(channels[round]!.requestSync(numbered(round))), round * 1001);
  }
  await Promise.all(channels.map((channel) => channel.close()));
});

// ------------------------------------------------------------- both in one process

test("both partners in one process: calls, messages and blocking calls", async () => {
  const name = uniqueName();
  const got: number[] = [];
  await using left = await Channel.open(name, {
    onRequest: (payload) => payload,
    onMessage: (payload) => void got.push(numberIn(payload)),
  });
  await using right = await Channel.open(name, {
    onRequest: (payload) => sleep(1).then(() => payload),
  });
  assert.equal(numberIn(await right.request(numbered(1))), 1);
  assert.equal(numberIn(await left.request(numbered(2))), 2);
  assert.equal(numberIn(right.requestSync(numbered(3))), 3);
  assert.throws(() => left.requestSync(numbered(4)), DeadlockError);
  for (let i = 0; i < 100; i++) right.send(numbered(i));
  assert.equal(numberIn(right.requestSync(numbered(5))), 5);
  assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => i));
  const large = numbered(6, 1_000_000);
  assert.equal(numberIn(await right.request(large)), 6);
  assert.equal(numberIn(right.requestSync(large)), 6);
  assert.equal(numberIn(await left.request(numbered(7))), 7, "goes on after the deadlock");
  await assert.rejects(Channel.open(name), NameTakenError);
});

// --------------------------------------------------------------------- partners that go

/** Opens a channel in the test that hangs on what the peer does. */
async function openWatched(
  t: Cross,
): Promise<{ channel: Channel; events: string[] }> {
  const events: string[] = [];
  const channel = await Channel.open(t.name, {
    onRequest: (payload) => payload,
    onConnect: () => void events.push("connect"),
    onDisconnect: (reason) => void events.push(reason),
  });
  return { channel, events };
}

function goneFor(reason: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof PeerGoneError, String(error));
    assert.equal(error.code, "PEER_GONE");
    assert.equal(error.reason, reason);
    return true;
  };
}

/** A partner goes by `leave` while calls wait; then another one comes. */
async function comeAndGo(
  t: Cross,
  reason: "closed" | "died",
  leave: (partner: Peer) => Promise<unknown>,
): Promise<void> {
  const { channel, events } = await openWatched(t);
  await using _closed = channel;
  const partner = t.start();
  await openSilent(partner, t.name);
  await channel.whenConnected();
  const pending = [0, 1, 2].map(() => assert.rejects(channel.request(), goneFor(reason)));
  await until(() => partner.run(({ kept }) => kept.requests === 3));
  await leave(partner);
  await within(Promise.all(pending), "the pending calls");
  await until(() => events.length === 2, "both events");
  assert.deepEqual(events.splice(0), ["connect", reason]);
  assert.equal(channel.isConnected, false);
  for (let round = 0; round < 3; round++) {
    await openEcho(t.peer, t.name);
    assert.equal(numberIn(await channel.request(numbered(round))), round);
    assert.equal(numberIn(channel.requestSync(numbered(round))), round);
    await t.peer.reset();
    await until(() => !channel.isConnected);
    assert.deepEqual(events.splice(0), ["connect", "closed"]);
  }
}

crossTest("a partner closes: calls are rejected, another one takes its place", async (t) => {
  await comeAndGo(t, "closed", (partner) => partner.reset());
});

crossTest("a partner is killed: calls are rejected, another one takes its place", async (t) => {
  await comeAndGo(t, "died", (partner) => (partner.kill("SIGKILL"), partner.ended));
});

for (const [how, reason] of [["close", "closed"], ["SIGKILL", "died"]] as const) {
  crossTest(`a partner goes by ${how} while this side blocks on it`, async (t) => {
    const partner = t.start();
    await partner.run(
      async ({ ipc }, name: string, how: string) => {
        const { default: process } = await import("node:process");
        const channel = await ipc.Channel.open(name, {
          onRequest() {
            if (how === "SIGKILL") process.kill(process.pid, "SIGKILL");
            else void channel.close();
            return new Promise<undefined>(() => {});
          },
        });
      },
      t.name,
      how,
    );
    const { channel, events } = await openWatched(t);
    await using _closed = channel;
    assert.throws(() => channel.requestSync(), goneFor(reason));
    await until(() => events.includes(reason));
    await openEcho(t.peer, t.name);
    assert.equal(numberIn(channel.requestSync(numbered(1))), 1);
  });
}

crossTest("an idle partner is killed: onDisconnect tells within a second", async (t) => {
  const { channel, events } = await openWatched(t);
  await using _closed = channel;
  const partner = t.start();
  await openEcho(partner, t.name);
  await channel.whenConnected();
  await sleep(50); // everybody sleeps
  partner.kill("SIGKILL");
  await partner.ended;
  await until(() => events.includes("died"));
});

for (const [how, reason] of [["close", "closed"], ["SIGKILL", "died"]] as const) {
  crossTest(`what a partner sent before it went by ${how} arrives`, async (t) => {
    const partner = t.start();
    await partner.run(async ({ ipc, use, kept }, name: string) => {
      kept.channel = use(await ipc.Channel.open(name));
    }, t.name);
    const events: (number | string)[] = [];
    await using channel: Channel = await Channel.open(t.name, {
      onMessage(payload) {
        events.push(numberIn(payload));
        // Nobody is there to answer: this must not wait.
        assert.throws(() => channel.requestSync(), PeerGoneError);
      },
      onDisconnect: (reason) => void events.push(reason),
    });
    await channel.whenConnected();
    const going = partner.run(async ({ kept, payloads, sleep }, how: string) => {
      const { default: process } = await import("node:process");
      await sleep(30);
      for (let i = 0; i < 3; i++) kept.channel.send(payloads.numbered(i));
      if (how === "SIGKILL") process.kill(process.pid, "SIGKILL");
      await kept.channel.close();
    }, how).catch(() => {});
    // All of it happens before this thread looks again.
    for (const end = performance.now() + 200; performance.now() < end;);
    await going;
    await until(() => events.includes(reason));
    assert.deepEqual(events, [0, 1, 2, reason]);
  });
}

crossTest("what was for a partner that died never reaches the next one", async (t) => {
  const late = Promise.withResolvers<Uint8Array>();
  await using channel = await Channel.open(t.name, {
    capacity: 4096,
    onRequest: (payload) => text(payload) === "slow" ? late.promise : payload,
  });
  const first = t.start();
  await first.run(async ({ ipc, payloads }, name: string) => {
    const channel = await ipc.Channel.open(name, {
      onRequest: () => new Promise<undefined>(() => {}),
    });
    channel.request(payloads.utf8("slow")).catch(() => {});
  }, t.name);
  await channel.whenConnected();
  first.kill("SIGSTOP");
  const pending = assert.rejects(channel.request(utf8("for the first")), PeerGoneError);
  for (let i = 0; i < 20; i++) channel.send(new Uint8Array(3000));
  assert.ok(channel.stats.queuedMessages > 0, "some wait for room");
  await sleep(20); // its request is here
  first.kill("SIGKILL");
  await pending;
  assert.ok(channel.stats.dropped > 0);

  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.messages = 0;
    kept.channel = use(
      await ipc.Channel.open(name, {
        onRequest: (payload) => payload,
        onMessage: () => void kept.messages++,
      }),
    );
    await kept.channel.whenConnected();
  }, t.name);
  // It takes the same correlation ids that the first one had.
  const theirs = t.peer.run(async ({ kept, payloads: { text, utf8 } }) => {
    const answers = await Promise.all(["a", "b"].map((x) => kept.channel.request(utf8(x))));
    return answers.map(text);
  });
  late.resolve(utf8("late"));
  assert.deepEqual(await theirs, ["a", "b"]);
  assert.equal(text(await channel.request(utf8("now"))), "now");
  assert.equal(await t.peer.run(({ kept }) => kept.messages), 0);
}, { skip: () => noStop });

crossTest("a name works at once after both of its partners were killed", async (t) => {
  const [one, two] = [t.start(), t.start()];
  await Promise.all([openEcho(one, t.name), openEcho(two, t.name)]);
  await two.run(({ ipc, assert }, name: string) => {
    return assert.rejects(ipc.Channel.open(name), { code: "NAME_TAKEN" });
  }, t.name);
  for (const peer of [one, two]) peer.kill("SIGKILL");
  await within(Promise.all([one.ended, two.ended]), "the end of both");
  await using channel = await Channel.open(t.name);
  await openEcho(t.peer, t.name);
  assert.equal(numberIn(await channel.request(numbered(1))), 1);
});

peersEnd();
