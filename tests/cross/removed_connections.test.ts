// Files of the runtime directory are removed under running processes: connections go on, and what
// other processes have to find ends with an error instead of waiting for ever.

import assert from "node:assert/strict";
import fs from "node:fs";
import {
  Channel,
  connect,
  FilesRemovedError,
  Publisher,
  Queue,
  Receiver,
  Sender,
  serve,
  Subscriber,
} from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { thisRuntime } from "../support/peers.ts";
import { removeAll, skip, withScratch } from "../support/removed_files.ts";
import { until } from "../support/watchdog.ts";

interface Api {
  add(a: number, b: number): number;
}

const api: Api = { add: (a, b) => a + b };

const ways: Record<string, (directory: string) => void> = {
  "all files": removeAll,
  "the directory and all files": (directory) => fs.rmSync(directory, { recursive: true }),
};

/** Errors that `onError` was told, and the callback. */
function errors(): { told: unknown[]; onError: (error: unknown) => void } {
  const told: unknown[] = [];
  return { told, onError: (error) => void told.push(error) };
}

function servesInPeer(peer: Cross["peer"], name: string, directory: string): Promise<void> {
  return peer.run(
    async ({ ipc, use }, name: string, directory: string) => {
      const onError = () => {};
      const methods = { add: (a: number, b: number) => a + b };
      use(await ipc.serve(name, methods, { directory, onError }));
    },
    name,
    directory,
  );
}

for (const [what, remove] of Object.entries(ways)) {
  crossTest(
    `a server goes on for its clients when ${what} are removed, and says that it can't be found`,
    ({ name, peer }) =>
      withScratch(async (directory) => {
        const { told, onError } = errors();
        await using server = await serve<Api>(name, api, { directory, onError });
        await peer.run(
          async ({ ipc, kept, use, assert }, name: string, directory: string) => {
            kept.client = use(await ipc.connect(name, { directory }));
            assert.equal(await kept.client.remote.add(1, 2), 3);
          },
          name,
          directory,
        );
        remove(directory);
        await until(() => told.length > 0, "the server is told");
        assert.ok(told[0] instanceof FilesRemovedError);
        assert.match(told[0].message, new RegExp(`server "${name}" in `));
        const sum = await peer.run(({ kept }) => kept.client.remote.add(3, 4));
        assert.equal(sum, 7);
        assert.equal(server.connections, 1);
        {
          await using _again = await serve<Api>(name, api, { directory });
          await using client = await connect<Api>(name, { directory });
          assert.equal(await client.remote.add(5, 6), 11);
        }
        await peer.run(({ kept }) => kept.client.close());
        await until(() => server.isClosed, "the server ends with its last client");
        assert.equal(told.length, 1);
      }),
    { skip },
  );

  crossTest(
    `a client goes on when ${what} are removed, and doesn't wait for a server that can't answer it`,
    ({ name, start }) =>
      withScratch(async (directory) => {
        const first = start();
        await servesInPeer(first, name, directory);
        const { told, onError } = errors();
        await using client = await connect<Api>(name, { directory, onError });
        assert.equal(await client.remote.add(1, 2), 3);
        remove(directory);
        assert.equal(await client.remote.add(3, 4), 7);
        first.kill("SIGKILL");
        const second = start();
        await servesInPeer(second, name, directory);
        await until(() => client.isClosed, "the client learns that it can't come back");
        await assert.rejects(client.remote.add(1, 2), FilesRemovedError);
        assert.throws(() => client.sync.add(1, 2), FilesRemovedError);
        assert.ok(told.some((error) => error instanceof FilesRemovedError));
        await using again = await connect<Api>(name, { directory });
        assert.equal(await again.remote.add(5, 6), 11);
      }),
    { skip },
  );
}

crossTest(
  "what waits for a partner is told when files are removed",
  ({ name, peer }) =>
    withScratch(async (directory) => {
      const { told, onError } = errors();
      const options = { directory, onError, timeout: Infinity };
      const connecting = connect(name, { directory, onError, connectTimeout: 600_000 });
      await using channel = await Channel.open(name, options);
      await using subscriber = await Subscriber.open(name, options);
      await using publisher = await Publisher.open(name, { directory, onError });
      await publisher.ready();
      await subscriber.ready();
      await using alone = await Subscriber.open(`${name}-alone`, options);
      const calls = [connecting, channel.request(), alone.receive()]
        .map((call) => assert.rejects(call, FilesRemovedError));
      await peer.run(
        async ({ ipc, kept, use }, name: string, directory: string) => {
          const onError = () => {};
          kept.channel = use(await ipc.Channel.open(`${name}-sync`, { directory, onError }));
        },
        name,
        directory,
      );
      const blocking = peer.run(({ kept, ipc, assert }) => {
        assert.throws(
          () => kept.channel.requestSync(undefined, { timeout: 600_000 }),
          ipc.FilesRemovedError,
        );
      });
      await until(
        () => fs.readdirSync(`${directory}/channel`).length === 2,
        "both channels wait",
      );
      removeAll(directory);
      await Promise.all([...calls, blocking]);
      assert.equal(channel.isClosed, true);
      await assert.rejects(channel.request(), FilesRemovedError);
      await publisher.publish("still heard");
      assert.equal(await subscriber.receive(), "still heard");
      assert.ok(told.every((error) => error instanceof FilesRemovedError));
    }),
  { skip },
);

