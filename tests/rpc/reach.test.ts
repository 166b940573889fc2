// What a peer can reach on a server: its methods, and nothing that every object has. The peer
// may name any path, so these calls are made below the proxy.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ArgumentError,
  connect,
  CorruptSegmentError,
  LimitError,
  serve,
  UnknownMethodError,
} from "../../mod.ts";
import { messagePack } from "../../src/codec/messagepack.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { MAX_METHOD_NAME, MAX_METHOD_NAMES } from "../../src/connection/limits.ts";
import type { Handle } from "../../src/wake/handle.ts";
import type { IncomingCall } from "../../src/connection/incoming.ts";
import { Exchange } from "../../src/rpc/exchange.ts";
import { Random, seed } from "../support/random.ts";
import { Scratch } from "../support/scratch.ts";

class Base {
  inherited(): string {
    return "inherited";
  }
}

class Api extends Base {
  #secret = "secret";
  field = (): string => "field";
  nested = { deep: { method: (): string => "deep" } };
  text = "text";
  list = [1, 2];
  nothing = null;
  method(): string {
    return this.#secret;
  }
  get getter(): () => string {
    return () => "getter";
  }
  static create(): string {
    return "static";
  }
}

/** An exchange that a peer talks to, without the memory between. */
class Peer {
  readonly #exchange: Exchange;
  #next = 0;

  constructor(api: object) {
    this.#exchange = new Exchange({
      codec: messagePack,
      api,
      exposeStacks: false,
      timeout: 1000,
      handle: { report() {}, reportPeer() {} } as unknown as Handle,
      onGone() {},
    });
    this.#exchange.use({ release() {}, streams: { decodeWith() {} } } as unknown as Connection);
  }

  define(method: number, name: Uint8Array<ArrayBuffer>): void {
    this.#exchange.onDefine(method, name);
  }

  /** Calls what `path` names. */
  call(path: string, args: unknown = []): unknown {
    const method = this.#next++;
    this.#exchange.onDefine(method, new TextEncoder().encode(path));
    return this.raw(method, new Uint8Array(messagePack.encode(args)));
  }

  raw(method: number, payload: Uint8Array<ArrayBuffer> | undefined): unknown {
    let answer: Uint8Array | undefined;
    let failure: Uint8Array<ArrayBuffer> | undefined;
    const call = {
      method,
      reply: (bytes: Uint8Array | undefined) => void (answer = bytes),
      fail: (bytes: Uint8Array<ArrayBuffer>) => void (failure = bytes),
    } as unknown as IncomingCall;
    assert.equal(this.#exchange.onRequest(call, payload), true);
    if (failure !== undefined) throw this.#exchange.decodeError(failure);
    return answer === undefined ? undefined : messagePack.decode(answer);
  }
}

test("methods are reached: own, inherited, nested, of getters", () => {
  const peer = new Peer(new Api());
  for (
    const [path, expected] of [
      ["method", "secret"],
      ["inherited", "inherited"],
      ["field", "field"],
      ["nested.deep.method", "deep"],
      ["getter", "getter"],
    ] as const
  ) {
    assert.equal(peer.call(path), expected);
  }
});

const unreachable = [
  "",
  ".",
  "..",
  "nope",
  "text",
  "nested",
  "nested.deep",
  "nothing",
  "nothing.method",
  "#secret",
  "create",
  "constructor",
  "constructor.create",
  "method.constructor",
  "method.call",
  "method.apply",
  "method.bind",
  "field.toString",
  "__proto__",
  "__proto__.method",
  "nested.__proto__.toString",
  "prototype",
  "constructor.prototype.method",
  "constructor.constructor",
  "nested.constructor.constructor",
  "list.constructor.from",
  "list.__proto__.push",
  "text.constructor",
  "text.at",
  ...Object.getOwnPropertyNames(Object.prototype),
  ...Object.getOwnPropertyNames(Object.prototype).map((key) => `nested.${key}`),
  ...Object.getOwnPropertyNames(Object.prototype).map((key) => `nested.${key}.call`),
  ...Object.getOwnPropertyNames(Function.prototype).map((key) => `method.${key}`),
];

test("nothing else is", () => {
  for (const api of [new Api(), { ...new Api() }, Object.create(new Api()) as object]) {
    const peer = new Peer(api);
    for (const path of unreachable) {
      assert.throws(() => peer.call(path, ["toString", {}]), UnknownMethodError, path);
    }
  }
});

