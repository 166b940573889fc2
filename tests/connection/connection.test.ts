// A connection: what it sends and reads in which order, and its end, of which each step happens,
// whatever throws.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BackpressureError, Channel, ClosedError, PeerGoneError } from "../../mod.ts";
import type { ChannelOptions } from "../../mod.ts";
import { Connection } from "../../src/connection/connection.ts";
import { limitsOf } from "../../src/connection/options.ts";
import { ringEnds } from "../../src/connection/rings.ts";
import { CorruptSegmentError } from "../../src/errors.ts";
import {
  ConnectionLayout,
  connectionPages,
  Header,
  RingWords,
  SideState,
} from "../../src/memory/layout.ts";
import { recordBytes, RecordFlag, RecordHeader, RecordKind } from "../../src/ring/record.ts";
import { Realm } from "../../src/wake/realm.ts";
import { assertEmpty, errorOf } from "../support/api.ts";
import { HostilePartner } from "../support/hostile.ts";
import { withRealm } from "../support/realm.ts";
import { pattern } from "../support/ring.ts";
import { Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";
import { CAPACITY, Pair, Recorder, Wire } from "../support/wire.ts";

const { message, request, response } = RecordKind;
const { nothing } = RecordFlag;
const forever = { timeout: Infinity };

/** Runs a task with a channel and a partner that the test plays, and checks that nothing is left. */
async function withChannel(
  options: ChannelOptions,
  task: (channel: Channel, partner: HostilePartner, directory: string) => Promise<void>,
): Promise<void> {
  using scratch = new Scratch();
  const channel = await Channel.open("name", { directory: scratch.path, ...options });
  const partner = new HostilePartner(scratch, ["channel", "name"]);
  partner.answer();
  await within(channel.whenConnected(), "the partner", 20_000);
  await task(channel, partner, scratch.path);
  await channel.close();
  partner[Symbol.dispose]();
  assertEmpty(scratch);
}

test("steps that throw don't keep the others from happening", async () => {
  const errors: unknown[] = [];
  await withChannel(
    { onError: (error) => void errors.push(error) },
    async (channel, partner, directory) => {
      const { signal } = new AbortController();
      Object.defineProperty(signal, "removeEventListener", {
        value() {
          throw new Error("a signal that fails");
        },
      });
      // Never settled: its own signal prevents that.
      void channel.request(new Uint8Array(1), { signal });
      const others = [1, 2, 3].map(() => errorOf(() => channel.request(new Uint8Array(1))));
      const closer = (): void => {};
      const realm = await Realm.acquire(directory, closer);
      const peer = realm.acquirePeer(partner.id)!;
      peer.segment.close(); // so it can't be rung
      await channel.close();
      for (const error of await within(Promise.all(others), "the other calls", 20_000)) {
        assert.ok(error instanceof ClosedError, String(error));
      }
      assert.equal(peer.references, 1, "the connection has given it back");
      assert.ok(errors.some((error) => String(error).includes("a signal that fails")));
      realm.releasePeer(peer);
      realm.release(closer);
    },
  );
});

test("callbacks that throw at its end prevent nothing, here and elsewhere", async () => {
  const called = new Set<string>();
  const fail = (what: string) => (): never => {
    called.add(what);
    throw new Error(what);
  };
  const callbacks = {
    onConnect: fail("onConnect"),
    onDisconnect: fail("onDisconnect"),
    onError: fail("onError"),
  };
  await withChannel(callbacks, async (channel, partner, directory) => {
    await using _echo = await Channel.open("other", { directory, onRequest: (payload) => payload });
    await using other = await Channel.open("other", { directory });
    await other.whenConnected();
    const calls = [1, 2, 3].map(() => errorOf(() => channel.request(new Uint8Array(1))));
    partner.producer().write(RecordHeader.of({ kind: 200 }), new Uint8Array(0));
    partner.ring();
    for (const error of await within(Promise.all(calls), "the calls", 20_000)) {
      assert.ok(error instanceof PeerGoneError && error.reason === "corrupt", String(error));
    }
    await until(() => called.size === 3, "the callbacks");
    assert.equal((await other.request(new Uint8Array(5)))!.length, 5);
    await using next = await Channel.open("name", { directory, onRequest: (payload) => payload });
    await within(next.whenConnected(), "the next partner", 20_000);
    assert.equal((await channel.request(new Uint8Array(7)))!.length, 7);
  });
});

// ------------------------------------------------------------------------ order

test("everything arrives in the order in which it was sent, also what had to wait", async () => {
  const order: number[] = [];
  using pair = await Pair.open({}, {
    handler: {
      onMessage: (method) => void order.push(method),
      onRequest(call, payload) {
        order.push(call.method);
        call.reply(payload);
        return true;
      },
    },
  });
  const { connection } = pair.a;
  const calls: Promise<unknown>[] = [];
  const sizes = [0, 5, 500, 2000, CAPACITY, 3 * CAPACITY];
  for (let method = 0; method < 60; method++) {
    const payload = pattern(sizes[method % sizes.length]!, method);
    if (method % 2 === 0) connection.send(method, payload);
    else {calls.push(
        connection.request(method, payload, forever).then((answer) => {
          assert.deepEqual(answer, payload);
        }),
      );}
  }
  assert.ok(connection.queuedMessages > 0, "some had to wait");
  assert.ok(connection.waits > 0);
  await within(Promise.all(calls), "the answers");
  assert.deepEqual(order, Array.from({ length: 60 }, (_, method) => method));
  assert.deepEqual([connection.queuedMessages, connection.queuedBytes], [0, 0]);
  const { messagesSent, messagesReceived } = connection.statistics;
  assert.deepEqual([messagesSent, messagesReceived], [60, 30]);
});

test("writable comes when nothing waits and half of the ring is free", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  await within(connection.writable, "an empty ring");
  while (connection.send(0, new Uint8Array(500)));
  const { writable } = connection;
  assert.equal(connection.writable, writable, "all wait for the same");
  let isWritable = false;
  void writable.then(() => void (isWritable = true));
  // Two records are read: there is room for the one that waits, and the ring is almost full again.
  const head = ConnectionLayout.ringAB + RingWords.head;
  wire.segment.setU32(head, 2 * recordBytes(500));
  wire.read();
  assert.equal(connection.queuedMessages, 0);
  await undefined;
  assert.equal(isWritable, false);
  const [, consumer] = ringEnds(wire.segment, "b"); // it begins where the test has read to
  while (consumer.next());
  consumer.release();
  wire.read();
  await within(writable, "room");
});