crossTest(
  "a channel goes on when files are removed, until its partner is gone",
  ({ name, start }) =>
    withScratch(async (directory) => {
      const partner = start();
      await partner.run(
        async ({ ipc, kept, use }, name: string, directory: string) => {
          const onRequest = (bytes: Uint8Array | undefined) => bytes;
          kept.channel = use(await ipc.Channel.open(name, { directory, onRequest }));
        },
        name,
        directory,
      );
      const { told, onError } = errors();
      await using channel = await Channel.open(name, { directory, onError });
      await channel.whenConnected();
      await partner.run(({ kept }) => kept.channel.whenConnected());
      removeAll(directory);
      assert.deepEqual(await channel.request(Uint8Array.of(1, 2)), Uint8Array.of(1, 2));
      assert.equal(channel.isClosed, false);
      await partner.run(({ kept }) => kept.channel.close());
      await until(() => channel.isClosed, "the channel can't have another partner");
      assert.throws(() => channel.send(), FilesRemovedError);
      assert.equal(told.filter((error) => error instanceof FilesRemovedError).length, 1);
    }),
  { skip },
);

crossTest(
  "publishers and subscribers go on when files are removed, until the last of the others is gone",
  ({ name, peer }) =>
    withScratch(async (directory) => {
      const { told, onError } = errors();
      await using publisher = await Publisher.open<number>(name, { directory, onError });
      await using subscriber = await Subscriber.open<number>(`${name}-back`, {
        directory,
        onError,
      });
      await peer.run(
        async ({ ipc, kept, use }, name: string, directory: string) => {
          const options = { directory, onError: () => {} };
          kept.subscriber = use(await ipc.Subscriber.open(name, options));
          kept.publisher = use(await ipc.Publisher.open(`${name}-back`, options));
        },
        name,
        directory,
      );
      await publisher.ready();
      await subscriber.ready();
      await peer.run(async ({ kept }) => {
        await kept.subscriber.ready();
        await kept.publisher.ready();
      });
      removeAll(directory);
      await until(() => told.length === 2, "both are told");
      assert.ok(told.every((error) => error instanceof FilesRemovedError));
      await publisher.publish(7);
      const back = await peer.run(async ({ kept }) => {
        const heard = await kept.subscriber.receive();
        await kept.publisher.publish(heard + 1);
        await kept.subscriber.close();
        await kept.publisher.close();
        return heard;
      });
      assert.equal(back, 7);
      const heard: number[] = [];
      await assert.rejects(async () => {
        for await (const value of subscriber) heard.push(value);
      }, FilesRemovedError);
      assert.deepEqual(heard, [8], "what was published is read before");
      await until(() => publisher.isClosed, "the publisher ends with its last subscriber");
      await assert.rejects(publisher.publish(9), FilesRemovedError);
      assert.equal(told.length, 2);
    }),
  { skip },
);

crossTest(
  "queues and pipes end when files are removed",
  ({ name, peer }) =>
    withScratch(async (directory) => {
      const { told, onError } = errors();
      await using queue = await Queue.open<number>(name, { directory, onError });
      await using receiver = await Receiver.open(name, { directory, onError });
      await peer.run(
        async ({ ipc, kept, use, assert }, name: string, directory: string) => {
          const options = { directory, onError: () => {} };
          kept.queue = use(await ipc.Queue.open(name, options));
          kept.sender = use(await ipc.Sender.open(name, options));
          kept.waiting = assert.rejects(kept.queue.dequeue(), ipc.FilesRemovedError);
        },
        name,
        directory,
      );
      const waits = [queue.dequeue(), receiver.receive()]
        .map((wait) => assert.rejects(wait, FilesRemovedError));
      removeAll(directory);
      await Promise.all(waits);
      await assert.rejects(queue.enqueue(1), FilesRemovedError);
      assert.throws(() => receiver.tryReceive(), FilesRemovedError);
      assert.equal(told.length, 2);
      assert.ok(told.every((error) => error instanceof FilesRemovedError));
      await peer.run(async ({ kept, ipc, assert }) => {
        await kept.waiting;
        await assert.rejects(kept.queue.enqueue(1), ipc.FilesRemovedError);
        await assert.rejects(kept.sender.send(1), ipc.FilesRemovedError);
      });
      await using again = await Sender.open(name, { directory });
      await using other = await Receiver.open(name, { directory });
      await again.send(5);
      assert.equal(await other.receive(), 5);
    }),
  { skip },
);

crossTest(
  "without onError the console is told once for each that can't be found",
  ({ name }) =>
    withScratch(async (directory) => {
      const { error } = console;
      const told: unknown[][] = [];
      console.error = (...args) => void told.push(args);
      try {
        const server = await serve<Api>(name, api, { directory });
        const queue = await Queue.open(name, { directory });
        await using client = await connect<Api>(name, { directory });
        removeAll(directory);
        await until(() => queue.isClosed && told.length >= 2, "both are told");
        assert.equal(await client.remote.add(1, 2), 3);
        await client.close();
        await until(() => server.isClosed, "the server ends");
        assert.deepEqual(
          told.map(([title]) => title).sort(),
          [`queue "${name}"`, `server "${name}"`].map((what) =>
            `${what}: a failure that nobody waits for:`
          ),
        );
      } finally {
        console.error = error;
      }
    }),
  { skip, only: [thisRuntime] },
);

peersEnd();
