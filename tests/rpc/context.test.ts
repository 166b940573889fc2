// Handlers run in the context in which they were registered, calls go on in their caller's.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { Channel, connect, Publisher, serve, Subscriber } from "../../mod.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

const storage = new AsyncLocalStorage<string>();
const where = (): string => storage.getStore() ?? "none";

test("methods run in the server's context, and calls go on in their own", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const seen = new Set<string>();
  const api = {
    now: () => void seen.add(where()),
    later: async () => {
      await null;
      seen.add(where());
    },
  };
  await using _server = await storage.run("server", () => serve("s", api, { directory }));
  await using client = await connect<typeof api>("s", { directory });
  const call = async (name: string): Promise<void> => {
    await storage.run(name, async () => {
      await client.remote.now();
      assert.equal(where(), name);
      await client.remote.later();
      assert.equal(where(), name);
      client.sync.now();
      client.oneway.now();
      assert.equal(where(), name);
    });
  };
  for (let round = 0; round < 20; round++) await Promise.all(["one", "two", "three"].map(call));
  assert.deepEqual([...seen], ["server"]);
});

test("a function runs in the context of the call that it was passed to", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const api = {
    async each(tell: (n: number) => void): Promise<void> {
      for (let n = 0; n < 3; n++) await tell(n);
    },
  };
  await using _server = await serve("s", api, { directory });
  await using client = await connect<typeof api>("s", { directory });
  const seen: Record<string, string[]> = {};
  await Promise.all(
    ["one", "two"].map((name) =>
      storage.run(name, () => client.remote.each(() => void (seen[name] ??= []).push(where())))
    ),
  );
  assert.deepEqual(seen, { one: ["one", "one", "one"], two: ["two", "two", "two"] });
});

test("a channel's handlers run in its own context, also from blocking calls", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const seen = new Set<string>();
  const open = (name: string) =>
    storage.run(name, () =>
      Channel.open("c", {
        directory,
        onRequest: (bytes) => (seen.add(`${name} in ${where()}`), bytes),
        onMessage: () => void seen.add(`${name} in ${where()}`),
        onConnect: () => void seen.add(`${name} in ${where()}`),
      }));
  await using one = await open("one");
  await using two = await open("two");
  await storage.run("other", async () => {
    await one.request(new Uint8Array(1));
    two.requestSync(new Uint8Array(1));
    one.send(new Uint8Array(1));
    await two.request(new Uint8Array(1));
    assert.equal(where(), "other");
  });
  assert.deepEqual([...seen].toSorted(), ["one in one", "two in two"]);
});

test("a subscriber's handler runs in its own context, whoever publishes", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const seen: string[] = [];
  await using _subscriber = await storage.run(
    "subscriber",
    () => Subscriber.open("t", { directory, onMessage: () => void seen.push(where()) }),
  );
  await using publisher = await Publisher.open("t", { directory });
  await publisher.ready();
  await storage.run("publisher", async () => {
    await publisher.publish(1);
    await publisher.publish(2);
    assert.equal(where(), "publisher");
  });
  await until(() => seen.length === 2, "both");
  assert.deepEqual(seen, ["subscriber", "subscriber"]);
});

test("a signal's listeners run where the handler runs", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const seen: string[] = [];
  await using _server = await storage.run("server", () =>
    Channel.open("c", {
      directory,
      onRequest: (_bytes, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            seen.push(where());
            resolve(undefined);
          });
        }),
    }));
  await using client = await Channel.open("c", { directory });
  const controller = new AbortController();
  const call = client.request(new Uint8Array(1), { signal: controller.signal });
  setTimeout(() => storage.run("client", () => controller.abort()), 5);
  await assert.rejects(call);
  await until(() => seen.length === 1, "the abort");
  assert.deepEqual(seen, ["server"]);
});

test("what a handler does to its context, the next doesn't see", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const api = {
    enter: (name: string) => storage.enterWith(name),
    async enterLater(name: string) {
      const before = where();
      storage.enterWith(name);
      await null;
      return before;
    },
    where,
  };
  await using _server = await serve("s", api, { directory });
  await using ann = await connect<typeof api>("s", { directory });
  await using bob = await connect<typeof api>("s", { directory });
  const seen = new Set<string>();
  for (let round = 0; round < 100; round++) {
    const [, together] = await Promise.all([ann.remote.enter("ann"), bob.remote.where()]);
    seen.add(together);
    ann.oneway.enter("ann");
    seen.add(await bob.remote.where());
  }
  const calls = Array.from({ length: 100 }, (_, i) => ann.remote.enterLater(`call ${i}`));
  for (const before of await Promise.all(calls)) seen.add(before);
  assert.deepEqual([...seen], ["none"]);
});

test("nor do messages of a channel and a topic", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const seen: string[] = [];
  const onMessage = (): void => {
    seen.push(where());
    storage.enterWith("left behind");
  };
  await using _one = await Channel.open("c", { directory, onMessage });
  await using two = await Channel.open("c", { directory });
  await using _subscriber = await Subscriber.open("t", { directory, onMessage });
  await using publisher = await Publisher.open("t", { directory });
  await publisher.ready();
  for (let i = 0; i < 50; i++) {
    two.send(new Uint8Array(1));
    await publisher.publish(i);
  }
  await until(() => seen.length === 100, "all messages");
  assert.deepEqual(new Set(seen), new Set(["none"]));
});
