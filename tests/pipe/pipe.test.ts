// Both ends of a pipe in one realm: what each call does, and what is refused.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import {
  ArgumentError,
  BackpressureError,
  bytes,
  CapacityMismatchError,
  ClosedError,
  CodecError,
  CodecMismatchError,
  CorruptSegmentError,
  DeadlockError,
  f64,
  fixedString,
  json,
  MessageTooLargeError,
  NameTakenError,
  ParameterMismatchError,
  Receiver,
  Sender,
  serializer,
  struct,
  TimeoutError,
  u32,
} from "../../mod.ts";
import type { Handlers } from "../../mod.ts";
import { assertEmpty, errorOf } from "../support/api.ts";
import { Kind, MembershipLayout, PipeLayout } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { besideTimer } from "../support/beside_timer.ts";
import { native, Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

const Reading = struct({ id: u32, value: f64, name: fixedString(8) });
const reading = (id: number) => ({ id, value: id / 2, name: `n${id}` });
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

async function withPipe(
  options: { capacity?: number },
  task: (
    sender: Sender<ReturnType<typeof reading>, ReturnType<typeof Reading.view>>,
    receiver: Receiver<ReturnType<typeof reading>, ReturnType<typeof Reading.view>>,
    scratch: Scratch,
  ) => void | Promise<void>,
): Promise<void> {
  using scratch = new Scratch();
  {
    const all = { codec: Reading, directory: scratch.path, ...options };
    await using sender = await Sender.open("pipe", all);
    await using receiver = await Receiver.open("pipe", all);
    await within(Promise.resolve(task(sender, receiver, scratch)), "a test of a pipe", 20_000);
  }
  assertEmpty(scratch);
}

test("messages arrive in order, one at a time and many in one step", () =>
  withPipe({ capacity: 16 }, async (sender, receiver) => {
    assert.deepEqual([sender.capacity, receiver.capacity], [16, 16]);
    assert.deepEqual([sender.messageBytes, receiver.messageBytes], [24, 24]);
    await sender.send(reading(0));
    assert.equal(sender.trySend(reading(1)), true);
    sender.sendSync(reading(2));
    await sender.sendMany([reading(3), reading(4)]);
    assert.equal(sender.trySendMany(range(5, 30).map(reading)), 11);
    assert.equal(sender.trySend(reading(0)), false);
    assert.equal(sender.trySendMany([reading(0)]), 0);
    assert.deepEqual([sender.queued, receiver.queued, sender.position], [16, 16, 16]);
    assert.deepEqual(receiver.tryReceive(), reading(0));
    assert.deepEqual(await receiver.receive(), reading(1));
    assert.deepEqual(receiver.receiveSync(), reading(2));
    assert.deepEqual(receiver.tryReceiveMany(2), [reading(3), reading(4)]);
    assert.deepEqual(await receiver.receiveMany(), range(5, 16).map(reading));
    assert.deepEqual(receiver.tryReceiveMany(), []);
    assert.equal(receiver.tryReceive(), undefined);
    assert.deepEqual([receiver.queued, receiver.position], [0, 16]);
  }));

test("structs are written and read in place", () =>
  withPipe({ capacity: 8 }, async (sender, receiver) => {
    const seen: number[] = [];
    const runs: number[] = [];
    const read = (view: ReturnType<typeof Reading.view>, count: number) => {
      runs.push(count);
      for (let i = 0; i < count; i++) seen.push(view.at(i).id);
      assert.throws(() => view.at(count), ArgumentError, "one behind the last");
    };
    const write = (first: number) => (view: ReturnType<typeof Reading.view>, i: number) =>
      view.set(reading(first + i));
    await sender.write(5, write(0));
    assert.equal(receiver.tryRead(read), 5);
    assert.equal(receiver.tryRead(read), 0);
    assert.equal(sender.tryWrite(100, write(5)), 8);
    assert.equal(sender.tryWrite(100, write(0)), 0);
    assert.equal(receiver.tryRead(read, 2), 2);
    assert.equal(await receiver.read(read), 6);
    sender.writeSync(0, write(0));
    sender.writeSync(1, write(13));
    assert.equal(receiver.readSync(read), 1);
    assert.deepEqual(seen, range(0, 14));
    assert.deepEqual(runs, [5, 2, 1, 5, 1], "two where the memory begins again");
  }));

test("who fails while writing sends nothing, who fails while reading takes nothing", () =>
  withPipe({ capacity: 8 }, (sender, receiver) => {
    const failing = (view: ReturnType<typeof Reading.view>, i: number) => {
      view.id = i;
      if (i === 2) throw new RangeError("no more");
    };
    assert.throws(() => sender.tryWrite(4, failing), RangeError);
    assert.throws(() => sender.trySendMany([reading(1), { ...reading(2), id: -1 }]), ArgumentError);
    assert.throws(() => sender.trySend({ ...reading(1), name: "too long for it" }), /string\(8\)/);
    assert.throws(() => sender.tryWrite(1, () => sender.trySend(reading(1))), ArgumentError);
    assert.equal(receiver.queued, 0);
    sender.trySendMany(range(0, 3).map(reading));
    const read = () => {
      assert.equal(receiver.tryReceive(), undefined, "being read");
      throw new RangeError("not now");
    };
    assert.throws(() => receiver.tryRead(read), RangeError);
    assert.deepEqual(receiver.tryReceiveMany(), range(0, 3).map(reading));
  }));

test("what `fill` doesn't write is zeros", () =>
  withPipe({ capacity: 4 }, async (sender, receiver) => {
    for (let round = 0; round < 4; round++) {
      await sender.sendMany(range(1, 4).map(reading));
      receiver.tryReceiveMany();
      await sender.write(3, (view, i) => view.id = 7 + i);
      assert.deepEqual(
        receiver.tryReceiveMany(),
        range(7, 10).map((id) => ({ id, value: 0, name: "" })),
      );
    }
  }));

test("nothing has arrived if what reads in place is asynchronous", () =>
  withPipe({ capacity: 4 }, async (sender, receiver) => {
    await sender.send({ id: 1, value: 2, name: "three" });
    const later = async (): Promise<void> => {
      await Promise.resolve();
      throw new Error("nobody hears it");
    };
    assert.throws(() => receiver.tryRead(later), /valid until it returns/);
    await assert.rejects(receiver.read(later), ArgumentError);
    assert.deepEqual(receiver.tryReceive(), { id: 1, value: 2, name: "three" });
  }));

test("nothing is sent if `fill` is asynchronous, or no function", () =>
  withPipe({ capacity: 4 }, async (sender, receiver) => {
    const later = async (view: ReturnType<typeof Reading.view>) => {
      await Promise.resolve();
      view.id = 1;
      throw new Error("nobody hears it");
    };
    // @ts-expect-error a promise
    await assert.rejects(sender.write(2, later), /returned a promise: they are sent when it/);
    // @ts-expect-error a promise
    assert.throws(() => sender.writeSync(2, later), ArgumentError);
    // @ts-expect-error a promise
    assert.throws(() => sender.tryWrite(2, later), ArgumentError);
    await assert.rejects(
      sender.write(1, undefined as never),
      /`fill` is a function, got undefined/,
    );
    assert.throws(() => sender.tryWrite(0, null as never), ArgumentError);
    assert.throws(() => sender.writeSync(0, 5 as never), ArgumentError);
    for (const values of [5, null, undefined, "ab", new Set([1])]) {
      await assert.rejects(sender.sendMany(values as never), /are an array, got/);
      assert.throws(() => sender.trySendMany(values as never), ArgumentError);
    }
    await assert.rejects(receiver.read(undefined as never), /`handler` is a function/);
    assert.throws(() => receiver.tryRead(null as never), ArgumentError);
    assert.throws(() => receiver.readSync({} as never), ArgumentError);
    assert.equal(receiver.queued, 0);
  }));

test("options are checked, and their names", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const wrong = async (task: () => Promise<unknown>, says: RegExp) => {
    const error = await errorOf(task);
    assert.ok(error instanceof ArgumentError, String(error));
    assert.match(error.message, says);
  };
  for (
    const End of [Sender, Receiver] as { open: typeof Sender.open; remove: typeof Sender.remove }[]
  ) {
    const misspelt = { directory, capasity: 8 };
    await wrong(
      () => End.open("pipe", misspelt),
      /no option `capasity`; there are .*capacity.*codec/,
    );
    await wrong(() => End.open("pipe", null as never), /options are an object, got null/);
    await wrong(
      () => End.open("pipe", { directory, codec: null as never }),
      /`codec` is an object/,
    );
    await wrong(() => End.remove("pipe", { dir: directory } as never), /no option `dir`/);
    for (const durable of ["yes", 1, null, {}]) {
      await wrong(
        () => End.open("pipe", { directory, durable: durable as never }),
        /`durable` is true or false, got/,
      );
    }
  }
  await wrong(
    () => Sender.open("pipe", { directory, acknowledge: true } as never),
    /no option `acknowledge`/,
  );
  for (const acknowledge of ["5", -1, {}, NaN, null] as never[]) {
    const says = /`acknowledge` is true or false, got/;
    await wrong(() => Receiver.open("pipe", { directory, acknowledge }), says);
    await wrong(() => Receiver.open("pipe", { directory, acknowledge, onMessage() {} }), says);
  }
  assertEmpty(scratch);
});

