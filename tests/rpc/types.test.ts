// What a client's methods give, as the type checker sees it. The lines that are only compiled are
// the test; it runs so that the file has one.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Remote, RemoteSync } from "../../mod.ts";

interface Api {
  add(a: number, b: number): number;
  later(): Promise<string>;
  maybe(): string | undefined;
  flag(): boolean;
  nothing(): void;
  // deno-lint-ignore no-explicit-any
  anything(): any;
  numbers(): AsyncGenerator<number>;
  eventually(): Promise<AsyncIterable<number>>;
  bytes(): ReadableStream<Uint8Array>;
  sink(): WritableStream<string>;
  take(lines: AsyncIterable<string>, bytes?: ReadableStream<Uint8Array>): void;
  inside(): { numbers: AsyncIterable<number> };
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
type Result<Name extends keyof Remote<Api>> = ReturnType<Remote<Api>[Name]>;
type Numbers = Promise<AsyncIterableIterator<number>> & AsyncIterable<number>;

const same: [
  Same<Result<"add">, Promise<number>>,
  Same<Result<"later">, Promise<string>>,
  Same<Result<"maybe">, Promise<string | undefined>>,
  Same<Result<"flag">, Promise<boolean>>,
  Same<Result<"nothing">, Promise<void>>,
  // deno-lint-ignore no-explicit-any
  Same<Result<"anything">, Promise<any>>,
  Same<Result<"numbers">, Numbers>,
  Same<Result<"eventually">, Numbers>,
  Same<Result<"bytes">, Promise<ReadableStream<Uint8Array>> & AsyncIterable<Uint8Array>>,
  Same<Result<"sink">, Promise<WritableStream<string>>>,
  Same<Result<"inside">, Promise<{ numbers: AsyncIterable<number> }>>,
  Same<Parameters<Remote<Api>["take"]>, Parameters<Api["take"]>>,
  Same<ReturnType<RemoteSync<Api>["eventually"]>, AsyncIterable<number>>,
] = [true, true, true, true, true, true, true, true, true, true, true, true, true];

test("results have the natural types", () => {
  assert.ok(same.every((each) => each));
});
