// The same as tests/cross/rpc_writables.test.ts within one process, where stops and ends cross in
// another order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClosedError, CodecError, connect, serve } from "../../mod.ts";
import {
  checkFailing,
  failingWritable,
  type Failure,
  FAILURES,
  startStuck,
} from "../support/failing_writables.ts";
import { Scratch } from "../support/scratch.ts";

const api = { sink: (failure: Failure) => failingWritable(failure) };

for (const failure of FAILURES) {
  test(`a stream that fails: ${failure}`, { timeout: 60_000 }, async () => {
    using scratch = new Scratch();
    const directory = scratch.path;
    await using _server = await serve("name", api, { directory });
    await using client = await connect<typeof api>("name", { directory });
    for (let i = 0; i < 5; i++) await checkFailing(() => client.remote.sink(failure));
  });
}

test("this side closes while a write and a close are under way", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  await using _server = await serve("name", api, { directory });
  const client = await connect<typeof api>("name", { directory });
  const { writing, closing } = await startStuck(() => client.remote.sink("stuck"));
  await client.close();
  await assert.rejects(writing, ClosedError);
  await assert.rejects(closing, ClosedError);
});

test("a value that can't cross ends the stream on both sides", { timeout: 60_000 }, async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const aborted = Promise.withResolvers<unknown>();
  const taking = { sink: () => new WritableStream({ abort: (why) => aborted.resolve(why) }) };
  await using _server = await serve("name", taking, { directory });
  await using client = await connect<typeof taking>("name", { directory });
  const writer = (await client.remote.sink()).getWriter();
  const closed = assert.rejects(writer.closed, CodecError);
  await assert.rejects(writer.write(Symbol("no codec carries it")), CodecError);
  await closed;
  assert.ok(await aborted.promise instanceof CodecError);
});
