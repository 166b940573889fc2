// What others put into the runtime directory is none of our business, and never an error.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { Channel, connect, Mutex, Publisher, Queue, serve, Subscriber } from "../../mod.ts";
import { reapNode } from "../../src/memory/nodes.ts";
import { sleep } from "../support/remote_functions.ts";
import { NOBODY, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

test("cleaning up after a dead node passes over files and links that aren't ours", () => {
  using scratch = new Scratch();
  fs.mkdirSync(scratch.at("channel", "name"), { recursive: true, mode: 0o700 });
  fs.writeFileSync(scratch.at("channel", "name", `segment-${NOBODY}`), "");
  for (const file of ["a-file", "channel/a-file"]) fs.writeFileSync(scratch.at(file), "");
  for (const link of ["a-link", "channel/a-link"]) fs.symlinkSync("nowhere", scratch.at(link));

  reapNode(scratch.directory, NOBODY);

  assert.deepEqual(scratch.files(), ["a-file", "a-link", "channel/a-file", "channel/a-link"]);
});

/** Names as files of ours have them, with directories in their place. */
const PLACES = [
  "nodes/0123456789abcdef",
  `rpc/n/server-1-${NOBODY}`,
  `rpc-clients/n/join-1-1-${NOBODY}`,
  `topic/n/publisher-1-1-${NOBODY}`,
  `topic/n/subscriber-1-1-${NOBODY}`,
  `topic/n/invitation-1-1-${NOBODY}-1-1-${NOBODY}`,
  `channel/n/join-1-1-${NOBODY}`,
  `queue/n/member-1-1-${NOBODY}`,
  `mutex/n/member-1-1-${NOBODY}`,
];

test("a directory in the place of a file ends nothing, and keeps nobody out", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const failures: unknown[] = [];
  const options = { directory, onError: (error: unknown) => void failures.push(error) };
  for (const place of PLACES) {
    fs.mkdirSync(scratch.at(...place.split("/")), { recursive: true, mode: 0o700 });
  }
  {
    await using server = await within(serve("n", { ping: () => 1 }, options), "a server");
    await using client = await within(connect<{ ping(): number }>("n", options), "a client");
    assert.equal(await within(client.remote.ping(), "a call"), 1);
    await using second = await within(connect<{ ping(): number }>("n", options), "another client");
    assert.equal(await within(second.remote.ping(), "its call"), 1);
    assert.equal(server.isClosed, false);
    await using publisher = await within(Publisher.open("n", options), "a publisher");
    await using subscriber = await within(Subscriber.open("n", options), "a subscriber");
    await within(subscriber.ready(), "the publisher");
    await publisher.publish(1);
    assert.equal(await within(subscriber.receive(), "a message"), 1);
    const ends = [Channel.open("n", options), Channel.open("n", options)];
    for (const end of await within(Promise.all(ends), "both ends")) await end.close();
    await using queue = await within(Queue.open("n", options), "a queue");
    await queue.enqueue(1);
    assert.equal(await within(queue.dequeue(), "a message"), 1);
    using mutex = await within(Mutex.open("n", { directory }), "a mutex");
    using _guard = await within(mutex.lock(), "the lock");
  }
  assert.deepEqual(failures, []);
  for (const place of PLACES) assert.ok(fs.existsSync(scratch.at(...place.split("/"))), place);
});

test("a heap of garbage where clients announce themselves lets timers fire", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const folder = scratch.at("rpc-clients", "n");
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (let i = 0; i < 2000; i++) {
    fs.writeFileSync(path.join(folder, `join-1-${i}-${NOBODY}`), "garbage", { mode: 0o600 });
  }
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await using _server = await within(serve("n", { ping: () => 1 }, { directory }), "a server");
  await using client = await within(connect<{ ping(): number }>("n", { directory }), "a client");
  assert.equal(await within(client.remote.ping(), "a call"), 1);
  // A timer of its own, which fires between the portions as the other one does.
  while (fs.existsSync(folder) && fs.readdirSync(folder).length > 0) await sleep(1);
  clearInterval(timer);
  assert.ok(turns > 10, `${turns} turns`);
});
