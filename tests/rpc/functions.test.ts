import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_FUNCTIONS } from "../../src/connection/limits.ts";
import { CodecError, LimitError } from "../../src/errors.ts";
import { Functions } from "../../src/rpc/functions.ts";

function table() {
  const calls: [number, unknown[]][] = [];
  const released: [number, number][] = [];
  const functions = new Functions({
    call(id, args) {
      calls.push([id, args]);
      return Promise.resolve(id);
    },
    send(_held, id, args) {
      calls.push([-id, args]);
      return true;
    },
    release: (id, count) => void released.push([id, count]),
  });
  return { functions, calls, released };
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

test("what a message brings that isn't received is taken back", () => {
  const { functions } = table();
  const one = () => 1;
  const two = () => 2;
  functions.beginWriting();
  const id = functions.exportFunction(one);
  assert.equal(functions.takeExports()!.length, 1);
  functions.beginWriting();
  functions.exportFunction(one);
  functions.exportFunction(two);
  functions.exportFunction(two);
  const exports = functions.takeExports();
  assert.equal(functions.takeExports(), undefined, "once");
  functions.takeBack(exports);
  assert.equal(functions.find(id)?.value, one, "another message brought it, too");
  assert.deepEqual(functions.sizes, { exported: 1, imported: 0 });
  functions.takeBack(undefined);
});

test("what can't be read to its end was never received", () => {
  const { functions, released } = table();
  functions.beginReading();
  const kept = functions.importFunction(1);
  functions.beginReading();
  functions.importFunction(1);
  functions.importFunction(2);
  functions.undoReading(false);
  assert.deepEqual(functions.sizes, { exported: 0, imported: 1 });
  assert.deepEqual(released, [], "the other side takes them back by itself");
  functions.beginReading();
  functions.importFunction(2);
  functions.undoReading(true);
  assert.deepEqual(released, [[2, 1]]);
  assert.equal(functions.importFunction(1), kept);
});

test("there is a limit of functions, each way", () => {
  const { functions } = table();
  for (let i = 0; i < MAX_FUNCTIONS; i++) functions.exportFunction(() => i);
  assert.throws(() => functions.exportFunction(() => -1), LimitError);
  functions.release(1, 1);
  functions.exportFunction(() => -1);
  const held: unknown[] = [];
  for (let id = 0; id < MAX_FUNCTIONS; id++) held.push(functions.importFunction(id));
  functions.beginReading();
  held.push(functions.importFunction(5));
  functions.beginReading();
  // At once, before the rest of the message is read.
  assert.throws(() => functions.importFunction(MAX_FUNCTIONS), LimitError);
  functions.undoReading(true);
  assert.equal(functions.sizes.imported, MAX_FUNCTIONS);
});

test("ids have 32 bits", () => {
  const { functions } = table();
  for (const id of [-1, 1.5, NaN, 2 ** 32]) {
    assert.throws(() => functions.importFunction(id), CodecError);
  }
});
