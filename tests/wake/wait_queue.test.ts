import assert from "node:assert/strict";
import { test } from "node:test";
import { TimeoutError } from "../../src/errors.ts";
import { Polled } from "../../src/wake/reactor.ts";
import { Realm } from "../../src/wake/realm.ts";
import { WaitQueue } from "../../src/wake/wait_queue.ts";
import { Scratch } from "../support/scratch.ts";

const forever = { timeout: Infinity };

interface Line {
  realm: Realm;
  line: WaitQueue;
  /** What there is to get. */
  stock: number[];
  /** Takes from the stock. */
  take: () => number | undefined;
  counts: { flagged: number; cancelled: number };
}

async function withLine(task: (it: Line) => void | Promise<void>): Promise<void> {
  using scratch = new Scratch();
  const closer = (): void => {};
  const realm = await Realm.acquire(scratch.path, closer);
  const { reactor } = realm;
  const index = reactor.reserve();
  const counts = { flagged: 0, cancelled: 0 };
  const line = new WaitQueue(reactor, index, () => counts.flagged++, () => counts.cancelled++);
  reactor.attach(index, line);
  const stock: number[] = [];
  try {
    await task({ realm, line, stock, take: () => stock.shift(), counts });
  } finally {
    reactor.remove(index);
    realm.release(closer);
  }
}

test("what is there is taken at once, without a flag", () =>
  withLine(async ({ line, stock, take, counts }) => {
    stock.push(1, 2);
    assert.equal(await line.wait(take, "a number", forever), 1);
    assert.equal(line.waitSync(take, "a number", Infinity), 2);
    assert.deepEqual(counts, { flagged: 0, cancelled: 0 });
  }));

test("who waits gets it in the order of the line", () =>
  withLine(async ({ line, stock, take, counts }) => {
    const all = [1, 2, 3].map(() => line.wait(take, "a number", forever));
    assert.equal(line.length, 3);
    assert.equal(line.arm(), true);
    assert.equal(counts.flagged, 1);
    stock.push(7, 8);
    assert.equal(line.poll(), Polled.resolved);
    assert.equal(line.length, 1);
    stock.push(9);
    line.poll();
    assert.deepEqual(await Promise.all(all), [7, 8, 9]);
    assert.equal(line.poll(), Polled.nothing);
  }));

test("what comes while the flag is set isn't overlooked", () =>
  withLine(async ({ realm }) => {
    const stock: string[] = [];
    const index = realm.reactor.reserve();
    const line = new WaitQueue(realm.reactor, index, () => stock.push("in between"));
    const got = line.wait(() => stock.shift(), "a text", forever);
    assert.equal(line.arm(), false);
    assert.equal(await got, "in between");
    assert.equal(line.arm(), true, "nobody waits");
    realm.reactor.remove(index);
  }));

test("who gives up leaves the line, and the others get theirs", () =>
  withLine(async ({ line, stock, take, counts }) => {
    const controller = new AbortController();
    const aborted = line.wait(take, "a number", { ...forever, signal: controller.signal });
    const timed = line.wait(take, "a number to be there", { timeout: 5 });
    const last = line.wait(take, "a number", forever);
    await assert.rejects(timed, (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /a number to be there.*5 ms/);
      return true;
    });
    controller.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    assert.equal(counts.cancelled, 2);
    stock.push(5);
    line.poll();
    assert.equal(await last, 5);
    await assert.rejects(line.wait(take, "x", { ...forever, signal: controller.signal }), /enough/);
    await assert.rejects(line.wait(take, "a number", { timeout: 0 }), TimeoutError);
    assert.throws(() => line.waitSync(take, "a number", 5), TimeoutError);
    assert.equal(counts.cancelled, 3);
    assert.equal(line.length, 0);
  }));

test("who blocks the thread goes before those who couldn't go on", () =>
  withLine(async ({ line, stock, take }) => {
    const waiting = line.wait(take, "a number", forever);
    let looks = 0;
    const late = (): number | undefined => ++looks > 3 ? 42 : undefined;
    assert.equal(line.waitSync(late, "a number", Infinity), 42);
    stock.push(1);
    line.poll();
    assert.equal(await waiting, 1);
  }));

test("an attempt that throws ends its wait, and closing ends all", () =>
  withLine(async ({ line, take }) => {
    const fails = (): number => {
      throw new Error("broken");
    };
    await assert.rejects(line.wait(fails, "it", forever), /broken/);
    assert.throws(() => line.waitSync(fails, "it", 5), /broken/);
    let calls = 0;
    const later = line.wait(() => ++calls > 1 ? fails() : undefined, "it", forever);
    line.poll();
    await assert.rejects(later, /broken/);
    const all = [1, 2].map(() => line.wait(take, "it", forever));
    line.fail(new Error("closed"));
    for (const one of all) await assert.rejects(one, /closed/);
    assert.equal(line.length, 0);
  }));

test("an attempt that closes what it waits for, and throws, ends its wait once", () =>
  withLine(async ({ realm, line }) => {
    let unrefs = 0;
    const { reactor } = realm;
    const unref = reactor.unref.bind(reactor);
    reactor.unref = () => {
      unrefs++;
      unref();
    };
    let calls = 0;
    const wait = line.wait(
      () => {
        if (++calls === 1) return undefined;
        line.fail(new Error("closed"));
        throw new Error("after that");
      },
      "it",
      forever,
    );
    line.poll();
    await assert.rejects(wait, /closed/);
    assert.equal(unrefs, 1);
  }));

test("a blocking wait whose sleep fails leaves the line, and takes nothing after it", () =>
  withLine(({ realm, line, stock, take, counts }) => {
    const { reactor } = realm;
    const real = reactor.block.bind(reactor);
    reactor.block = () => {
      throw new Error("no descriptors left");
    };
    assert.throws(() => line.waitSync(take, "a number", 5), /no descriptors left/);
    assert.equal(line.length, 0);
    assert.equal(counts.cancelled, 1, "what rang us may be for others");
    // It fails after the attempt succeeded: what was taken isn't lost.
    reactor.block = () => {
      stock.push(1, 2);
      line.poll();
      throw new Error("no descriptors left");
    };
    assert.equal(line.waitSync(take, "a number", 5), 1);
    reactor.block = real;
    assert.equal(line.waitSync(take, "a number", 5), 2);
    assert.equal(line.length, 0);
  }));
