import assert from "node:assert/strict";
import { test } from "node:test";
import { CallTable } from "../../src/connection/calls.ts";
import { MAX_CALLS } from "../../src/connection/limits.ts";
import type { Waiter } from "../../src/connection/calls.ts";
import { LimitError } from "../../src/errors.ts";
import { Random, seed } from "../support/random.ts";

const waiter = (): Waiter => ({ timeout: 1, onUnread: undefined, resolve() {}, reject() {} });

test("an answer finds its call, once", () => {
  const table = new CallTable();
  const one = waiter();
  const two = waiter();
  const first = table.add(one, 10);
  const second = table.add(two, 10);
  assert.notEqual(first, second);
  assert.equal(table.waiting, 2);
  assert.equal(table.answer(second), two);
  assert.equal(table.answer(first), one);
  assert.equal(table.waiting, 0);
  assert.equal(table.answer(first), undefined);
});

test("ids that nobody has are no calls", () => {
  const table = new CallTable();
  table.add(waiter(), 10);
  for (const id of [1, 2, MAX_CALLS, 0xffff_ffff, -1]) {
    assert.equal(table.answer(id), undefined);
    assert.equal(table.abandon(id), undefined);
  }
});

test("an id isn't used again while its answer may come", () => {
  const table = new CallTable();
  const given = waiter();
  const id = table.add(given, 10);
  assert.equal(table.abandon(id), given);
  assert.equal(table.abandon(id), undefined);
  assert.equal(table.waiting, 0);
  for (let i = 0; i < 100; i++) assert.notEqual(table.add(waiter(), 10), id);
  assert.equal(table.answer(id), null);
  assert.equal(table.answer(id), undefined);
  assert.equal(table.add(waiter(), 10), id, "now it is free");
});

test("expired gives what is over, and when to look again", () => {
  const table = new CallTable();
  const ids = [30, 10, 20, Infinity, 20].map((deadline) => table.add(waiter(), deadline));
  assert.deepEqual(table.expired(5), { ids: [], next: 10 });
  assert.deepEqual(table.expired(20), { ids: [ids[1], ids[2], ids[4]], next: 30 });
  for (const id of [1, 2, 4]) table.abandon(ids[id]!);
  table.answer(ids[0]!);
  assert.deepEqual(table.expired(1e9), { ids: [], next: Infinity });
});

test("drain takes all that wait, and none that don't", () => {
  const table = new CallTable();
  const waiters = [waiter(), waiter(), waiter()];
  const ids = waiters.map((each) => table.add(each, 10));
  table.abandon(ids[0]!);
  table.answer(ids[1]!);
  assert.deepEqual(table.drain(), [waiters[2]]);
  assert.equal(table.waiting, 0);
  assert.deepEqual(table.drain(), []);
  assert.equal(table.answer(ids[2]!), undefined);
});

test("there can't be more calls than the limit, abandoned ones included", () => {
  const table = new CallTable();
  const one = waiter();
  for (let i = 0; i < MAX_CALLS; i++) table.add(one, 10);
  table.abandon(5);
  assert.throws(() => table.add(one, 10), LimitError);
  assert.throws(() => table.add(one, 10), LimitError);
  assert.equal(table.waiting, MAX_CALLS - 1);
  table.answer(7);
  assert.equal(table.add(one, 10), 7);
});

test(`random calls against a map (seed ${seed})`, () => {
  const random = new Random();
  const table = new CallTable();
  const model = new Map<number, Waiter | null>();
  for (let i = 0; i < 50_000; i++) {
    const id = random.below(200);
    switch (random.below(3)) {
      case 0: {
        const given = waiter();
        const added = table.add(given, i);
        assert.equal(model.has(added), false);
        model.set(added, given);
        break;
      }
      case 1:
        assert.equal(table.answer(id), model.get(id));
        model.delete(id);
        break;
      default:
        assert.equal(table.abandon(id), model.get(id) ?? undefined);
        if (model.has(id)) model.set(id, null);
    }
    assert.equal(table.waiting, [...model.values()].filter((each) => each !== null).length);
  }
});
