// Pipe: either side stops, orderly or killed, and another one goes on exactly where it was.

import assert from "node:assert/strict";
import { Receiver, Sender, struct, u32 } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import type { Peer } from "../support/peers.ts";

const Numbered = struct({ id: u32 });

/** An end in a peer; the peer may be killed. */
async function openIn(peer: Peer, name: string, end: "Sender" | "Receiver"): Promise<void> {
  await peer.run(
    async ({ ipc, use, kept }, name: string, end: "Sender" | "Receiver") => {
      const codec = ipc.struct({ id: ipc.u32 });
      kept.pipe = use(await (ipc[end] as typeof ipc.Sender).open(name, { codec, capacity: 64 }));
    },
    name,
    end,
  );
}

/** Sends so many; each says its number. */
function sendIn(peer: Peer, count: number): Promise<void> {
  return peer.run(async ({ kept }, count: number) => {
    for (let i = 0; i < count; i++) await kept.pipe.send({ id: kept.pipe.position });
  }, count);
}

for (const how of ["closed", "killed"] as const) {
  crossTest(`senders come and go, ${how}; the receiver stays`, async (t) => {
    const told: string[] = [];
    await using receiver = await Receiver.open(t.name, {
      codec: Numbered,
      capacity: 64,
      onConnect: () => told.push("connect"),
      onDisconnect: (reason) => told.push(reason),
    });
    let next = 0;
    const senders = [t.start(), t.start()];
    for (const [i, sender] of senders.entries()) {
      await openIn(sender, t.name, "Sender");
      await sendIn(sender, 20);
      if (how === "closed") await sender.end();
      else sender.kill("SIGKILL");
      await sender.ended;
      await until(() => told.length === 2 * i + 2);
      assert.deepEqual(told.slice(-2), ["connect", how === "closed" ? "closed" : "died"]);
      // What was queued by one that is gone.
      for (const { id } of receiver.tryReceiveMany(15)) assert.equal(id, next++);
    }
    await using sender = await Sender.open(t.name, { codec: Numbered });
    await sender.send({ id: sender.position });
    while (next < 41) assert.equal((await receiver.receive({ timeout: 20_000 })).id, next++);
    assert.equal(receiver.queued, 0);
  });

  crossTest(`receivers come and go, ${how}; the sender stays`, async (t) => {
    await using sender = await Sender.open(t.name, { codec: Numbered, capacity: 64 });
    const send = async (count: number) => {
      for (let i = 0; i < count; i++) await sender.send({ id: sender.position });
    };
    let next = 0;
    const [receiver, another] = [t.start(), t.start()];
    await send(30);
    await openIn(receiver, t.name, "Receiver");
    next = await receiver.run(async ({ kept, assert }, next: number) => {
      for (let i = 0; i < 10; i++) assert.equal((await kept.pipe.receive()).id, next++);
      return next;
    }, next);
    // A sender that waits for room is woken by the next one.
    const waiting = send(74);
    if (how === "closed") await receiver.end();
    else receiver.kill("SIGKILL");
    await receiver.ended;
    await openIn(another, t.name, "Receiver");
    next = await another.run(async ({ kept, assert }, next: number) => {
      for (let i = 0; i < 84; i++) assert.equal((await kept.pipe.receive()).id, next++);
      return next;
    }, next);
    await waiting;
    if (how === "closed") await another.end();
    else another.kill("SIGKILL");
    await another.ended;
    await using last = await Receiver.open(t.name, { codec: Numbered });
    while (next < sender.position) assert.equal(last.tryReceive()?.id, next++);
    assert.equal(last.tryReceive(), undefined);
  });

  crossTest(`what is queued waits while nobody is there, ${how}`, async (t) => {
    const sender = t.start();
    await openIn(sender, t.name, "Sender");
    await sendIn(sender, 40);
    if (how === "closed") await sender.end();
    else sender.kill("SIGKILL");
    await sender.ended;
    await checkQueued(t, 40);
  });
}

/** Receives them in the shared peer, which then leaves an empty pipe, and so none. */
async function checkQueued(t: Cross, count: number): Promise<void> {
  await openIn(t.peer, t.name, "Receiver");
  const ids = await t.peer.run(async ({ kept }) => {
    const all = kept.pipe.tryReceiveMany();
    await kept.pipe.close();
    return all.map(({ id }: { id: number }) => id);
  });
  assert.deepEqual(ids, Array.from({ length: count }, (_, i) => i));
}

crossTest("a process ends when all it sent has room, and is heard after it ended", async (t) => {
  const speaker = t.start();
  await speaker.run(async ({ ipc, kept }, name: string) => {
    const codec = ipc.struct({ id: ipc.u32 });
    kept.pipe = await ipc.Sender.open(name, { codec, capacity: 2 });
    // Nothing is awaited, and the process has nothing else to do.
    for (let id = 0; id < 10; id++) kept.pipe.send({ id });
  }, t.name);
  speaker.leave();
  const receiver = await Receiver.open(t.name, { codec: Numbered, capacity: 2 });
  const end = performance.now() + 100;
  while (performance.now() < end); // a loop that is busy
  const ids: number[] = [];
  while (ids.length < 8) ids.push((await receiver.receive()).id);
  assert.deepEqual(await speaker.ended, { code: 0, signal: null });
  while (ids.length < 10) ids.push((await receiver.receive()).id);
  assert.deepEqual(ids, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await receiver.close();
});

peersEnd();
