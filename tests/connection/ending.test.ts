// The end of a connection: each of its steps happens, whatever throws.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel, ClosedError, PeerGoneError } from "../../mod.ts";
import type { ChannelOptions } from "../../mod.ts";
import { RecordHeader } from "../../src/ring/record.ts";
import { Realm } from "../../src/wake/realm.ts";
import { assertEmpty, errorOf } from "../support/api.ts";
import { HostilePartner } from "../support/hostile.ts";
import { Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

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
