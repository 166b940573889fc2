import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../../src/codec/json.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import {
  encodeArguments,
  encodingError,
  messageOf,
  nameArgument,
  Refusal,
  refusalWithin,
} from "../../src/codec/refusal.ts";
import { ClosedError, CodecError } from "../../src/errors.ts";

test("arguments are named as the caller knows them", () => {
  const wrong = [1, { user: { photo: Promise.resolve() } }];
  for (const codec of [messagePack, json]) {
    assert.throws(() => encodeArguments(codec, wrong), {
      message: /^argument 1\.user\.photo is a Promise: await it/,
    });
    assert.throws(
      () => encodeArguments(codec, [Promise.resolve()]),
      /^CodecError: argument 0 is a P/,
    );
  }
});

test("a getter that throws says where, and keeps its error", () => {
  const cause = new RangeError("mine");
  const value = {
    list: [{
      get trap() {
        throw cause;
      },
    }],
  };
  assert.throws(() => messagePack.encode(value), (error: unknown) => {
    assert.ok(error instanceof CodecError);
    assert.match(error.message, /^the value\.list\[0\]\.trap can't be encoded: mine/);
    assert.equal(error.cause, cause);
    return true;
  });
});

/** A refusal at this place. */
function at(...path: (string | number)[]): CodecError {
  const refusal = new Refusal("is wrong");
  for (const key of path.reverse()) refusal.within(key);
  return refusal.toError();
}

test("the place is written as in a program, and is in the error as it is", () => {
  const places: [(string | number)[], string][] = [
    [[], ""],
    [["a", 0, "b"], ".a[0].b"],
    [["größe", "$x", "_"], ".größe.$x._"],
    [["a b", "", "0", 'q"'], '["a b"][""]["0"]["q\\""]'],
  ];
  for (const [path, text] of places) {
    const error = at(...path);
    assert.equal(error.message, `the value${text} is wrong`);
    assert.deepEqual(error.path, path);
    assert.equal("cause" in error, false);
  }
  const deep = at(...new Array<string>(30).fill("a"));
  assert.equal(deep.message, `the value${".a".repeat(20)}… is wrong`);
  assert.equal(deep.path?.length, 30);
});

test("what is thrown on the way gets the place and stays the cause, errors of ours stay", () => {
  const mine = new RangeError("mine");
  const refusal = refusalWithin(refusalWithin(mine, 1), "list") as Refusal;
  const error = encodingError(refusal);
  assert.equal(error.message, "the value.list[1] can't be encoded: mine");
  assert.equal(error.cause, mine);
  const inner = at("x");
  const outer = encodingError(refusalWithin(inner, "y")) as CodecError;
  assert.match(outer.message, /^the value\.y can't be sent: the value\.x is wrong/);
  assert.deepEqual([outer.path, outer.cause], [["y"], inner]);
  const closed = new ClosedError("it");
  assert.equal(encodingError(refusalWithin(closed, "y")), closed);
  assert.equal(encodingError("a text").message, "the value can't be encoded: a text");
});

test("whatever is thrown has a text", () => {
  assert.equal(messageOf(new Error("x")), "x");
  assert.equal(messageOf("x"), "x");
  assert.equal(messageOf(Symbol("x")), "Symbol(x)");
  assert.equal(messageOf(undefined), "undefined");
  for (const value of [Object.create(null), { toString: () => Object.create(null) }]) {
    assert.equal(messageOf(value), "[object Object]");
  }
  const evil = Object.defineProperty(new Error("x"), "message", {
    get() {
      throw evil;
    },
  });
  assert.equal(messageOf(evil), "something without a text was thrown");
});

test("an argument is named as one; other errors stay as they are", () => {
  const named = nameArgument(at(2, "user", 0)) as CodecError;
  assert.equal(named.message, "argument 2.user[0] is wrong");
  assert.deepEqual(named.path, [2, "user", 0]);
  const deeper = nameArgument(at("args", 1, "x"), 1) as CodecError;
  assert.equal(deeper.message, "argument 1.x is wrong");
  for (const error of [at("a"), at(), new Error("x"), new CodecError("x")]) {
    assert.equal(nameArgument(error), error);
  }
});
