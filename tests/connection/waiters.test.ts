import assert from "node:assert/strict";
import process from "node:process";
import { after, test } from "node:test";
import { AsyncWaiter, BlockingWaiter } from "../../src/connection/waiters.ts";

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => void unhandled.push(reason));
after(() => assert.deepEqual(unhandled, []));

/** A waiter, what it has told so far, and its promise. */
function awaiting() {
  const told: string[] = [];
  let waiter: AsyncWaiter;
  const promise = new Promise<Uint8Array | undefined>((resolve, reject) => {
    waiter = new AsyncWaiter(() => void told.push("settled"), 5, resolve, reject);
  });
  return { waiter: waiter!, promise, told };
}

const bytes = new Uint8Array([1, 2]);

test("a waiter gives its answer, or that there is none, or the error", async () => {
  for (const payload of [bytes, undefined]) {
    const { waiter, promise, told } = awaiting();
    waiter.resolve(payload);
    assert.equal(await promise, payload);
    assert.deepEqual(told, ["settled"]);
  }
  const { waiter, promise, told } = awaiting();
  waiter.reject(new RangeError("mine"));
  await assert.rejects(promise, { message: "mine" });
  assert.deepEqual(told, ["settled"]);
  assert.equal(waiter.timeout, 5);
});

test("a rejection that isn't awaited is no unhandled one", async () => {
  const { waiter, promise } = awaiting();
  waiter.promise = promise;
  waiter.reject(new RangeError("mine"));
  await new Promise((resolve) => setTimeout(resolve, 1));
  await assert.rejects(promise, RangeError, "and a later await gets it");
});

test("a signal is listened to until the waiter is settled", () => {
  for (const settle of ["resolve", "reject"] as const) {
    for (const abortFirst of [true, false]) {
      const controller = new AbortController();
      const { waiter, promise, told } = awaiting();
      promise.catch(() => {});
      waiter.listen(controller.signal, () => told.push("aborted"));
      if (abortFirst) controller.abort();
      waiter[settle](undefined);
      controller.abort();
      assert.deepEqual(told, abortFirst ? ["aborted", "settled"] : ["settled"]);
    }
  }
});

test("a waiter of a blocked thread keeps what came", () => {
  const waiter = new BlockingWaiter(7, () => {});
  assert.deepEqual([waiter.done, waiter.failed, waiter.timeout], [false, false, 7]);
  assert.equal(typeof waiter.onUnread, "function");
  waiter.resolve(bytes);
  assert.deepEqual([waiter.done, waiter.failed, waiter.payload], [true, false, bytes]);
  const failing = new BlockingWaiter(7);
  failing.reject(undefined);
  assert.deepEqual([failing.done, failing.failed, failing.reason], [true, true, undefined]);
});