test("what is refused is counted, and a message alone may be larger", async () => {
  using wire = await Wire.open({ limits: { sendQueueBytes: 1000 } });
  const { connection } = wire;
  assert.equal(connection.send(0, new Uint8Array(2 * CAPACITY)), false);
  assert.throws(() => connection.send(0, new Uint8Array(1)), BackpressureError);
  assert.deepEqual([connection.statistics.overflows, connection.statistics.messagesSent], [1, 1]);
});

// ---------------------------------------------------------------------- its end

test("a side that closes tells the other, and itself nothing", async () => {
  using pair = await Pair.open();
  const { a, b } = pair;
  const calls = [a, b].map(({ connection }) =>
    errorOf(() => connection.request(0, undefined, forever))
  );
  a.connection.send(7, undefined);
  a.connection.close();
  a.connection.close();
  await until(() => b.told.gone.length > 0, "the end of the other side");
  const [first, second] = await within(Promise.all(calls), "the calls");
  assert.ok(first instanceof ClosedError);
  assert.ok(second instanceof PeerGoneError && second.reason === "closed");
  assert.deepEqual(b.told.gone, [["closed", undefined]]);
  assert.deepEqual(b.told.messages, [[7, undefined]], "what was sent before was read");
  assert.deepEqual(a.told.gone, []);
  assert.throws(() => a.connection.send(0, undefined), ClosedError);
  assert.throws(() => b.connection.send(0, undefined), PeerGoneError);
  assert.ok(await errorOf(() => a.connection.writable) instanceof ClosedError);
});

test("what waits to be sent at the end is counted as dropped, and its writer told", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  while (connection.send(0, new Uint8Array(500)));
  connection.send(0, new Uint8Array(5));
  const writable = errorOf(() => connection.writable);
  const { queuedMessages } = connection;
  assert.equal(queuedMessages, 2);
  connection.close();
  assert.equal(connection.statistics.dropped, queuedMessages);
  assert.ok(await within(writable, "the writer") instanceof ClosedError);
});

for (const how of ["closed", "died", "dead from the start"] as const) {
  test(`what the peer wrote is read before the connection ends: ${how}`, async () => {
    using wire = await Wire.open({ isDead: how === "dead from the start" });
    const { connection, told } = wire;
    assert.equal(connection.isPeerThere, how !== "dead from the start");
    for (let method = 0; method < 5; method++) {
      wire.write({ kind: message, method, flags: nothing });
    }
    if (how === "closed") {
      wire.leave(SideState.closed);
      assert.equal(connection.isPeerThere, false);
      wire.read();
    } else {
      wire.die();
    }
    await until(() => told.gone.length > 0, "the end");
    assert.deepEqual(told.messages.map(([method]) => method), [0, 1, 2, 3, 4]);
    assert.deepEqual(told.gone, [[how === "closed" ? "closed" : "died", undefined]]);
    assert.equal(connection.isOpen, false);
  });
}

test("a call whose answer was written before the peer died gets it, others don't", async () => {
  using wire = await Wire.open();
  const answered = wire.connection.request(0, undefined, forever);
  const other = errorOf(() => wire.connection.request(0, undefined, forever));
  wire.write({ kind: response, correlation: 0 }, pattern(5, 1));
  wire.die();
  assert.deepEqual(await within(answered, "the answer"), pattern(5, 1));
  const error = await within(other, "the other call");
  assert.ok(error instanceof PeerGoneError && error.reason === "died");
});

test("closing while something waits: as long as it takes, or as long as one wants", async () => {
  using wire = await Wire.open();
  const { connection } = wire;
  await within(connection.drained(60_000), "nothing waits");
  while (connection.send(0, new Uint8Array(500)));
  await within(connection.drained(1), "its time");
  assert.equal(connection.queuedMessages, 1);
  const drained = connection.drained(60_000);
  wire.all();
  wire.read();
  await within(drained, "room");
  assert.equal(connection.queuedMessages, 0);
});

test("a request that arrives after the end isn't handled", async () => {
  using wire = await Wire.open();
  wire.write({ kind: request, flags: nothing });
  wire.connection.close();
  wire.connection.poll();
  assert.deepEqual([wire.told.requests, wire.connection.arm()], [[], true]);
});

test("rings that make no sense: what was acquired for them is given back", () =>
  withRealm((realm, scratch) => {
    const pages = connectionPages(CAPACITY);
    const segment = scratch.segment("bad", { pages, capacity: CAPACITY });
    segment.setU32(Header.capacity, 5);
    const index = realm.reactor.reserve();
    const peer = realm.acquirePeer(realm.id)!;
    const { references } = peer;
    assert.throws(
      () => new Connection(realm, segment, "a", "bad", index, peer, new Recorder(), limitsOf({})),
      CorruptSegmentError,
    );
    assert.deepEqual([peer.references, segment.mapped], [references - 1, false]);
    assert.equal(realm.reactor.reserve(), index, "its source is free");
    realm.reactor.remove(index);
  }));