test("the bytes codec says what a pipe carries", async () => {
  using scratch = new Scratch();
  {
    const options = { codec: bytes, directory: scratch.path };
    await using sender = await Sender.open("pipe", options);
    await using receiver = await Receiver.open("pipe", options);
    await sender.send(Uint8Array.of(1, 2));
    const message: Uint8Array = await receiver.receive();
    assert.deepEqual([...message], [1, 2]);
    // @ts-expect-error no bytes
    await assert.rejects(sender.send("text"), CodecError);
  }
  assertEmpty(scratch);
});

test("a send waits for room, a receive for a message, in the order of the calls", () =>
  withPipe({ capacity: 4 }, async (sender, receiver) => {
    sender.trySendMany(range(0, 4).map(reading));
    const sends = [sender.send(reading(4)), sender.sendMany(range(5, 8).map(reading))];
    sends.push(sender.write(2, (view, i) => view.set(reading(8 + i))));
    assert.equal(sender.trySend(reading(99)), false, "others wait");
    const received: number[] = [];
    while (received.length < 10) received.push((await receiver.receive()).id);
    await Promise.all(sends);
    assert.deepEqual(received, range(0, 10));
    const receives = [receiver.receive(), receiver.receiveMany({ max: 2 }), receiver.receive()];
    assert.equal(receiver.tryReceive(), undefined);
    for (let id = 10; id < 14; id++) await sender.send(reading(id));
    assert.deepEqual(await Promise.all(receives), [
      reading(10),
      [reading(11), reading(12)],
      reading(13),
    ]);
  }));

