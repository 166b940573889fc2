// RPC: typed calls, and what they carry.

import assert from "node:assert/strict";
import { type Client, CodecError, connect, json, UnknownMethodError } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { type Peer, thisRuntime } from "../support/peers.ts";
import { sleep } from "../support/remote_functions.ts";
import { checkValue, structuredValues } from "../support/values.ts";

/** What the peer serves. */
interface Api {
  add(a: number, b: number): number;
  addLater(a: number, b: number): Promise<number>;
  echo<T>(value: T): T;
  nothing(): void;
  count(...values: unknown[]): number;
  limit: number;
  text: { upper(text: string): string; parts: { join(...parts: string[]): string } };
  counter: { next(): number; value(): number };
  check(name: string, value: unknown): boolean;
  make(name: string): unknown;
  log(entry: number): void;
  logged(): number[];
  fail(kind: string): never;
  failLater(kind: string): Promise<never>;
  unsendable(kind: string): unknown;
  wait(milliseconds: number): Promise<number>;
  aborted(): number;
  timeLeft(): number;
}

/** Serves it in the peer. */
async function serveApi(t: Cross, options: object = {}): Promise<void> {
  await t.peer.run(
    async ({ ipc, use, kept, values, sleep }, name: string, options: object) => {
      class Counter {
        #count = 0;
        next(): number {
          return ++this.#count;
        }
        value(): number {
          return this.#count;
        }
      }
      const fail = (kind: string): never => {
        if (kind === "text") throw "only text";
        const cause = new TypeError("why", { cause: { plain: true } });
        const properties = { path: "/tmp", at: new Date(5), list: [1n] };
        throw Object.assign(new RangeError(`fails: ${kind}`, { cause }), properties);
      };
      kept.logged = [];
      kept.aborted = 0;
      const api = {
        add: (a: number, b: number) => a + b,
        addLater: (a: number, b: number) => sleep(1).then(() => a + b),
        echo: (value: unknown) => value,
        nothing() {},
        count: (...values: unknown[]) => values.length,
        limit: 7,
        text: {
          upper: (text: string) => text.toUpperCase(),
          parts: { join: (...parts: string[]) => parts.join("-") },
        },
        counter: new Counter(),
        check(name: string, value: unknown) {
          values.checkValue(value, values.structuredValues()[name], name);
          return true;
        },
        make: (name: string) => values.structuredValues()[name],
        log: (entry: number) => void kept.logged.push(entry),
        logged: () => kept.logged,
        fail,
        failLater: (kind: string) => sleep(1).then(() => fail(kind)),
        unsendable(kind: string) {
          if (kind === "symbol") return Symbol("s");
          if (kind === "nested symbol") return { deep: [Symbol("s")] };
          return {
            get trap() {
              throw new Error("hostile");
            },
          };
        },
        wait(milliseconds: number) {
          const { signal } = ipc.currentCall();
          signal.addEventListener("abort", () => kept.aborted++);
          return sleep(milliseconds).then(() => milliseconds);
        },
        aborted: () => kept.aborted,
        timeLeft: () => Math.min(ipc.currentCall().deadline - performance.now(), 1e9),
      };
      const { json, ...rest } = options as { json?: boolean };
      const codec = json === true ? { codec: ipc.json } : {};
      kept.server = use(await ipc.serve(name, api, { ...rest, ...codec }));
    },
    t.name,
    options,
  );
}

async function open(t: Cross, options: object = {}): Promise<Client<Api>> {
  await serveApi(t, options);
  return await connect<Api>(t.name);
}

