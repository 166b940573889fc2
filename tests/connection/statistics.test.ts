// Statistics: the same words for the same things, whatever counts them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, Channel, Publisher, Queue, RpcClient, RpcServer, Subscriber } from "../../mod.ts";
import { Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

/** Two messages, of three bytes in all. */
const MESSAGES = [new Uint8Array(1), new Uint8Array(2)];
const SENT = { messagesSent: 2, bytesSent: 3 };
const RECEIVED = { messagesReceived: 2, bytesReceived: 3 };

test("a topic counts in the words of all", async () => {
  using scratch = new Scratch();
  const options = { directory: scratch.path, codec: bytes };
  await using publisher = await Publisher.open("name", options);
  await using subscriber = await Subscriber.open("name", options);
  await within(subscriber.ready(), "the publisher");
  for (const message of MESSAGES) await within(publisher.publish(message), "room");
  for (const _ of MESSAGES) await within(subscriber.receive(), "a message");
  assert.deepEqual(publisher.stats, { ...SENT, waits: 0, queuedMessages: 0 });
  assert.deepEqual(subscriber.stats, { ...RECEIVED, lost: 0 });
});

test("so does a queue", async () => {
  using scratch = new Scratch();
  await using queue = await Queue.open("name", { directory: scratch.path, codec: bytes });
  for (const message of MESSAGES) await within(queue.enqueue(message), "room");
  for (const _ of MESSAGES) await within(queue.dequeue(), "a message");
  const deliveries = { redelivered: 0, acknowledged: 0, rejected: 0, deadLettered: 0 };
  assert.deepEqual(queue.stats, { ...SENT, ...RECEIVED, ...deliveries, unacknowledged: 0 });
});

test("so does a channel", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const all = Promise.withResolvers<void>();
  let count = 0;
  const onMessage = () => void (++count === MESSAGES.length && all.resolve());
  const opening = [
    Channel.open("name", { directory, onMessage }),
    Channel.open("name", { directory }),
  ];
  await using receiver = await within(opening[0]!, "opening");
  await using sender = await within(opening[1]!, "opening");
  for (const message of MESSAGES) sender.send(message);
  await within(all.promise, "the messages");
  const nothing = { messagesSent: 0, bytesSent: 0, messagesReceived: 0, bytesReceived: 0 };
  const common = { timeouts: 0, overflows: 0, dropped: 0, waits: 0, pendingCalls: 0 };
  const queued = { queuedBytes: 0, queuedMessages: 0 };
  assert.deepEqual(sender.stats, { ...nothing, ...SENT, ...common, ...queued });
  assert.deepEqual(receiver.stats, { ...nothing, ...RECEIVED, ...common, ...queued });
});

test("so does a server, over all clients that it had", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const onRequest = (payload: Uint8Array | undefined): Uint8Array => payload!;
  await using server = await within(RpcServer.open("name", { directory, onRequest }), "opening");
  const nothing = { timeouts: 0, overflows: 0, dropped: 0 };
  for (let clients = 1; clients <= 2; clients++) {
    await using client = await within(RpcClient.open("name", { directory }), "connecting");
    for (const message of MESSAGES) await within(client.request(message), "the answer");
    assert.deepEqual(client.stats, { ...SENT, ...RECEIVED, ...nothing });
    const sent = { messagesSent: 2 * clients, bytesSent: 3 * clients };
    const received = { messagesReceived: 2 * clients, bytesReceived: 3 * clients };
    assert.deepEqual(server.stats, { ...sent, ...received, ...nothing });
  }
});
