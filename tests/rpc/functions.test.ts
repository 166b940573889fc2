import assert from "node:assert/strict";
import { test } from "node:test";
import { Functions } from "../../src/rpc/functions.ts";

function table() {
  const calls: [number, unknown[]][] = [];
  const functions = new Functions({
    call(id, args) {
      calls.push([id, args]);
      return Promise.resolve(id);
    },
    send(_held, id, args) {
      calls.push([-id, args]);
      return true;
    },
    release() {},
  });
  return { functions, calls };
}

test("a function of ours has one id, as long as the peer has it", () => {
  const { functions } = table();
  const one = () => 1;
  const two = () => 2;
  const id = functions.exportFunction(one);
  assert.equal(functions.exportFunction(one), id);
  assert.notEqual(functions.exportFunction(two), id);
  assert.equal(functions.find(id)?.value, one);
  functions.release(id, 1);
  assert.equal(functions.find(id)?.value, one, "it was sent twice");
  functions.release(id, 1);
  assert.equal(functions.find(id)?.value, undefined);
  assert.notEqual(functions.exportFunction(one), id, "an id isn't used again");
});

test("a function that was sent again in the meantime stays", () => {
  const { functions } = table();
  const one = () => 1;
  const id = functions.exportFunction(one);
  functions.exportFunction(one);
  functions.exportFunction(one);
  functions.release(id, 2);
  assert.equal(functions.find(id)?.value, one);
});

test("giving back what isn't there, or too often, harms nothing", () => {
  const { functions } = table();
  const one = () => 1;
  const id = functions.exportFunction(one);
  functions.release(id + 1, 1);
  functions.release(0, 0xffff_ffff);
  functions.release(id, 0);
  assert.equal(functions.find(id)?.value, one);
  functions.release(id, 0xffff_ffff);
  assert.equal(functions.find(id)?.value, undefined);
  functions.release(id, 1);
});

test("only what was sent can be found", () => {
  const { functions } = table();
  for (const id of [0, 1, -1, NaN, 2 ** 32, "constructor", "__proto__", undefined, {}]) {
    assert.equal(functions.find(id as number)?.value, undefined);
  }
});

test("a function of the peer is one function as long as it is held", async () => {
  const { functions, calls } = table();
  const seven = functions.importFunction(7);
  assert.equal(functions.importFunction(7), seven);
  assert.notEqual(functions.importFunction(8), seven);
  assert.equal(await seven("a", 2), 7);
  const { oneway } = seven;
  assert.equal(oneway("b"), true);
  assert.deepEqual(calls, [[7, ["a", 2]], [-7, ["b"]]]);
});
