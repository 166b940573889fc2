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
