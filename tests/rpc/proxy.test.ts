import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { methodProxy } from "../../src/rpc/proxy.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

function recorder(): { proxy: Any; calls: [string, unknown[]][] } {
  const calls: [string, unknown[]][] = [];
  const proxy = methodProxy((path, args) => {
    calls.push([path, args]);
    return calls.length;
  });
  return { proxy, calls };
}

test("properties are methods, at any depth", () => {
  const { proxy, calls } = recorder();
  assert.equal(proxy.add(1, 2), 1);
  assert.equal(proxy.a.b.c(), 2);
  assert.equal(proxy["with space"]["1"]("x"), 3);
  assert.deepEqual(calls, [["add", [1, 2]], ["a.b.c", []], ["with space.1", ["x"]]]);
});

test("a method is made once, and needs no `this`", () => {
  const { proxy, calls } = recorder();
  assert.equal(proxy.a.b, proxy.a.b);
  const { add } = proxy;
  add(1);
  assert.deepEqual(calls, [["add", [1]]]);
});

test("what promises and inspectors ask for is no method", async () => {
  const { proxy, calls } = recorder();
  assert.equal(await proxy, proxy);
  assert.equal(await proxy.add, proxy.add);
  for (const key of ["then", "catch", "finally", "toJSON", "constructor", "prototype"]) {
    assert.equal(proxy[key], undefined);
    assert.equal(proxy.a[key], undefined);
  }
  assert.equal(`${proxy}, ${proxy.a.add}`, "[remote api], [remote a.add]");
  assert.equal(proxy[Symbol.iterator], undefined);
  inspect(proxy);
  JSON.stringify({ proxy });
  assert.deepEqual(calls, []);
});

test("a method is called, applied and bound as a function is", () => {
  const { proxy, calls } = recorder();
  const { add } = proxy.math;
  add.call(null, 1, 2);
  add.apply(undefined, [3, 4]);
  add.bind(null, 5)(6);
  Reflect.apply(add, undefined, [7]);
  Function.prototype.call.call(add, null, 8);
  assert.deepEqual(calls.map(([path]) => path), calls.map(() => "math.add"));
  assert.deepEqual(calls.map(([, args]) => args), [[1, 2], [3, 4], [5, 6], [7], [8]]);
});

test("methods of a server that are called like those of functions are reached by a path", () => {
  const { proxy, calls } = recorder();
  proxy.call(1);
  proxy["phone.call"](2);
  proxy["phone.bind"].call(null, 3);
  assert.deepEqual(calls, [["call", [1]], ["phone.call", [2]], ["phone.bind", [3]]]);
});

test("looking at it is harmless, and nothing can be put on it", () => {
  const { proxy, calls } = recorder();
  for (const at of [proxy, proxy.add]) {
    assert.deepEqual({ ...at }, {});
    assert.deepEqual(Object.keys(at), []);
    assert.equal("add" in at, false);
    assert.equal(typeof at, "function");
    assert.equal(JSON.stringify(at), undefined);
    assert.throws(() => at.add = 1, TypeError);
    assert.throws(() => delete at.length, TypeError);
    assert.throws(() => Object.defineProperty(at, "add", { value: 1 }), TypeError);
    assert.throws(() => Object.setPrototypeOf(at, null), TypeError);
    assert.throws(() => at instanceof at, TypeError);
    assert.throws(() => [...at], TypeError);
    assert.throws(() => structuredClone(at), { name: "DataCloneError" });
    assert.equal(Object.prototype.toString.call(at), "[object Function]");
    console.log(at);
    console.table({ at });
  }
  assert.deepEqual(calls, []);
});
