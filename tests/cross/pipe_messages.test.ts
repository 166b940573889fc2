// Pipe: typed messages one way, between two processes. The receiver is mostly the peer.

import assert from "node:assert/strict";
import {
  array,
  CapacityMismatchError,
  CodecMismatchError,
  f64,
  fixedString,
  NameTakenError,
  ParameterMismatchError,
  Receiver,
  Sender,
  struct,
  TimeoutError,
  u32,
  u8,
} from "../../mod.ts";
import type { Codec } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";

const Reading = struct({
  id: u32,
  side: u8,
  price: f64,
  name: fixedString(12),
  legs: array(f64, 2),
});
const reading = (id: number) => ({
  id,
  side: id & 1,
  price: id / 4,
  name: `größe ${id % 1000}`.slice(0, 10),
  legs: [id, -id],
});

/** The peer opens its end with the same struct, and keeps what it needs. */
async function openThere(t: Cross, end: "Sender" | "Receiver", options = {}): Promise<void> {
  await t.peer.run(
    async ({ ipc, use, kept }, name: string, end: "Sender" | "Receiver", options: object) => {
      const { array, f64, fixedString, struct, u32, u8 } = ipc;
      const fields = { id: u32, side: u8, price: f64, name: fixedString(12), legs: array(f64, 2) };
      kept.codec = struct(fields);
      kept.reading = (id: number) => ({
        id,
        side: id & 1,
        price: id / 4,
        name: `größe ${id % 1000}`.slice(0, 10),
        legs: [id, -id],
      });
      kept.pipe = use(
        await (ipc[end] as typeof ipc.Sender).open(name, { codec: kept.codec, ...options }),
      );
    },
    t.name,
    end,
    options,
  );
}

/** The peer receives so many, each way in turn, and checks all of each. */
function receiveThere(t: Cross, count: number): Promise<void> {
  return t.peer.run(async ({ kept, assert }, count: number) => {
    const { pipe, reading } = kept;
    let next = 0;
    const check = (value: unknown) => assert.deepEqual(value, reading(next++));
    for (let way = 0; next < count; way++) {
      const max = count - next;
      if (way % 5 === 0) check(await pipe.receive());
      else if (way % 5 === 1) { for (const value of await pipe.receiveMany({ max })) check(value); }
      else if (way % 5 === 2) { for (const value of pipe.tryReceiveMany(max)) check(value); }
      else if (way % 5 === 3) check(pipe.receiveSync());
      else {
        await pipe.read((view: { at(i: number): { get(): unknown } }, shown: number) => {
          for (let i = 0; i < shown; i++) check(view.at(i).get());
        }, { max });
      }
    }
    assert.equal(next, count);
  }, count);
}

for (const capacity of [1, 64, 4096]) {
  crossTest(`messages arrive once and in order, capacity ${capacity}`, async (t) => {
    const count = capacity === 1 ? 300 : 20_000;
    await openThere(t, "Receiver", { capacity });
    await using sender = await Sender.open(t.name, { codec: Reading, capacity });
    const received = receiveThere(t, count);
    for (let id = 0; id < count;) {
      await sender.send(reading(id++));
      const batch = Math.min(capacity, 50, count - id);
      const first = id;
      const values = Array.from({ length: batch }, (_, i) => reading(first + i));
      switch (id % 4) {
        case 0:
          await sender.sendMany(values);
          id += batch;
          break;
        case 1:
          await sender.write(batch, (view, i) => view.set(values[i]!));
          id += batch;
          break;
        case 2:
          id += sender.trySendMany(values);
          break;
        default:
          if (id < count) sender.sendSync(reading(id++));
      }
    }
    await received;
    assert.equal(sender.queued, 0);
    assert.equal(sender.position, count);
  });
}