crossTest("typed calls, awaited and blocking, at any depth", async (t) => {
  await using client = await open(t);
  const { remote, sync } = client;
  assert.equal(await remote.add(1, 2), 3);
  assert.equal(sync.add(3, 4), 7);
  assert.equal(await remote.addLater(5, 6), 11);
  assert.equal(sync.addLater(7, 8), 15);
  assert.equal(await remote.text.upper("abc ä"), "ABC Ä");
  assert.equal(sync.text.upper("x"), "X");
  assert.equal(await remote.text.parts.join("a", "b", "c"), "a-b-c");
  assert.deepEqual([await remote.counter.next(), sync.counter.next()], [1, 2]);
  assert.equal(await remote.counter.value(), 2, "`this` is the object it is on");
  assert.equal(await remote.nothing(), undefined);
  assert.equal(sync.nothing(), undefined);
  assert.equal(await remote.count(), 0);
  assert.equal(await remote.count(undefined, null, undefined), 3);
  const { add } = remote;
  assert.equal(await add(20, 1), 21, "a method may be taken off");
  assert.equal(await remote.add.call(null, 1, 2), 3);
  assert.equal(await remote.text.parts.join.apply(undefined, ["a", "b"]), "a-b");
  assert.equal(await remote.add.bind(null, 5)(6), 11);
  assert.equal(sync.add.call(null, 3, 4), 7);
  client.oneway.log.apply(null, [1]);
  assert.deepEqual(await remote.logged(), [1]);
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => remote.add(i, i)));
  assert.deepEqual(answers, answers.map((_, i) => 2 * i));
});

crossTest("every structured value crosses both ways as it is", async (t) => {
  await using client = await open(t);
  for (const [name, value] of Object.entries(structuredValues())) {
    assert.equal(await client.remote.check(name, value), true, name);
    checkValue(await client.remote.make(name), value, name);
    checkValue(client.sync.echo(value), value, name);
  }
});

crossTest("one-way calls keep their order, and their order with calls", async (t) => {
  await using client = await open(t);
  for (let i = 0; i < 2000; i++) {
    if (client.oneway.log(i) === false) await client.writable;
    if (i % 500 === 0) assert.equal((await client.remote.logged()).length, i + 1);
  }
  assert.deepEqual(client.sync.logged(), Array.from({ length: 2000 }, (_, i) => i));
});

crossTest("errors cross with all that they carry", async (t) => {
  await using client = await open(t);
  const check = (error: unknown): true => {
    assert.ok(error instanceof RangeError, String(error));
    assert.equal(error.message, "fails: hard");
    assert.match(error.stack!, /fails: hard[^]*fail/, "the stack of where it was thrown");
    const { path, at, list } = error as RangeError & Record<string, unknown>;
    assert.deepEqual({ path, at, list }, { path: "/tmp", at: new Date(5), list: [1n] });
    assert.ok(error.cause instanceof TypeError);
    assert.equal(error.cause.message, "why");
    assert.deepEqual(error.cause.cause, { plain: true });
    return true;
  };
  await assert.rejects(client.remote.fail("hard"), check);
  await assert.rejects(client.remote.failLater("hard"), check);
  assert.throws(() => client.sync.fail("hard"), check);
  assert.throws(() => client.sync.failLater("hard"), check);
  await assert.rejects(client.remote.fail("text"), (error) => error === "only text");
});

crossTest("stacks are withheld where the server wants it", async (t) => {
  await using client = await open(t, { exposeStacks: false });
  await assert.rejects(client.remote.fail("hard"), (error: RangeError) => {
    assert.equal(error.message, "fails: hard");
    assert.doesNotMatch(error.stack ?? "", /remote_functions|peer_program/);
    assert.doesNotMatch((error.cause as Error).stack ?? "", /remote_functions|peer_program/);
    return true;
  });
});

