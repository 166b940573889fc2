import assert from "node:assert/strict";
import { test } from "node:test";
import { ArgumentError, BackpressureError, ClosedError, TimeoutError } from "../../src/errors.ts";
import { checkSendQueueBytes, SendWaits } from "../../src/wake/send_waits.ts";
import type { SendWait } from "../../src/wake/send_waits.ts";
import { WaitQueue } from "../../src/wake/wait_queue.ts";
import { withRealm } from "../support/realm.ts";
import { until, within } from "../support/watchdog.ts";

const forever = { timeout: Infinity };
/** What a message counts for, beside its bytes. */
const COST = 128;

interface World {
  waits: SendWaits;
  queue: WaitQueue;
  /** How many messages there is room for. */
  room: number;
  /** What was sent. */
  sent: string[];
  /** What failed, by the message's own hook. */
  failed: [name: string, error: unknown][];
  reported: unknown[];
  /** Waits with a message of so many bytes. */
  send(name: string, bytes?: number, limits?: { timeout: number; signal?: AbortSignal }): Promise<
    void
  >;
}

function withWaits(
  limit: number | undefined,
  task: (world: World) => void | Promise<void>,
  advice?: string,
): Promise<void> {
  return withRealm(async ({ reactor }) => {
    const index = reactor.reserve();
    const queue = new WaitQueue(reactor, index, () => {});
    reactor.attach(index, queue);
    const reported: unknown[] = [];
    const waits = new SendWaits(queue, limit, (error) => reported.push(error), advice);
    const world: World = {
      waits,
      queue,
      room: 0,
      sent: [],
      failed: [],
      reported,
      send(name, bytes = 100, limits = forever) {
        const send: SendWait = {
          bytes,
          messages: 1,
          attempt() {
            if (world.room === 0) return undefined;
            world.room--;
            world.sent.push(name);
            return true;
          },
          what: `room for ${name}`,
          onFailure: (error) => world.failed.push([name, error]),
        };
        return waits.wait(send, limits);
      },
    };
    try {
      await task(world);
    } finally {
      reactor.remove(index);
    }
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

test("what waits is sent in order, as far as there is room", () =>
  withWaits(undefined, async (world) => {
    const all = ["a", "b", "c", "d"].map((name) => world.send(name));
    assert.equal(world.queue.length, 4);
    world.room = 2;
    world.queue.poll();
    assert.deepEqual(world.sent, ["a", "b"]);
    await within(Promise.all(all.slice(0, 2)), "the first two");
    assert.equal(world.queue.length, 2);
    // There is room, but one that comes now is behind those that wait.
    world.room = 3;
    const last = world.send("e");
    world.queue.poll();
    assert.deepEqual(world.sent, ["a", "b", "c", "d", "e"]);
    await within(Promise.all([...all, last]), "all");
    assert.deepEqual(world.failed, []);
  }));

test("what has room doesn't wait", () =>
  withWaits(0, async (world) => {
    world.room = 3;
    for (const name of ["a", "b", "c"]) await within(world.send(name, 1e6), name);
    assert.deepEqual(world.sent, ["a", "b", "c"]);
  }));

test("a message alone is never refused, whatever its size", () =>
  withWaits(0, async (world) => {
    for (const name of ["a", "b", "c"]) {
      const sending = world.send(name, 2 ** 30);
      world.room = 1;
      world.queue.poll();
      await within(sending, name);
    }
    assert.deepEqual(world.sent, ["a", "b", "c"]);
  }));

test("beyond the limit it is refused: numbers and advice are in the error", () =>
  withWaits(3 * (100 + COST), async (world) => {
    const all = ["a", "b", "c"].map((name) => world.send(name));
    const error = await world.send("d").catch((error: unknown) => error);
    assert.ok(error instanceof BackpressureError);
    assert.equal(error.queued, 3 * (100 + COST));
    assert.equal(error.limit, 3 * (100 + COST));
    assert.match(
      error.message,
      /holds 684 bytes and can't take 228 more \(limit 684\): wait a little, or take a tea$/,
    );
    assert.deepEqual(world.failed, [["d", error]]);
    world.room = 1;
    world.queue.poll();
    await within(all[0]!, "the first");
    // There is room for one again.
    const next = world.send("e");
    await assert.rejects(world.send("f"), BackpressureError);
    world.room = 3;
    world.queue.poll();
    await within(Promise.all([...all, next]), "the others");
    assert.deepEqual(world.sent, ["a", "b", "c", "e"]);
  }, "wait a little, or take a tea"));

test("the usual advice, and messages count for more than their bytes", () =>
  withWaits(1000, async (world) => {
    const all = [world.send("a", 0)];
    for (let i = 0; i < 6; i++) all.push(world.send(`${i}`, 0));
    await assert.rejects(
      world.send("x", 0),
      /holds 896 bytes and can't take 128 more.*: await each call, or raise `sendQueueBytes`$/,
    );
    const many = { bytes: 0, messages: 2, attempt: () => undefined, what: "x" } as const;
    await assert.rejects(world.waits.wait(many, forever), /can't take 256 more/);
    world.room = 10;
    world.queue.poll();
    await within(Promise.all(all), "all");
  }));

test("a wait that ends early counts no more", () =>
  withWaits(100 + COST, async (world) => {
    const controller = new AbortController();
    const aborted = world.send("a", 100, { ...forever, signal: controller.signal });
    await assert.rejects(world.send("b"), BackpressureError);
    controller.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    await assert.rejects(world.send("c", 100, { timeout: 1 }), (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /^room for c/);
      return true;
    });
    const waiting = world.send("d");
    await assert.rejects(world.send("e"), BackpressureError);
    world.queue.fail(new ClosedError("the sender"));
    await assert.rejects(waiting, ClosedError);
    assert.deepEqual(world.failed.map(([name]) => name), ["b", "a", "c", "e", "d"]);
    world.room = 1;
    await within(world.send("f"), "one with room");
    assert.deepEqual(world.sent, ["f"]);
  }));

test("an attempt that throws ends its own wait, and the next goes on", () =>
  withWaits(undefined, async (world) => {
    const broken = world.waits.wait({
      bytes: 1,
      messages: 1,
      what: "a broken one",
      attempt() {
        if (world.room === 0) return undefined;
        throw new RangeError("broken");
      },
    }, forever);
    const next = world.send("next");
    world.room = 1;
    world.queue.poll();
    await assert.rejects(broken, /broken/);
    await within(next, "the next");
    assert.deepEqual(world.sent, ["next"]);
  }));

test("what `onFailure` throws is the error instead", () =>
  withWaits(undefined, async (world) => {
    const other = new Error("another");
    const failing = world.waits.wait({
      bytes: 1,
      messages: 1,
      what: "it",
      attempt: () => undefined,
      onFailure() {
        throw other;
      },
    }, { timeout: 0 });
    await assert.rejects(failing, (error) => error === other);
    assert.equal(world.queue.length, 0);
  }));

test("forgotten promises: failures are reported, once each, and end no process", () =>
  withWaits(100 + COST, async (world) => {
    void world.send("a");
    void world.send("refused");
    void world.waits.refuse(new ArgumentError("no such message"));
    await until(() => world.reported.length === 2, "both are reported");
    void world.send("late", 100, { timeout: 1 }).then(() => {});
    world.queue.fail(new ClosedError("the sender"));
    await until(() => world.reported.length === 4, "all are reported");
    await turn();
    assert.deepEqual(world.reported.map((error) => (error as Error).name).sort(), [
      ...["ArgumentError", "BackpressureError", "BackpressureError"],
      "ClosedError",
    ]);
  }));

test("awaited promises: nothing is reported", () =>
  withWaits(100 + COST, async (world) => {
    const first = world.send("a");
    await assert.rejects(world.send("b"), BackpressureError);
    const refused = world.waits.refuse(new ArgumentError("no such message"));
    await assert.rejects(refused, /no such message/);
    world.queue.fail(new ClosedError("the sender"));
    await assert.rejects(first, ClosedError);
    await turn();
    assert.deepEqual(world.reported, []);
  }));

test("the option: bytes from 0, or Infinity, 16 MB if nothing is said", async () => {
  assert.equal(checkSendQueueBytes(), 16 << 20);
  assert.equal(checkSendQueueBytes(0), 0);
  assert.equal(checkSendQueueBytes(Infinity), Infinity);
  for (const wrong of [-1, 1.5, NaN, "1", null] as number[]) {
    assert.throws(
      () => checkSendQueueBytes(wrong),
      (error) => error instanceof ArgumentError && /sendQueueBytes/.test(error.message),
      String(wrong),
    );
  }
  await withWaits(undefined, async (world) => {
    const first = world.send("a", (16 << 20) - 2 * COST - 50);
    const second = world.send("b", 50);
    await assert.rejects(world.send("c", 0), BackpressureError);
    world.room = 2;
    world.queue.poll();
    await within(Promise.all([first, second]), "both");
  });
});
