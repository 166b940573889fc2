// Timers and I/O have their turns beside loops over a connection that always has work.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel, connect, serve } from "../../mod.ts";
import { besideTimer } from "../support/beside_timer.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";
import { Worker } from "../support/workers.ts";

const CHUNK = new Uint8Array(100);

/** A busy piece of the user's own work. */
function work(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

/** A partner on another thread, which answers and takes whatever comes. */
async function partner(directory: string): Promise<Worker> {
  const worker = await Worker.start();
  await worker.run(async ({ ipc, use }, directory: string) => {
    use(
      await ipc.Channel.open("loop", {
        directory,
        onRequest: (payload) => payload,
        onMessage: () => {},
      }),
    );
    use(
      await ipc.serve("loop", {
        *none() {},
        async *values() {
          for (;;) yield 1;
        },
        bytes: () =>
          new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(1000)),
          }),
        async drain(stream: AsyncIterable<unknown>) {
          let count = 0;
          for await (const _ of stream) count++;
          return count;
        },
      }, { directory }),
    );
  }, directory);
  return worker;
}

test("beside loops that await a channel", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  await using _worker = await partner(directory);
  {
    await using channel = await Channel.open("loop", { directory });
    await channel.whenConnected();
    await besideTimer(() => channel.request(CHUNK));
    await besideTimer(async () => {
      channel.send(CHUNK);
      await channel.writable;
    });
    // What each round takes is the user's.
    await besideTimer(async () => {
      work(1);
      channel.send(CHUNK);
      await channel.writable;
    });
  }
});

test("beside loops over streams", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  await using _worker = await partner(directory);
  {
    // deno-lint-ignore no-explicit-any
    await using client = await connect<any>("loop", { directory });
    const values = (await client.remote.values()) as AsyncIterableIterator<number>;
    await besideTimer(async () => {
      work(1);
      return await values.next();
    });
    await values.return?.();
    const reader = ((await client.remote.bytes()) as ReadableStream<Uint8Array>).getReader();
    await besideTimer(async () => {
      work(0.1);
      return await reader.read();
    });
    await reader.cancel();
    let on = true;
    let given = 0;
    const source = async function* () {
      while (on) {
        work(0.2);
        given++;
        yield 1;
      }
    };
    const drained = client.remote.drain(source());
    await until(() => given > 0, "the first value is asked for");
    await besideTimer(() => new Promise((resolve) => setTimeout(resolve, 1)));
    on = false;
    assert.ok(await drained > 0);
  }
});

test("beside a handler that takes long, and always has more to do", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  let handled = 0;
  {
    await using channel = await Channel.open("busy", {
      directory,
      onMessage() {
        work(1);
        handled++;
      },
    });
    await using server = await serve("busy", { work: () => work(1) }, { directory });
    await using other = await Channel.open("busy", { directory });
    // deno-lint-ignore no-explicit-any
    await using client = await connect<any>("busy", { directory });
    await Promise.all([channel.whenConnected(), other.whenConnected()]);
    for (let i = 0; i < 1000; i++) {
      other.send(CHUNK);
      client.oneway.work();
    }
    const before = handled;
    await besideTimer(() => new Promise((resolve) => setTimeout(resolve, 0)));
    assert.ok(handled < before + 900, `${handled} of 1000 messages before the timer`);
    assert.equal(server.connections, 1);
  }
});