crossTest("what isn't a method can't be called", async (t) => {
  await using client = await open(t);
  // deno-lint-ignore no-explicit-any
  const remote = client.remote as any;
  const paths = [
    () => remote.subtract(1),
    () => remote.limit(),
    () => remote.text.lower("A"),
    () => remote.text(),
    () => remote.toString(),
    () => remote.valueOf(),
    () => remote.add.toString(),
    () => remote.text.__proto__.upper("x"),
    () => remote.a.b.c.d(),
  ];
  for (const call of paths) {
    await assert.rejects(call(), UnknownMethodError, String(call));
  }
  await assert.rejects(remote.subtract(1), /no method "subtract"/);
  assert.throws(() => (client.sync as { no?(): void }).no!(), { code: "UNKNOWN_METHOD" });
  assert.equal(await client.remote.add(1, 1), 2);
});

crossTest("what can't be encoded is an error of the call, and others go on", async (t) => {
  await using client = await open(t);
  await assert.rejects(client.remote.unsendable("getter"), /hostile/);
  assert.throws(() => client.sync.unsendable("getter"), /hostile/);
  const hostile = {
    get trap() {
      throw new Error("hostile");
    },
  };
  await assert.rejects(client.remote.echo(hostile), CodecError);
  assert.throws(() => client.sync.echo(hostile), CodecError);
  assert.throws(() => client.oneway.echo(hostile), CodecError);
  assert.equal(await client.remote.add(1, 1), 2);
});

crossTest("symbols don't cross", async (t) => {
  await using client = await open(t);
  const outcome = (call: Promise<unknown>): Promise<unknown> =>
    call.then((value) => ({ value }), (error) => error.code);
  for (const kind of ["symbol", "nested symbol"]) {
    assert.equal(await outcome(client.remote.unsendable(kind)), "CODEC", kind);
  }
  assert.equal(await outcome(client.remote.echo(Symbol("s"))), "CODEC");
  assert.equal(await client.remote.add(1, 1), 2);
});

crossTest("a timeout or a signal ends a call, and the method hears of it", async (t) => {
  await using client = await open(t);
  const reason = new Error("enough");
  const controller = new AbortController();
  const calls = client.with({ signal: controller.signal }).remote;
  const given = [calls.wait(60_000), calls.wait(60_001)];
  const settled = given.map((call) => assert.rejects(call, reason));
  const quick = client.with({ timeout: 30 });
  await assert.rejects(quick.remote.wait(60_002), { name: "TimeoutError", timeout: 30 });
  assert.throws(() => quick.sync.wait(60_003), { code: "TIMEOUT" });
  controller.abort(reason);
  await Promise.all(settled);
  await assert.rejects(calls.wait(1), reason);
  await until(async () => await client.remote.aborted() === 4);
  assert.equal(await client.remote.wait(1), 1, "other calls are untouched");
  const left = await client.with({ timeout: 5000 }).remote.timeLeft();
  assert.ok(left > 0 && left <= 5001, `${left} ms`);
  assert.equal(client.with({ timeout: Infinity }).sync.timeLeft(), 1e9);
});

crossTest("the JSON codec carries what JSON carries", async (t) => {
  await serveApi(t, { json: true });
  await using client = await connect<Api>(t.name, { codec: json });
  assert.equal(await client.remote.add(1, 2), 3);
  assert.equal(client.sync.text.upper("ü"), "Ü");
  assert.deepEqual(await client.remote.echo({ a: [1, "x", null, { b: true }] }), {
    a: [1, "x", null, { b: true }],
  });
  assert.equal(await client.remote.nothing(), undefined);
  await assert.rejects(client.remote.echo(() => 1), CodecError);
  await assert.rejects(client.remote.echo(1n), CodecError);
  await assert.rejects(client.remote.fail("hard"), /fails: hard/);
});

// ------------------------------------------------------------------------- functions

/** What a peer serves that works with functions. */
interface FunctionApi {
  apply(f: (n: number) => number | Promise<number>, n: number): Promise<number>;
  each(list: number[], f: (n: number) => void): Promise<number>;
  multiplier(factor: number): (n: number) => number;
  compose(f: (n: number) => number, g: (n: number) => number): (n: number) => Promise<number>;
  same(f: () => void): () => void;
  fails(f: () => void): Promise<string>;
}