test("an API without a prototype, and one whose methods have the names of Object's", () => {
  const bare = Object.assign(Object.create(null), { toString: () => "mine", plain: () => 1 });
  assert.equal(new Peer(bare).call("plain"), 1);
  assert.equal(new Peer(bare).call("toString"), "mine");
  assert.throws(() => new Peer(bare).call("hasOwnProperty"), UnknownMethodError);
});

test("arguments that are none, and methods without a name", () => {
  const peer = new Peer({ count: (...args: unknown[]) => args.length });
  assert.equal(peer.call("count", [1, 2, 3]), 3);
  for (const args of [undefined, null, 5, "text", { length: 7 }, new Map()]) {
    assert.equal(peer.call("count", args), 0);
  }
  for (const method of [500, 1000, 0xfffe]) {
    assert.throws(() => peer.raw(method, undefined), UnknownMethodError);
  }
});

test("calls of functions that were never given", () => {
  const peer = new Peer({});
  for (
    const payload of [
      [1, []],
      [0, []],
      ["constructor", []],
      [1],
      [],
      {},
      null,
      5,
      undefined,
    ]
  ) {
    assert.throws(() => peer.raw(0xffff, new Uint8Array(messagePack.encode(payload))), Error);
  }
  assert.throws(() => peer.raw(0xffff, undefined), Error);
  assert.throws(() => peer.raw(0xffff, new Uint8Array([0xc1])), Error);
});

test(`garbage as arguments is an error of the call (seed ${seed})`, () => {
  const random = new Random();
  const peer = new Peer({ echo: (...args: unknown[]) => args.length });
  for (let round = 0; round < 5000; round++) {
    const bytes = random.bytes(random.below(40));
    try {
      peer.raw(random.below(3), bytes);
    } catch (error) {
      assert.ok(error instanceof Error);
    }
    peer.call("echo", [1]);
  }
  assert.equal(Object.keys(Object.prototype).length, 0);
});

test("a name that isn't UTF-8, or long", () => {
  const peer = new Peer({ ok: () => 1 });
  assert.throws(() => peer.call("a.".repeat(250)), UnknownMethodError);
  assert.throws(() => peer.call("\u0000\ud800"), UnknownMethodError);
  assert.equal(peer.call("ok"), 1);
});

test("through the proxy: prototypes stay as they are", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  let got: unknown;
  const api = {
    merge(value: object) {
      got = Object.assign({}, value);
      return got;
    },
  };
  await using _server = await serve("name", api, { directory });
  await using client = await connect<typeof api>("name", { directory });
  const answer = await client.remote.merge(JSON.parse('{"__proto__":{"polluted":1},"a":1}'));
  assert.equal((got as { polluted?: number }).polluted, undefined);
  assert.equal((answer as { polluted?: number }).polluted, undefined);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test("the names of methods are dense, short, and not too many", () => {
  const name = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(0x61);
  assert.throws(() => new Peer(new Api()).define(1, name(1)), CorruptSegmentError);
  assert.throws(() => new Peer(new Api()).define(0, name(MAX_METHOD_NAME + 1)), /513/);
  const twice = new Peer(new Api());
  twice.define(0, name(5));
  assert.throws(() => twice.define(0, name(5)), CorruptSegmentError);
  const many = new Peer(new Api());
  const most = MAX_METHOD_NAMES / MAX_METHOD_NAME;
  for (let id = 0; id < most; id++) many.define(id, name(MAX_METHOD_NAME));
  assert.throws(() => many.define(most, name(1)), CorruptSegmentError);
});

test("a client keeps to these limits by itself", async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  await using _server = await serve("names", new Api(), { directory });
  // deno-lint-ignore no-explicit-any
  await using client = await connect<any>("names", { directory });
  await assert.rejects(client.remote["a".repeat(MAX_METHOD_NAME + 1)](), ArgumentError);
  assert.throws(() => client.sync["a".repeat(MAX_METHOD_NAME + 1)](), ArgumentError);
  const long = "b".repeat(MAX_METHOD_NAME - 4);
  const most = MAX_METHOD_NAMES / MAX_METHOD_NAME;
  for (let i = 0; i < most; i++) client.oneway[long + String(i).padStart(4, "0")]();
  await assert.rejects(client.remote.method(), LimitError);
  assert.equal(client.isConnected, true);
});
