import assert from "node:assert/strict";
import { test } from "node:test";
import type { Codec } from "../../src/codec/codec.ts";
import { decodeFailure, encodeFailure } from "../../src/codec/failure.ts";
import { json } from "../../src/codec/json.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import * as errors from "../../src/errors.ts";

const codecs: Codec[] = [messagePack, json];

function trip(codec: Codec, error: unknown, withStack = true): Error & Record<string, unknown> {
  return decodeFailure(codec, encodeFailure(codec, error, withStack)) as never;
}

for (const codec of codecs) {
  const name = (what: string) => `${codec.name}: ${what}`;

  test(name("name, message, stack, cause and own properties"), () => {
    class Custom extends Error {
      override name = "Custom";
      detail = { list: [1, 2] };
    }
    const thrown = new Custom("broken", { cause: new RangeError("deeper", { cause: "text" }) });
    const error = trip(codec, thrown);
    assert.ok(error instanceof errors.RemoteError);
    assert.equal(error.name, "Custom");
    assert.equal(error.message, "broken");
    assert.equal(error.stack, thrown.stack);
    assert.deepEqual(error["detail"], { list: [1, 2] });
    const cause = error.cause as Error;
    assert.ok(cause instanceof RangeError);
    assert.deepEqual([cause.message, cause.cause], ["deeper", "text"]);
    assert.deepEqual(Object.keys(error).sort(), ["code", "detail"]);
  });

  test(name("standard errors keep their type"), () => {
    const types = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];
    for (const Type of types) {
      const error = trip(codec, new Type("message"));
      assert.equal(error.constructor, Type);
      assert.equal(error.message, "message");
      assert.equal(error.name, Type.name);
    }
  });

  test(name("no stack where it is withheld, at no depth"), () => {
    const thrown = new AggregateError([new Error("in errors")], "all", {
      cause: new Error("in cause"),
    });
    const text = new TextDecoder().decode(encodeFailure(codec, thrown, false));
    assert.doesNotMatch(text, /failure\.test/);
    assert.equal(trip(codec, thrown, false).message, "all");
  });

  test(name("AggregateError has its errors"), () => {
    const error = trip(codec, new AggregateError([new TypeError("a"), "b", 3], "all"));
    assert.ok(error instanceof AggregateError);
    assert.ok(error.errors[0] instanceof TypeError);
    assert.deepEqual(error.errors.slice(1), ["b", 3]);
  });

  test(name("what isn't an error arrives as it is"), () => {
    for (const thrown of ["text", 5, null, { a: 1 }, [1], true]) {
      assert.deepEqual(trip(codec, thrown), thrown);
    }
    assert.equal(trip(codec, undefined), undefined);
  });

  test(name("causes that go in a circle end"), () => {
    const one = new Error("one");
    const two = new Error("two", { cause: one });
    one.cause = two;
    let error: unknown = trip(codec, one);
    const seen = new Set<unknown>();
    for (; error instanceof Error && !seen.has(error); error = error.cause) seen.add(error);
    assert.ok(seen.size >= 2 && seen.size < 20, `${seen.size} causes`);
    const all = new AggregateError([], "all");
    all.errors.push(all, all);
    const copy = trip(codec, all) as unknown as AggregateError;
    assert.ok(copy instanceof AggregateError);
    if (codec === messagePack) assert.deepEqual([seen.size, copy.errors[1]], [2, copy]);
  });

  test(name("properties that can't be encoded don't take the rest with them"), () => {
    const thrown = Object.assign(new TypeError("broken", { cause: new Error("why") }), {
      bad: codec === json ? 1n : Symbol("s"),
      call: () => {},
    });
    const error = trip(codec, thrown);
    assert.ok(error instanceof TypeError);
    assert.equal(error.message, "broken");
    assert.equal(error.stack, thrown.stack);
    assert.equal((error.cause as Error).message, "why");
  });

  test(name("what throws when it is looked at"), () => {
    const evil = (key: string) =>
      Object.defineProperty(new Error("evil"), key, {
        enumerable: true,
        get() {
          throw new Error("touched");
        },
      });
    assert.equal(trip(codec, evil("own")).message, "evil");
    for (const key of ["name", "message", "stack", "cause"]) {
      assert.ok(trip(codec, evil(key)) instanceof Error, key);
    }
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    trip(codec, proxy);
    trip(codec, Object.create(null));
    trip(codec, { toString: null, valueOf: null, bad: () => {} });
  });

  test(name("our own errors keep their class, code and fields"), () => {
    const ours = [
      new errors.TimeoutError("the request", 5, "hint"),
      new errors.PeerGoneError("name", "died"),
      new errors.UnknownMethodError("no"),
      new errors.BackpressureError(1, 2, 3),
      new errors.CodecError("no", { cause: new Error("why") }),
      new errors.NoSpaceError("/dir", 3, 2, 1),
      new errors.SystemError("no", 5),
      new errors.RemoteError("no"),
    ];
    for (const thrown of ours) {
      const error = trip(codec, thrown);
      assert.equal(error.constructor, thrown.constructor);
      assert.ok(error instanceof errors.CausewayError);
      assert.equal(error.name, thrown.name);
      assert.equal(error.message, thrown.message);
      assert.deepEqual({ ...error, name: thrown.name }, { ...thrown });
    }
  });

  test(name("DOMException of an abort or a timeout"), () => {
    const aborted = trip(codec, AbortSignal.abort().reason);
    assert.ok(aborted instanceof DOMException);
    assert.equal(aborted.name, "AbortError");
    const late = trip(codec, new DOMException("late", "TimeoutError"));
    assert.ok(late instanceof DOMException);
    assert.deepEqual([late.name, late.message], ["TimeoutError", "late"]);
  });

  test(name("an empty message and an odd name"), () => {
    assert.equal(trip(codec, new Error("")).message, "");
    for (const odd of ["", "__proto__", "constructor", "toString", "CausewayError", "GoneReason"]) {
      const thrown = new Error("broken");
      thrown.name = odd;
      const error = trip(codec, thrown);
      assert.ok(error instanceof Error, odd);
      assert.equal(error.name, odd);
    }
  });

  test(name("garbage is a RemoteError that says so"), () => {
    for (
      const bytes of [undefined, new Uint8Array(0), new Uint8Array([0xc1]), new Uint8Array(50)]
    ) {
      decodeFailure(codec, bytes);
    }
    const broken = decodeFailure(codec, new Uint8Array([0x7b])) as Error;
    if (codec === json) assert.match(broken.message, /can't be read/);
  });

  test(name("hostile descriptions change nothing but their own error"), () => {
    const hostile: unknown[] = [
      null,
      5,
      [],
      { message: "m", name: 5 },
      { message: "m", properties: 5 },
      { message: "m", properties: JSON.parse('{"__proto__":{"polluted":1}}') },
      { message: "m", properties: { constructor: 1, toString: 2, message: "other" } },
      { message: "m", name: "AggregateError", errors: [null, 5, { message: 7 }] },
      { message: "m", cause: { message: "c", cause: null } },
      { message: "m", stack: 7 },
      { message: { toString: 1 } },
    ];
    for (const failure of hostile) {
      decodeFailure(codec, codec.encode(failure) as Uint8Array<ArrayBuffer>);
      assert.equal(({} as { polluted?: number }).polluted, undefined);
    }
    const error = decodeFailure(codec, codec.encode(hostile[6])) as Error;
    assert.equal(error.message, "m");
  });
}

test("what of an error can cross is found out with bounded work", () => {
  const large = new Array<number>(1 << 20).fill(1);
  const kinds = {
    "the same large value": () => large,
    "a large value that can't cross": () => [large, () => 1],
  };
  for (const [what, value] of Object.entries(kinds)) {
    let tries = 0;
    const counting: Codec = {
      ...messagePack,
      encode(value, functions) {
        tries++;
        return messagePack.encode(value, functions);
      },
    };
    const thrown = new Error("much");
    for (let i = 0; i < 1000; i++) Object.assign(thrown, { [`p${i}`]: value() });
    Object.assign(thrown, { last: () => 1 });
    const error = decodeFailure(messagePack, encodeFailure(counting, thrown, false)) as Error;
    assert.equal(error.message, "much");
    assert.ok(tries < 40, `${what}: ${tries} tries`);
  }
});