async function openFunctions(t: Cross): Promise<Client<FunctionApi>> {
  await t.peer.run(async ({ ipc, use }, name: string) => {
    type Unary = (n: number) => Promise<number>;
    const api = {
      apply: (f: Unary, n: number) => f(n),
      async each(list: number[], f: Unary) {
        for (const n of list) await f(n);
        return list.length;
      },
      multiplier: (factor: number) => (n: number) => n * factor,
      compose: (f: Unary, g: Unary) => async (n: number) => f(await g(n)),
      same: (f: unknown) => f,
      fails: (f: () => Promise<void>) => f().then(() => "no", (e) => `${e.name}: ${e.message}`),
    };
    use(await ipc.serve(name, api));
  }, t.name);
  return await connect<FunctionApi>(t.name);
}

crossTest("functions are arguments and results, called both ways", async (t) => {
  await using client = await openFunctions(t);
  const { remote } = client;
  assert.equal(await remote.apply((n) => n + 1, 5), 6);
  assert.equal(await remote.apply((n) => sleep(1).then(() => n * 2), 5), 10);
  assert.equal(client.sync.apply((n) => n + 1, 6), 7, "called back inside of a blocking call");
  const seen: number[] = [];
  assert.equal(await remote.each([1, 2, 3], (n) => void seen.push(n)), 3);
  assert.deepEqual(seen, [1, 2, 3]);
  const triple = await remote.multiplier(3);
  assert.equal(await triple(7), 21);
  assert.equal(await client.sync.multiplier(4)(7), 28);
  const composed = await remote.compose((n) => n + 1, (n) => n * 10);
  assert.equal(await composed(2), 21);
  assert.equal(await remote.apply(triple, 4), 12, "their function, called by themselves");
  assert.equal(
    await remote.fails(() => {
      throw new RangeError("mine");
    }),
    "RangeError: mine",
  );
  const nested = await remote.apply(async (n) => await remote.apply((m) => m + 1, n) + 1, 1);
  assert.equal(nested, 3);
});

crossTest("a function is let go when the other side has dropped it", async (t) => {
  // Both sides must collect garbage on demand, which this process can't.
  const client = t.start(thisRuntime);
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.refs = [];
    kept.held = [];
    const api = {
      greeter(n: number) {
        const greet = () => `hello ${n}`;
        kept.refs.push(new WeakRef(greet));
        return greet;
      },
      hold: (f: () => string) => void kept.held.push(f),
      call: (i: number) => kept.held[i](),
    };
    use(await ipc.serve(name, api));
  }, t.name);
  await client.run(async ({ ipc, use, kept, assert }, name: string) => {
    interface Greeters {
      greeter(n: number): () => string;
      hold(f: () => string): void;
      call(i: number): Promise<string>;
    }
    const { remote } = use(await ipc.connect<Greeters>(name));
    kept.refs = [];
    for (let i = 0; i < 50; i++) {
      const greet = await remote.greeter(i);
      assert.equal(await greet(), `hello ${i}`);
      const mine = () => `mine ${i}`;
      kept.refs.push(new WeakRef(mine));
      await remote.hold(mine);
      await remote.hold(mine); // sent twice, given back twice
      assert.equal(await remote.call(2 * i), `mine ${i}`);
    }
  }, t.name);
  const living = (side: Peer): Promise<number> =>
    side.run(async ({ kept, collectGarbage }) => {
      await collectGarbage();
      return kept.refs.filter((ref: WeakRef<object>) => ref.deref() !== undefined).length;
    });
  assert.equal(await living(client), 50, "the server holds them");
  await t.peer.run(({ kept }) => void (kept.held = []));
  // The stack may still hold one or the other.
  await until(async () => {
    const both = [await living(t.peer), await living(client)];
    return both.every((count) => count < 5);
  });
});

peersEnd();