crossTest("the peer sends, this side receives: handler, for await", async (t) => {
  await openThere(t, "Sender", { capacity: 32 });
  const send = (from: number, to: number) =>
    t.peer.run(
      async ({ kept }, from: number, to: number) => {
        for (let id = from; id < to; id++) await kept.pipe.send(kept.reading(id));
      },
      from,
      to,
    );
  let next = 0;
  for (const acknowledge of [false, true]) {
    const start = next;
    await using receiver = await Receiver.open(t.name, {
      codec: Reading,
      acknowledge,
      onMessage(value) {
        assert.deepEqual(value, reading(next++));
        return next % 100 === 0 ? new Promise((resolve) => setTimeout(resolve, 1)) : undefined;
      },
    });
    await send(start, start + 2000);
    await until(() => next === start + 2000 && receiver.queued === 0);
  }
  await using receiver = await Receiver.open(t.name, { codec: Reading });
  const sent = send(next, next + 1000);
  const end = next + 1000;
  for await (const value of receiver) {
    assert.deepEqual(value, reading(next++));
    if (next === end) break;
  }
  await sent;
});

crossTest("a sleeping receiver is woken, and a sleeping sender", async (t) => {
  await openThere(t, "Receiver", { capacity: 2 });
  await using sender = await Sender.open(t.name, { codec: Reading });
  for (let round = 0; round < 5; round++) {
    const received = t.peer.run(({ kept }) => kept.pipe.receive());
    await new Promise((resolve) => setTimeout(resolve, 20));
    await sender.send(reading(round));
    assert.equal((await received as { id: number }).id, round);
  }
  await sender.sendMany([reading(0), reading(1)]);
  const waiting = sender.send(reading(2));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await t.peer.run(({ kept }) => void kept.pipe.tryReceive());
  await waiting;
  // Told before the thread blocks: a runtime may write to the peer's input in a later turn.
  await t.peer.run(({ kept, sleep }) => {
    kept.later = sleep(20).then(() => void kept.pipe.tryReceive());
  });
  sender.sendSync(reading(3));
  await t.peer.run(({ kept }) => void kept.pipe.tryReceiveMany());
});