test("waits end by time, by signal and by closing", () =>
  withPipe({ capacity: 2 }, async (sender, receiver) => {
    await assert.rejects(receiver.receive({ timeout: 5 }), TimeoutError);
    await assert.rejects(receiver.read(() => {}, { timeout: 0 }), TimeoutError);
    await sender.sendMany([reading(0), reading(1)]);
    await assert.rejects(sender.send(reading(2), { timeout: 5 }), (error: TimeoutError) => {
      assert.match(error.message, /room for a message in pipe "pipe" \(capacity 2\)/);
      return error instanceof TimeoutError;
    });
    const controller = new AbortController();
    const aborted = sender.sendMany([reading(2)], { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    await assert.rejects(sender.send({ ...reading(2), id: -1 }), ArgumentError, "at once");
    const waiting = errorOf(() => sender.send(reading(3)));
    await sender.close();
    assert.ok(await waiting instanceof ClosedError);
    await sender.close();
    assert.ok(await errorOf(() => sender.send(reading(3))) instanceof ClosedError);
    assert.throws(() => sender.queued, ClosedError);
    assert.equal(sender.isConnected, false);
    assert.deepEqual(
      receiver.tryReceiveMany(),
      [reading(0), reading(1)],
      "and not what was given up",
    );
    const receiving = errorOf(() => receiver.receive());
    await receiver.close();
    assert.ok(await receiving instanceof ClosedError);
  }));

test("what is queued stays when nobody is there", async () => {
  using scratch = new Scratch();
  const options = { codec: Reading, directory: scratch.path };
  for (let round = 0; round < 3; round++) {
    await using sender = await Sender.open("pipe", { ...options, capacity: 10 });
    assert.equal(sender.capacity, 16, "rounded up");
    assert.equal(sender.queued, 2 * round);
    await sender.sendMany([reading(2 * round), reading(2 * round + 1)]);
  }
  assert.deepEqual(scratch.files(), ["pipe/pipe/shared"]);
  {
    await using receiver = await Receiver.open("pipe", options);
    assert.deepEqual(receiver.tryReceiveMany(4), range(0, 4).map(reading));
  }
  {
    await using receiver = await Receiver.open("pipe", { ...options, capacity: 16 });
    assert.equal(receiver.position, 4);
    assert.deepEqual(await receiver.receiveMany(), range(4, 6).map(reading));
  }
  assertEmpty(scratch);
});

test("a pipe can be thrown away when nobody uses it", async () => {
  using scratch = new Scratch();
  const options = { directory: scratch.path };
  {
    await using sender = await Sender.open("pipe", options);
    await sender.send({ any: "thing" });
    assert.equal(await Receiver.remove("pipe", options), false, "in use");
  }
  assert.equal(await Receiver.remove("pipe", options), true);
  assert.equal(await Sender.remove("pipe", options), false, "there is none");
  assertEmpty(scratch);
  await (await Sender.open("pipe", { ...options, durable: true })).close();
  assert.deepEqual(scratch.files(), ["pipe/pipe/durable"]);
  assert.equal(await Sender.remove("pipe", options), true);
  assertEmpty(scratch);
});

test("a second one, and what doesn't match, is refused with both values", async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  {
    const codec = serializer<string>({
      name: "text",
      write: (value, buffer) => buffer.string(value),
      read: (buffer) => buffer.string(),
    });
    await using sender = await Sender.open("pipe", {
      codec,
      capacity: 8,
      messageBytes: 100,
      directory,
    });
    const before = scratch.files();
    const refused = async (
      type: new (...args: never[]) => Error,
      says: RegExp,
      options: object,
    ) => {
      const error = await errorOf(() => Receiver.open("pipe", { codec, directory, ...options }));
      assert.ok(error instanceof type, String(error));
      assert.match(error.message, says);
    };
    await refused(CapacityMismatchError, /capacity 8, but 32 was asked for/, { capacity: 17 });
    await refused(ParameterMismatchError, /messageBytes 100, but 200/, { messageBytes: 200 });
    await refused(CodecMismatchError, /codec "text", this side "json"/, { codec: json });
    await refused(CodecMismatchError, /"text", this side "struct{/, { codec: Reading });
    const second = await errorOf(() => Sender.open("pipe", { codec, directory }));
    assert.ok(second instanceof NameTakenError);
    assert.match(second.message, /has a sender, which lives/);
    assert.deepEqual(scratch.files(), before);
    await using receiver = await Receiver.open("pipe", { codec, messageBytes: 100, directory });
    const another = await errorOf(() => Receiver.open("pipe", { codec, directory }));
    assert.ok(another instanceof NameTakenError);
    await sender.send("größe");
    assert.equal(await receiver.receive(), "größe");
  }
  assertEmpty(scratch);
});

test("messages of any size up to the limit, but undefined", async () => {
  using scratch = new Scratch();
  const options = { codec: bytes, capacity: 2, messageBytes: 101, directory: scratch.path };
  {
    await using sender = await Sender.open<Uint8Array>("pipe", options);
    await using receiver = await Receiver.open<Uint8Array>("pipe", options);
    for (let size = 0; size <= 101; size++) {
      await sender.send(new Uint8Array(size).fill(size));
      assert.deepEqual(await receiver.receive(), new Uint8Array(size).fill(size));
    }
    const error = await errorOf(() => sender.send(new Uint8Array(102)));
    assert.ok(error instanceof MessageTooLargeError);
    assert.match(
      error.message,
      /102 bytes is over the limit of 101 bytes of pipe "pipe".*messageBytes/,
    );
    await sender.sendMany([Uint8Array.of(1), Uint8Array.of(2)]);
    const late = await errorOf(() => sender.send(new Uint8Array(102)));
    assert.ok(late instanceof MessageTooLargeError, "also when it would wait");
    const reused = Uint8Array.of(3);
    const sent = sender.send(reused);
    reused[0] = 99;
    assert.deepEqual(receiver.tryReceiveMany(), [Uint8Array.of(1), Uint8Array.of(2)]);
    await sent;
    assert.deepEqual(receiver.receiveSync(), Uint8Array.of(3));
  }
  {
    await using sender = await Sender.open("pipe", { directory: scratch.path });
    await using receiver = await Receiver.open("pipe", { directory: scratch.path });
    await sender.sendMany([null, { a: [1, new Date(5)] }]);
    assert.deepEqual(await receiver.receiveMany(), [null, { a: [1, new Date(5)] }]);
    await assert.rejects(sender.send(undefined), /undefined can't be sent.*send null/);
    await assert.rejects(sender.sendMany([1, undefined, 2]), ArgumentError);
    assert.throws(() => sender.trySendMany([1, undefined]), ArgumentError);
    assert.equal(receiver.queued, 0);
    assert.throws(() => sender.tryWrite(1, () => {}), /only structs are written in place/);
    assert.throws(() => receiver.tryRead(() => {}), /only structs are read in place/);
  }
  assertEmpty(scratch);
});

for (const handler of ["onMessage", "onMessages", "onRead"] as const) {
  for (const acknowledge of [false, true]) {
    test(`${handler}${acknowledge ? ", acknowledged" : ""}`, async () => {
      using scratch = new Scratch();
      const seen: number[] = [];
      let running = 0;
      const take = (ids: number[]): Promise<void> | void => {
        seen.push(...ids);
        if (handler === "onRead" || seen.length % 3 !== 0) return;
        running++;
        assert.ok(!acknowledge || running === 1, "one after the other");
        return new Promise((resolve) => setTimeout(() => (running--, resolve()), 1));
      };
      {
        const options = { codec: Reading, capacity: 8, directory: scratch.path };
        await using sender = await Sender.open("pipe", options);
        const handlers: Handlers<ReturnType<typeof reading>, ReturnType<typeof Reading.view>> = {
          onMessage: ({ id }) => take([id]),
          onMessages: (all) => take(all.map(({ id }) => id)),
          onRead: (view, count) => void take(range(0, count).map((i) => view.at(i).id)),
        };
        const all = { ...options, acknowledge, [handler]: handlers[handler] };
        await using receiver = await Receiver.open("pipe", all);
        assert.throws(() => receiver.tryReceive(), /has a handler/);
        await assert.rejects(receiver.receive(), ArgumentError);
        for (let id = 0; id < 50; id++) await sender.send(reading(id));
        await until(() => seen.length === 50, "all of them");
        await until(() => receiver.queued === 0 && running === 0, "their end");
      }
      assert.deepEqual(seen, range(0, 50));
      assertEmpty(scratch);
    });
  }
}

test("a handler that fails has had its message; what can't be decoded is left out", async () => {
  using scratch = new Scratch();
  for (const acknowledge of [false, true]) {
    const errors: string[] = [];
    const seen: number[] = [];
    const picky = serializer<number>({
      name: "picky",
      size: 4,
      write: (value, buffer) => buffer.u32(value),
      read(buffer) {
        const value = buffer.u32();
        if (value === 3) throw new CodecError("no 3");
        return value;
      },
    });
    const options = { codec: picky, capacity: 8, directory: scratch.path };
    await using sender = await Sender.open("pipe", options);
    await using _receiver = await Receiver.open("pipe", {
      ...options,
      acknowledge,
      onMessage(value) {
        seen.push(value);
        if (value === 1) throw new Error("no 1");
        return value === 2 ? Promise.reject(new Error("no 2")) : undefined;
      },
      onError: (error) => errors.push((error as Error).message),
    });
    await sender.sendMany([0, 1, 2, 3, 4]);
    await until(() => seen.at(-1) === 4 && errors.length === 3, "the last one");
    assert.deepEqual(seen, [0, 1, 2, 4]);
    assert.deepEqual(errors.sort(), ["no 1", "no 2", "no 3"]);
  }
  {
    const failing = { codec: Reading, directory: scratch.path };
    const errors: unknown[] = [];
    await using sender = await Sender.open("reads", failing);
    await using receiver = await Receiver.open("reads", {
      ...failing,
      onRead() {
        throw new Error("no");
      },
      onError: (error) => errors.push(error),
    });
    await sender.send(reading(1));
    await until(() => errors.length === 1 && receiver.queued === 0, "its end");
  }
  assertEmpty(scratch);
});

test("a message that isn't acknowledged comes again", async () => {
  using scratch = new Scratch();
  const options = { codec: Reading, directory: scratch.path };
  {
    await using sender = await Sender.open("pipe", options);
    await sender.sendMany([reading(1), reading(2)]);
    const first: number[] = [];
    const receiver = await Receiver.open("pipe", {
      ...options,
      acknowledge: true,
      onMessage({ id }) {
        first.push(id);
        return new Promise(() => {});
      },
    });
    await until(() => first.length > 0, "the first");
    await receiver.close();
    assert.deepEqual(first, [1]);
    await using next = await Receiver.open("pipe", options);
    assert.deepEqual(next.tryReceiveMany(), [reading(1), reading(2)]);
  }
  assertEmpty(scratch);
});

test("for await, until the receiver is closed", () =>
  withPipe({}, async (sender, receiver) => {
    for (let id = 0; id < 10; id++) sender.trySend(reading(id));
    const seen: number[] = [];
    for await (const { id } of receiver) {
      seen.push(id);
      if (id === 4) break;
    }
    setTimeout(() => sender.trySend(reading(10)), 5);
    for await (const { id } of receiver) {
      seen.push(id);
      if (id === 10) await receiver.close();
    }
    assert.deepEqual(seen, range(0, 11));
  }));

test("coming and going is told", async () => {
  using scratch = new Scratch();
  {
    const told: string[] = [];
    const options = { codec: Reading, directory: scratch.path };
    await using sender = await Sender.open("pipe", {
      ...options,
      onConnect: () => told.push("connect"),
      onDisconnect: (reason) => told.push(reason),
    });
    assert.equal(sender.isConnected, false);
    await assert.rejects(sender.whenConnected({ timeout: 5 }), /the receiver of pipe "pipe"/);
    const waiting = sender.whenConnected();
    const receiver = await Receiver.open("pipe", options);
    await within(waiting, "being connected", 20_000);
    await until(() => told.length === 1, "the event");
    assert.deepEqual([sender.isConnected, receiver.isConnected], [true, true]);
    await receiver.close();
    await until(() => told.length === 2, "the other event");
    assert.deepEqual(told, ["connect", "closed"]);
    assert.equal(sender.isConnected, false);
  }
  assertEmpty(scratch);
});

test("blocking in vain is refused: the other end is in this thread", () =>
  withPipe({ capacity: 2 }, (sender, receiver) => {
    assert.throws(() => receiver.receiveSync(), DeadlockError);
    assert.throws(() => receiver.readSync(() => {}), DeadlockError);
    sender.writeSync(2, (view, i) => view.set(reading(i)));
    assert.throws(() => sender.sendSync(reading(2)), DeadlockError);
    assert.throws(() => sender.writeSync(1, () => {}), DeadlockError);
    assert.equal(receiver.tryReceiveMany().length, 2);
  }));

test("blocking without a receiver ends by time", async () => {
  using scratch = new Scratch();
  const options = { codec: Reading, capacity: 1, directory: scratch.path, timeout: 10 };
  {
    await using sender = await Sender.open("pipe", options);
    sender.sendSync(reading(0));
    assert.throws(() => sender.sendSync(reading(1)), TimeoutError);
    assert.throws(() => sender.writeSync(1, () => {}, { timeout: 1 }), TimeoutError);
  }
  {
    await using receiver = await Receiver.open("pipe", options);
    assert.deepEqual(receiver.receiveSync(), reading(0));
    assert.throws(() => receiver.receiveSync(), TimeoutError);
    await assert.rejects(receiver.receive(), TimeoutError, "the default of its options");
  }
  assertEmpty(scratch);
});

test("options are checked", async () => {
  using scratch = new Scratch();
  const bad = [
    { capacity: 0 },
    { capacity: 1.5 },
    { capacity: "5" },
    { capacity: 2 ** 29, codec: Reading },
    { messageBytes: 0 },
    { messageBytes: 2 ** 40 },
    { messageBytes: 25, codec: Reading },
    { timeout: -1 },
    { codec: "json" },
    { onConnect: 5 },
  ];
  for (const options of bad) {
    const all = { directory: scratch.path, ...options } as never;
    assert.ok(await errorOf(() => Sender.open("pipe", all)) instanceof ArgumentError);
    assert.ok(await errorOf(() => Receiver.open("pipe", all)) instanceof ArgumentError);
  }
  const handlers = [
    { onMessage() {}, onMessages() {} },
    { acknowledge: true },
    { onRead() {} },
  ];
  for (const options of handlers) {
    const all = { directory: scratch.path, ...options } as never;
    assert.ok(await errorOf(() => Receiver.open("pipe", all)) instanceof ArgumentError);
  }
  assert.ok(await errorOf(() => Sender.open("", {})) instanceof ArgumentError);
  {
    await using sender = await Sender.open("pipe", { directory: scratch.path, capacity: 4 });
    assert.ok(await errorOf(() => sender.sendMany([1, 2, 3, 4, 5])) instanceof ArgumentError);
  }
  await Sender.remove("pipe", { directory: scratch.path });
  assertEmpty(scratch);
});

test("a timer runs beside each loop that always finds room, or a message", () =>
  withPipe({ capacity: 64 }, async (sender, receiver) => {
    const fill = (): void => {
      if (receiver.queued === 0) sender.trySendMany(range(0, 64).map(reading));
    };
    const steps: Record<string, () => Promise<unknown>> = {
      send: async () => {
        await sender.send(reading(1));
        receiver.tryReceive();
      },
      sendMany: async () => {
        await sender.sendMany([reading(1), reading(2)]);
        receiver.tryReceiveMany();
      },
      write: async () => {
        await sender.write(2, (view, i) => view.id = i);
        receiver.tryReceiveMany();
      },
      receive: async () => {
        fill();
        await receiver.receive();
      },
      receiveMany: async () => {
        fill();
        await receiver.receiveMany({ max: 2 });
      },
      read: async () => {
        fill();
        await receiver.read(() => {}, { max: 2 });
      },
    };
    for (const step of Object.values(steps)) await besideTimer(step);
    const messages = receiver[Symbol.asyncIterator]();
    await besideTimer(() => {
      fill();
      return messages.next();
    });
    receiver.tryReceiveMany();
  }));

for (const form of ["onMessage", "onMessages", "onRead"] as const) {
  test(`a timer runs beside ${form}, which always finds messages`, async () => {
    using scratch = new Scratch();
    const options = { codec: Reading, directory: scratch.path, capacity: 64 };
    await using sender = await Sender.open("pipe", options);
    let calls = 0;
    let fired = 0;
    const timer = setInterval(() => fired++, 10);
    const handler = (): void => {
      calls++;
      if (fired >= 5) return;
      assert.ok(calls < 60_000, "watchdog: the timer doesn't run");
      const end = performance.now() + 0.2;
      while (performance.now() < end);
      sender.trySendMany([reading(1), reading(2)]);
    };
    await using _receiver = await Receiver.open("pipe", { ...options, [form]: handler });
    await sender.send(reading(0));
    await until(() => fired >= 5, "the timer fires");
    clearInterval(timer);
  });
}

test("a forgotten send that fails is reported, and what waits is bounded", async () => {
  using scratch = new Scratch();
  const told: unknown[] = [];
  const onError = (error: unknown) => void told.push(error);
  const options = { codec: bytes, messageBytes: 1000, capacity: 1, directory: scratch.path };
  const sender = await Sender.open("pipe", { ...options, sendQueueBytes: 3000, onError });
  sender.trySend(new Uint8Array(1));
  for (let i = 0; i < 10; i++) sender.send(new Uint8Array(900));
  await until(() => told.length > 0, "the refusals");
  assert.equal(told.length, 8, "two of 1,028 bytes wait");
  for (const error of told.splice(0)) assert.ok(error instanceof BackpressureError);
  await assert.rejects(sender.send(new Uint8Array(900)), BackpressureError);
  const awaited = assert.rejects(sender.send(new Uint8Array(800)), ClosedError);
  sender.send(new Uint8Array(1001));
  await sender.close();
  await awaited;
  sender.send(new Uint8Array(1));
  await until(() => told.length === 4, "all of them");
  assert.deepEqual(told.map((error) => (error as Error).name).sort(), [
    "ClosedError",
    "ClosedError",
    "ClosedError",
    "MessageTooLargeError",
  ]);
  // One that is alone may be of any size, and a program that awaits each isn't refused.
  const limited = { ...options, sendQueueBytes: 10 };
  await using next = await Sender.open("pipe", limited);
  await using receiver = await Receiver.open("pipe", options);
  const received: number[] = [];
  const loop = (async () => {
    for await (const message of receiver) if (received.push(message.length) === 21) return;
  })();
  for (let i = 0; i < 20; i++) await next.send(new Uint8Array(900));
  await loop;
  assert.deepEqual(received, [1, ...Array.from({ length: 20 }, () => 900)]);
});

test("functions of the user run in the context in which they were given", async () => {
  using scratch = new Scratch();
  const context = new AsyncLocalStorage<string>();
  const seen: string[] = [];
  const note = (what: string) => void seen.push(`${what}: ${context.getStore()}`);
  const options = { codec: Reading, directory: scratch.path, capacity: 1 };
  const sender = await context.run(
    "sender",
    () => Sender.open("pipe", { ...options, onConnect: () => note("connect") }),
  );
  sender.trySend(reading(1));
  const write = context.run("write", () =>
    sender.write(1, (view) => {
      view.id = 2;
      note("fill");
    }));
  const receiver = await Receiver.open("pipe", options);
  assert.equal(receiver.tryReceive()!.id, 1);
  await write;
  receiver.tryReceive();
  const read = context.run("read", () => receiver.read(() => note("read")));
  await context.run("send", () => sender.send(reading(3)));
  await read;
  await receiver.close();
  const handling = await context.run(
    "handler",
    () => Receiver.open("pipe", { ...options, onMessage: () => note("message") }),
  );
  await context.run("send", () => sender.send(reading(4)));
  await until(() => seen.length >= 5, "all");
  assert.deepEqual(seen.filter((what) => !what.startsWith("connect")), [
    "fill: write",
    "read: read",
    "message: handler",
  ]);
  assert.ok(seen.includes("connect: sender") && !seen.includes("connect: handler"));
  await handling.close();
  await sender.close();
});

test("garbage in its tables ends a pipe for this process, and nothing else", async () => {
  using scratch = new Scratch();
  for (const offset of [MembershipLayout.used, PipeLayout.receiver, PipeLayout.tail]) {
    const told: unknown[] = [];
    const gone: string[] = [];
    const options = { codec: Reading, directory: scratch.path, durable: true };
    const sender = await Sender.open("pipe", options);
    const receiver = await Receiver.open("pipe", {
      ...options,
      onMessage() {},
      onError: (error) => void told.push(error),
      onDisconnect: (reason) => void gone.push(reason),
    });
    const segment = Segment.open(native, scratch.at("pipe/pipe/durable"), Kind.pipe)!;
    const before = segment.u32(offset);
    segment.setU32(offset, 0xffff_fff0);
    // What asks for the other end to be rung, or for its messages, meets it.
    for (let i = 0; i < 20; i++) {
      try {
        sender.trySend(reading(i));
      } catch (error) {
        assert.ok(error instanceof CorruptSegmentError || error instanceof ClosedError);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    segment.setU32(offset, before);
    await sender.close();
    await receiver.close();
    segment.close();
    if (told.length > 0) {
      assert.ok(told[0] instanceof CorruptSegmentError);
      assert.deepEqual(gone.filter((reason) => reason === "corrupt"), ["corrupt"]);
    }
    assert.equal(await Sender.remove("pipe", { directory: scratch.path }), true);
  }
  assertEmpty(scratch);
});
