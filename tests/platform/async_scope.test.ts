import assert from "node:assert/strict";
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { test } from "node:test";
import v8 from "node:v8";
import vm from "node:vm";
import { captureScope } from "../../src/platform/async_scope.ts";
import { until, within } from "../support/watchdog.ts";

const store = new AsyncLocalStorage<string>();
const other = new AsyncLocalStorage<object>();
const internal = (globalThis as { Deno?: { internal: symbol } }).Deno?.internal;
const seen = (): string | undefined => store.getStore();

test("a task runs in the context of the capture, and the caller's comes back", () => {
  const scope = store.run("captured", captureScope);
  assert.equal(scope.runInAsyncScope(seen, undefined), "captured");
  assert.equal(seen(), undefined);
  store.run("caller", () => {
    assert.equal(scope.runInAsyncScope(seen, undefined), "captured");
    assert.equal(seen(), "caller");
  });
  // The same scope, again and again.
  for (let i = 0; i < 3; i++) assert.equal(scope.runInAsyncScope(seen, undefined), "captured");
});

test("a capture where there is no store hides the caller's", () => {
  const scope = captureScope();
  store.run("caller", () => {
    assert.equal(scope.runInAsyncScope(seen, undefined), undefined);
    assert.equal(seen(), "caller");
  });
});

test("`this`, arguments and the result are the task's", () => {
  const scope = store.run("captured", captureScope);
  const self = { factor: 3 };
  function task(this: typeof self, a: number, b: number): string {
    return `${this.factor * a + b} ${arguments.length} ${seen()}`;
  }
  assert.equal(scope.runInAsyncScope(task, self, 4, 5), "17 2 captured");
});

test("scopes in scopes, in each other and in themselves", () => {
  const a = store.run("a", captureScope);
  const b = store.run("b", captureScope);
  const run = <T>(scope: typeof a, task: () => T): T => scope.runInAsyncScope(task, undefined);
  const trace: (string | undefined)[] = [];
  const look = (): void => void trace.push(seen());
  run(a, () => {
    look();
    run(b, () => {
      look();
      run(a, look);
      store.run("within", look);
      look();
    });
    look();
    run(a, () => run(a, look));
    // A capture inside of a scope is of that scope.
    run(b, () => run(captureScope(), look));
    look();
  });
  look();
  assert.deepEqual(trace, ["a", "b", "a", "within", "b", "a", "a", "b", "a", undefined]);
});

test("all stores are in it, also those that were changed since", () => {
  const object = {};
  const scope = store.run("outer", () => other.run(object, captureScope));
  const both = scope.runInAsyncScope(() => [seen(), other.getStore()], undefined);
  assert.deepEqual(both, ["outer", object]);
  assert.equal(both[1], object);
  const late = new AsyncLocalStorage<number>();
  late.run(5, () => {
    assert.equal(scope.runInAsyncScope(() => late.getStore(), undefined), undefined);
    assert.equal(late.getStore(), 5);
  });
});

test("a task that throws gives the caller its context, and the error", () => {
  const scope = store.run("captured", captureScope);
  const error = new Error("mine");
  const fail = (): never => {
    assert.equal(seen(), "captured");
    throw error;
  };
  store.run("caller", () => {
    assert.throws(() => scope.runInAsyncScope(fail, undefined), (got) => got === error);
    assert.equal(seen(), "caller");
    const nested = captureScope();
    assert.throws(() => nested.runInAsyncScope(() => scope.runInAsyncScope(fail, 0), undefined));
    assert.equal(seen(), "caller");
  });
  assert.equal(seen(), undefined);
  assert.equal(scope.runInAsyncScope(seen, undefined), "captured");
});

test("promises, timers and microtasks go on in the scope in which they began", async () => {
  const scope = store.run("captured", captureScope);
  const gate = Promise.withResolvers<void>();
  const trace: (string | undefined)[] = [];
  const task = async (): Promise<void> => {
    trace.push(seen());
    await null;
    trace.push(seen());
    await gate.promise;
    trace.push(seen());
    await new Promise<void>((resolve) =>
      setTimeout(() => {
        trace.push(seen());
        resolve();
      }, 1)
    );
    await new Promise<void>((resolve) =>
      queueMicrotask(() => {
        trace.push(seen());
        resolve();
      })
    );
    trace.push(await Promise.reject(new Error("x")).catch(seen));
  };
  await store.run("caller", async () => {
    const running = scope.runInAsyncScope(task, undefined);
    assert.equal(seen(), "caller");
    await null;
    assert.equal(seen(), "caller");
    gate.resolve();
    await within(running, "the task");
    assert.equal(seen(), "caller");
  });
  assert.deepEqual(trace, new Array(6).fill("captured"));
  assert.equal(seen(), undefined);
});

test("tasks of many scopes that wait at the same time don't mix", async () => {
  const scopes = Array.from({ length: 100 }, (_, i) => store.run(`${i}`, captureScope));
  const results = scopes.map((scope) =>
    scope.runInAsyncScope(async () => {
      const names = [seen()];
      for (let i = 0; i < 5; i++) {
        await null;
        names.push(seen());
      }
      return names;
    }, undefined)
  );
  for (const [i, names] of (await within(Promise.all(results), "all")).entries()) {
    assert.deepEqual(names, new Array(6).fill(`${i}`));
  }
});

test("Deno's own slot is used where it is what it has to be, and Node's way otherwise", {
  skip: internal === undefined && "only Deno shows it",
}, async () => {
  const inside = (globalThis as unknown as Record<"Deno", Record<symbol, { core: object }>>)
    .Deno[internal!]!;
  assert.ok(!(captureScope() instanceof AsyncResource));
  const { core } = inside;
  const others = [
    {},
    { ...core, getAsyncContext: () => undefined },
    { ...core, setAsyncContext: undefined },
  ];
  for (const [i, changed] of others.entries()) {
    const path = `../../src/platform/async_scope.ts?${i}`;
    const again = await import(path) as { captureScope: typeof captureScope };
    inside.core = changed;
    let scope;
    try {
      scope = store.run("captured", again.captureScope);
    } finally {
      inside.core = core;
    }
    assert.ok(scope instanceof AsyncResource);
    assert.equal(scope.runInAsyncScope(seen, undefined), "captured");
    assert.equal(seen(), undefined);
  }
});

/** Collects garbage, now and thoroughly. */
function garbageCollector(): () => void {
  const { Bun } = globalThis as { Bun?: { gc(force: boolean): void } };
  if (Bun !== undefined) return () => Bun.gc(true);
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
}

test("what thousands of captures held is let go with them", async () => {
  const COUNT = 5000;
  const live: WeakRef<object>[] = [];
  let kept: ReturnType<typeof captureScope> | undefined;
  const capture = (): void => {
    for (let i = 0; i < COUNT; i++) {
      const value = { i };
      live.push(new WeakRef(value));
      const scope = other.run(value, captureScope);
      assert.equal(scope.runInAsyncScope(() => other.getStore(), undefined), value);
      if (i === 0) kept = scope;
    }
  };
  capture();
  const collect = garbageCollector();
  const left = (): number => live.filter((each) => each.deref() !== undefined).length;
  await until(() => {
    collect();
    return left() < COUNT / 10;
  }, () => `${left()} of ${COUNT} are collected`);
  const first = kept!.runInAsyncScope(() => other.getStore(), undefined);
  assert.deepEqual(first, { i: 0 }, "the one that is kept holds its own");
});