crossTest("a full pipe: immediate, awaited and blocking calls", async (t) => {
  await openThere(t, "Receiver", { capacity: 4 });
  await using sender = await Sender.open(t.name, { codec: Reading, timeout: 20 });
  assert.equal(sender.trySendMany([0, 1, 2, 3, 4, 5].map(reading)), 4);
  assert.equal(sender.trySend(reading(9)), false);
  await assert.rejects(sender.send(reading(9)), TimeoutError);
  await assert.rejects(sender.write(2, () => {}), TimeoutError);
  assert.throws(() => sender.sendSync(reading(9)), TimeoutError);
  const abort = new AbortController();
  const waiting = sender.send(reading(9), { timeout: Infinity, signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  const ids = await t.peer.run(({ kept }) =>
    kept.pipe.tryReceiveMany().map(({ id }: { id: number }) => id)
  );
  assert.deepEqual(ids, [0, 1, 2, 3], "and nothing of what was given up");
});

crossTest("nothing is sent of a value that doesn't fit", async (t) => {
  await openThere(t, "Receiver");
  await using sender = await Sender.open(t.name, { codec: Reading });
  const wrong = { ...reading(1), legs: [1, "2" as never] };
  await assert.rejects(sender.send(wrong), /field legs\[1\] is "2"; f64 takes a number/);
  await assert.rejects(sender.sendMany([reading(0), wrong]), { code: "ARGUMENT" });
  await assert.rejects(sender.send({ ...reading(1), name: "x".repeat(13) }), /at most 12/);
  await assert.rejects(sender.send({ ...reading(1), side: 256 }), /side is 256; u8/);
  assert.equal(await t.peer.run(({ kept }) => kept.pipe.queued), 0);
});

crossTest("a second sender, a second receiver, and what doesn't match, are refused", async (t) => {
  await openThere(t, "Receiver", { capacity: 16 });
  await assert.rejects(Receiver.open(t.name, { codec: Reading }), NameTakenError);
  await assert.rejects(
    Sender.open(t.name, { codec: Reading, capacity: 32 }),
    (error) => error instanceof CapacityMismatchError && /capacity 16, but 32/.test(error.message),
  );
  const other = struct({ ...{ id: u32, side: u8, price: f64 }, name: fixedString(13) });
  for (const codec of [other, undefined]) {
    await assert.rejects(
      Sender.open(t.name, codec === undefined ? {} : { codec: codec as Codec }),
      (error) => error instanceof CodecMismatchError && /"struct{"id":u32,/.test(error.message),
    );
  }
  await using _sender = await Sender.open(t.name, { codec: Reading });
  const refused = await t.peer.run(async ({ ipc, kept }, name: string) => {
    try {
      await ipc.Sender.open(name, { codec: kept.codec });
    } catch (error) {
      return (error as { code: string }).code;
    }
    return "opened";
  }, t.name);
  assert.equal(refused, "NAME_TAKEN");
});

crossTest("values of different sizes, by MessagePack and by a serializer", async (t) => {
  for (const kind of ["messagepack", "serializer"]) {
    await t.peer.run(
      async ({ ipc, use, kept }, name: string, kind: string) => {
        const lines = ipc.serializer<{ level: number; text: string }>({
          name: "line",
          write(value, buffer) {
            buffer.u8(value.level);
            buffer.string(value.text);
          },
          read: (buffer) => ({ level: buffer.u8(), text: buffer.string() }),
        });
        const codec = kind === "serializer" ? lines : ipc.messagePack;
        kept.pipe = use(await ipc.Receiver.open(name, { codec, messageBytes: 500 }));
      },
      `${t.name}-${kind}`,
      kind,
    );
    const { serializer, messagePack } = await import("../../mod.ts");
    const lines = serializer<{ level: number; text: string }>({
      name: "line",
      write(value, buffer) {
        buffer.u8(value.level);
        buffer.string(value.text);
      },
      read: (buffer) => ({ level: buffer.u8(), text: buffer.string() }),
    });
    const codec: Codec = kind === "serializer" ? lines : messagePack;
    const name = `${t.name}-${kind}`;
    await assert.rejects(
      Sender.open(name, { codec, messageBytes: 400 }),
      (error) =>
        error instanceof ParameterMismatchError && /messageBytes 500, but 400/.test(error.message),
    );
    await using sender = await Sender.open(name, { codec });
    const values = Array.from(
      { length: 1500 },
      (_, i) => ({ level: i & 7, text: "ü".repeat(i % 200) }),
    );
    const received = t.peer.run(async ({ kept, assert }, count: number) => {
      let next = 0;
      while (next < count) {
        for (const value of await kept.pipe.receiveMany()) {
          assert.deepEqual(value, { level: next & 7, text: "ü".repeat(next % 200) });
          next++;
        }
      }
    }, values.length);
    for (const value of values) await sender.send(value);
    await received;
    await assert.rejects(sender.send({ level: 1, text: "x".repeat(500) }), {
      code: "MESSAGE_TOO_LARGE",
    });
  }
});

crossTest("coming and going is told on both sides", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.told = [];
    kept.pipe = use(
      await ipc.Receiver.open(name, {
        onConnect: () => kept.told.push("connect"),
        onDisconnect: (reason) => kept.told.push(reason),
      }),
    );
  }, t.name);
  const told = () => t.peer.run(({ kept }): string[] => kept.told);
  const sender = await Sender.open(t.name);
  await sender.whenConnected();
  await t.peer.run(({ kept }) => kept.pipe.whenConnected());
  await until(async () => (await told()).length === 1);
  await sender.close();
  await until(async () => (await told()).length === 2);
  assert.deepEqual(await told(), ["connect", "closed"]);
});

peersEnd();
