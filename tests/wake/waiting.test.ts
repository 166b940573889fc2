import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { TimeoutError } from "../../src/errors.ts";
import { Waiting, type WaitingHooks, type WaitLimits } from "../../src/wake/waiting.ts";
import { withRealm } from "../support/realm.ts";
import { within } from "../support/watchdog.ts";

interface Begun {
  waiting: Waiting<number>;
  /** How often it was told that the wait was given up. */
  givenUp: () => number;
}

function withWaiting(
  limits: WaitLimits,
  task: (begun: Begun) => void | Promise<void>,
  hooks: Partial<WaitingHooks> = {},
): Promise<void> {
  return withRealm(async (realm) => {
    let count = 0;
    const onGivenUp = (): void => void count++;
    const waiting = new Waiting<number>(realm.reactor, "a wait", limits, { onGivenUp, ...hooks });
    waiting.promise.catch(() => {});
    await task({ waiting, givenUp: () => count });
    assert.equal(waiting.isOver, true);
  });
}

test("a value ends it, and nothing after that counts", () =>
  withWaiting({ timeout: 20 }, async ({ waiting, givenUp }) => {
    assert.equal(waiting.isOver, false);
    waiting.resolve(7);
    waiting.resolve(8);
    waiting.reject(new Error("too late"));
    await new Promise((resolve) => setTimeout(resolve, 40));
    assert.equal(await waiting.promise, 7);
    assert.equal(givenUp(), 0);
  }));

test("an error ends it, whose cause isn't told that it gave up", () =>
  withWaiting({ timeout: Infinity }, async ({ waiting, givenUp }) => {
    const reason = new Error("closed");
    waiting.reject(reason);
    await assert.rejects(waiting.promise, (error) => error === reason);
    assert.equal(givenUp(), 0);
  }));

test("the time ends it, and the error says what, how long and why", () =>
  withWaiting({ timeout: 5 }, async ({ waiting, givenUp }) => {
    await assert.rejects(within(waiting.promise, "the time-out"), (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /^a wait took longer than 5 ms.*is the other side there/);
      return true;
    });
    assert.equal(givenUp(), 1);
  }, { hint: () => "is the other side there" }));

test("what comes in the last moment is taken", () => {
  let begun: Begun | undefined;
  return withWaiting({ timeout: 5 }, async (each) => {
    begun = each;
    assert.equal(await within(each.waiting.promise, "the value"), 9);
    assert.equal(each.givenUp(), 0);
  }, { beforeTimeout: () => begun!.waiting.resolve(9) });
});

test("a signal ends it with its reason, and isn't listened to any more", () => {
  const abort = new AbortController();
  return withWaiting({ timeout: Infinity, signal: abort.signal }, async (begun) => {
    const reason = { not: "an error" };
    abort.abort(reason);
    await assert.rejects(begun.waiting.promise, (error) => error === reason);
    assert.equal(begun.givenUp(), 1);
    assert.equal(getEventListeners(abort.signal, "abort").length, 0);
  });
});

test("a signal that is aborted already ends it at once", () =>
  withWaiting({ timeout: Infinity, signal: AbortSignal.abort("no") }, async ({ waiting }) => {
    assert.equal(waiting.isOver, true);
    await assert.rejects(waiting.promise, (error) => error === "no");
  }));
