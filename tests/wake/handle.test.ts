import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { ClosedError, CorruptSegmentError } from "../../src/errors.ts";
import { Handle } from "../../src/wake/handle.ts";
import { Polled } from "../../src/wake/reactor.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

interface Opened {
  handle: Handle;
  errors: unknown[];
}

function open(
  scratch: Scratch,
  source?: { poll?: () => Polled; arm?: () => boolean },
): Promise<Opened> {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  return Handle.open({ what: "thing", directory: scratch.path, onError }, (handle) => {
    handle.attach({
      poll: source?.poll ?? (() => Polled.nothing),
      arm: source?.arm ?? (() => true),
    });
    return { handle, errors };
  });
}

const nonsense = new CorruptSegmentError("a table makes no sense");

for (const where of ["poll", "arm"] as const) {
  test(`what ${where} throws ends the handle and nothing else`, async () => {
    using scratch = new Scratch();
    let isBad = false;
    const bad = await open(scratch, {
      [where]: () => {
        if (isBad) throw nonsense;
        return where === "poll" ? Polled.nothing : true;
      },
    });
    let polls = 0;
    const good = await open(scratch, {
      poll: () => (polls++, Polled.nothing),
    });
    isBad = true;
    bad.handle.heat();
    await until(() => bad.handle.isClosed, "its end");
    assert.deepEqual(bad.errors, [nonsense]);
    assert.equal(bad.handle.reason, nonsense);
    const before = polls;
    good.handle.heat();
    await until(() => polls > before, "the other's turn");
    assert.deepEqual(good.errors, []);
    good.handle.close();
  });
}

test("a hook and a timer that throw end their handle and nothing else", async () => {
  using scratch = new Scratch();
  const [hook, timer, good] = [await open(scratch), await open(scratch), await open(scratch)];
  let looks = 0;
  hook.handle.onDeathHint(() => {
    throw nonsense;
  });
  good.handle.onDeathHint(() => void looks++);
  for (const look of [...good.handle.realm.onDeathHint]) look();
  assert.equal(looks, 1);
  assert.deepEqual([hook.handle.isClosed, hook.errors], [true, [nonsense]]);
  timer.handle.startTimer(() => {
    throw nonsense;
  }, 1);
  await until(() => timer.handle.isClosed, "the timer");
  assert.deepEqual(timer.errors, [nonsense]);
  assert.equal(good.handle.isClosed, false);
  good.handle.close();
});

test("every step of closing runs, in order, whatever the others throw", async () => {
  using scratch = new Scratch();
  const { handle, errors } = await open(scratch);
  const steps: string[] = [];
  for (const name of ["a", "b", "c"]) {
    handle.onClose(() => {
      steps.push(name);
      if (name !== "c") throw new Error(name);
    });
  }
  handle.onClose(() => steps.push("taken back"))();
  let rang = false;
  handle.startTimer(() => rang = true, 1);
  handle.ref();
  handle.close();
  handle.close();
  assert.deepEqual(steps, ["a", "b", "c"]);
  assert.deepEqual(errors.map(String), ["Error: a", "Error: b"]);
  assert.throws(() => handle.checkOpen(), ClosedError);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(rang, false);
  assert.deepEqual(scratch.files(), []);
});

test("what can't be opened, or isn't wanted any more, leaves nothing behind", async () => {
  using scratch = new Scratch();
  const options = { what: "thing", directory: scratch.path };
  let closed = 0;
  const failing = Handle.open(options, (handle) => {
    handle.onClose(() => closed++);
    throw nonsense;
  });
  await assert.rejects(failing, nonsense);
  const controller = new AbortController();
  const aborted = Handle.open({ ...options, signal: controller.signal }, (handle) => {
    handle.onClose(() => closed++);
    controller.abort(new Error("not wanted"));
  });
  await assert.rejects(aborted, /not wanted/);
  assert.equal(closed, 2);
  assert.deepEqual(scratch.files(), []);
});

test("a callback that throws or rejects is reported, and so is an onError that does", async (t) => {
  using scratch = new Scratch();
  const { handle, errors } = await open(scratch);
  handle.notify("callback", () => {
    throw new Error("thrown");
  });
  handle.notify("callback", () => Promise.reject(new Error("rejected")));
  await until(() => errors.length === 2, "both");
  assert.deepEqual(errors.map(String), ["Error: thrown", "Error: rejected"]);
  handle.close();

  const written: unknown[][] = [];
  t.mock.method(console, "error", (...args: unknown[]) => void written.push(args));
  const onError = (): void => {
    throw new Error("of onError");
  };
  const options = { what: "thing", directory: scratch.path, onError };
  const other = await Handle.open(options, (made) => made);
  other.notify("callback", () => {
    throw new Error("thrown");
  });
  assert.deepEqual(written.map((line) => String(line[1])), ["Error: thrown", "Error: of onError"]);
  assert.match(String(written[1]![0]), /thing, onError/);
  assert.equal(other.isClosed, false);
  other.close();
});

test("callbacks run in the context in which the handle was opened", async () => {
  using scratch = new Scratch();
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const callback = (): void => void seen.push(storage.getStore());
  const openIn = (name: string) =>
    storage.run(name, () => {
      let due = 0;
      return Handle.open(
        { what: name, directory: scratch.path, hasCallbacks: true },
        (handle) => {
          handle.attach({
            poll() {
              if (due === 0) return Polled.nothing;
              due--;
              handle.notify("callback", callback);
              return Polled.done;
            },
            arm: () => due === 0,
          });
          return { handle, give: (count: number) => (due = count, handle.heat()) };
        },
      );
    });
  const one = await openIn("one");
  const two = await openIn("two");
  // The reactor is woken in the context of a third.
  storage.run("three", () => {
    one.give(3);
    two.give(2);
  });
  await until(() => seen.length === 5, "all callbacks");
  assert.deepEqual(seen.toSorted(), ["one", "one", "one", "two", "two"]);
  // From within a callback, by a blocking wait, in a context that the callback entered.
  seen.length = 0;
  storage.run("three", () => {
    one.handle.notify("callback", () => {
      storage.run("inner", () => two.handle.notify("callback", callback));
      callback();
    });
    callback();
  });
  assert.deepEqual(seen, ["two", "one", "three"]);
  one.handle.close();
  two.handle.close();
});

test("a hook that was taken back isn't called, though its peer is used by others", async () => {
  using scratch = new Scratch();
  const { handle } = await open(scratch);
  const peer = handle.realm.acquirePeer(handle.realm.id)!;
  let told = 0;
  const forget = handle.onPeerDeath(peer, () => void told++);
  handle.onPeerDeath(peer, () => void told++);
  forget();
  for (const tell of peer.onDeath) tell();
  assert.equal(told, 1);
  handle.realm.releasePeer(peer);
  handle.close();
  assert.equal(peer.onDeath.size, 0);
});
