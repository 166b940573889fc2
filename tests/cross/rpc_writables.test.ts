// Writable streams of the other side that fail or stand still: all that is under way settles.

import assert from "node:assert/strict";
import { ClosedError, connect, PeerGoneError, serve } from "../../mod.ts";
import { crossTest, peersEnd } from "../support/cross.ts";
import {
  checkFailing,
  failingWritable,
  type Failure,
  FAILURES,
  isBroken,
  startStuck,
} from "../support/failing_writables.ts";
import type { Peer } from "../support/peers.ts";

interface Api {
  sink(failure: Failure): WritableStream<unknown>;
  /** Writes a value to a stream of the caller, closes it, and says what that gave. */
  closeIt(stream: WritableStream<unknown>): Promise<Error | undefined>;
  /** The same with `pipeTo`. */
  pipeIt(stream: WritableStream<unknown>): Promise<Error | undefined>;
}

async function serveSinks(peer: Peer, name: string): Promise<void> {
  await peer.run(
    async ({ ipc, use, kept }, name: string, source: string) => {
      const make = new Function(`return ${source}`)() as (failure: string) => WritableStream;
      kept.server = use(
        await ipc.serve(name, {
          sink: make,
          async closeIt(stream: WritableStream) {
            const writer = stream.getWriter();
            writer.write("a").catch(() => {});
            writer.closed.catch(() => {});
            return await writer.close().catch((error: unknown) => error);
          },
          async pipeIt(stream: WritableStream) {
            const values = new ReadableStream({
              start(controller) {
                controller.enqueue("a");
                controller.close();
              },
            });
            return await values.pipeTo(stream).catch((error: unknown) => error);
          },
        }),
      );
    },
    name,
    failingWritable.toString(),
  );
}

crossTest("a stream that fails: writing, closing and piping reject with its error", async (t) => {
  await serveSinks(t.peer, t.name);
  await using client = await connect<Api>(t.name);
  for (const failure of FAILURES) {
    await checkFailing(() => client.remote.sink(failure));
    for (const how of ["closeIt", "pipeIt"] as const) {
      assert.ok(isBroken(await client.remote[how](failingWritable(failure)) as RangeError));
    }
  }
});

crossTest("aborting ends a write and a close that are under way", async (t) => {
  await serveSinks(t.peer, t.name);
  await using client = await connect<Api>(t.name);
  const { writer, closer, writing, closing } = await startStuck(() => client.remote.sink("stuck"));
  const enough = { message: "enough" };
  await writer.abort(new Error("enough"));
  await assert.rejects(writing, enough);
  await assert.rejects(writer.closed, enough);
  // The close that is under way fails, and so does what waited for it.
  await closer.abort(new Error("enough")).catch((error) => assert.equal(error.message, "enough"));
  await assert.rejects(closing, enough);
  await assert.rejects(closer.closed, enough);
});

crossTest("closing the client ends a write, a close and a read under way", async (t) => {
  await serveSinks(t.peer, t.name);
  const client = await connect<Api>(t.name);
  const { writer, closer, writing, closing } = await startStuck(() => client.remote.sink("stuck"));
  await client.close();
  for (const promise of [writing, closing, writer.closed, closer.closed]) {
    await assert.rejects(promise, ClosedError);
  }
});

crossTest("the death of the peer ends a write, a close and a read under way", async (t) => {
  const server = t.start();
  await serveSinks(server, t.name);
  await using client = await connect<Api>(t.name, { reconnect: false });
  const { writer, closer, writing, closing } = await startStuck(() => client.remote.sink("stuck"));
  server.kill("SIGKILL");
  for (const promise of [writing, closing, writer.closed, closer.closed]) {
    await assert.rejects(promise, PeerGoneError);
  }
  await server.ended;
});

crossTest("reads under way end with what the other side's stream failed with", async (t) => {
  const sources = await serve(t.name, {
    values: (late: boolean) =>
      new ReadableStream({
        async pull() {
          if (late) await new Promise((resolve) => setTimeout(resolve, 10));
          throw new RangeError("broken");
        },
      }),
    stuck: () => new ReadableStream({ type: "bytes" }),
  });
  await t.peer.run(async ({ ipc }, name: string) => {
    const client = await ipc.connect<
      { values(late: boolean): ReadableStream; stuck(): ReadableStream<Uint8Array> }
    >(name);
    const told = (promise: Promise<unknown>) =>
      promise.then(() => "nothing", (error: Error) => `${error.name}: ${error.message}`);
    for (const late of [false, true]) {
      const reader = (await client.remote.values(late)).getReader();
      const reads = await Promise.all([told(reader.read()), told(reader.read())]);
      const piped = await told(
        (await client.remote.values(late)).pipeTo(new WritableStream()),
      );
      for (const each of [...reads, piped, await told(reader.closed)]) {
        if (each !== "RangeError: broken") throw new Error(each);
      }
    }
    const cancelled = (await client.remote.stuck()).getReader({ mode: "byob" });
    const reading = cancelled.read(new Uint8Array(10));
    await cancelled.cancel();
    if (!(await reading).done) throw new Error("a read that was cancelled gave something");
    const closed = (await client.remote.stuck()).getReader({ mode: "byob" });
    const last = told(closed.read(new Uint8Array(10)));
    const piping = told((await client.remote.stuck()).pipeTo(new WritableStream()));
    await client.close();
    for (const each of await Promise.all([last, piping])) {
      if (!each.startsWith("ClosedError: ")) throw new Error(each);
    }
  }, t.name);
  await sources.close();
});

peersEnd();
