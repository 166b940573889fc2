// What a client's methods give, as the type checker sees it. The lines that are only compiled are
// the test; it runs so that the file has one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, RemoteError, serve, type SharedMemory } from "../../mod.ts";
import type {
  Given,
  Received,
  Remote,
  RemoteFunction,
  RemoteOneway,
  RemoteSync,
  Served,
} from "../../mod.ts";

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

type Progress = (share: number) => void;
interface Named {
  name: string;
  at: Date;
}
type Tree = { value: number; children: Tree[] };
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
declare class Private {
  #secret: number;
  open: number;
}

/** Functions, type parameters, and what isn't there. */
interface Rich {
  counter(): () => number;
  counters(): { up(by: number): number; name: string }[];
  load(onProgress: Progress): void;
  ask(question: (text: string) => Promise<boolean>): Promise<void>;
  each(options: { onEach?: (each: Named) => void; max: number }): void;
  echo<T>(value: T): Promise<T>;
  pick(what: "a"): Promise<1>;
  pick(what: "b"): Promise<2>;
  optional?: () => number;
  maybe: undefined | ((text: string) => string);
  version: string;
  list: number[];
  since: Date;
  named?: string;
  [Symbol.dispose](): void;
  toJSON(): string;
  then(): void;
  call(): void;
  tree: { call(): number; add(a: number): number };
}
type Way = { [Key in keyof Remote<Rich>]: Remote<Rich>[Key] };

type Values = [
  Same<Received<Named>, Named>,
  Same<Received<Tree>, Tree>,
  Same<Received<Json>, Json>,
  Same<Received<unknown>, unknown>,
  Same<Received<never>, never>,
  Same<Received<void>, void>,
  Same<Received<object>, object>,
  Same<Received<[a: number, b?: string]>, [a: number, b?: string]>,
  Same<Received<readonly Named[] | undefined>, readonly Named[] | undefined>,
  Same<Received<SharedMemory>, SharedMemory>,
  Same<Received<Map<string, number>>, Map<string, number>>,
  Same<Received<Private>, Private>,
  Same<Received<() => number>, RemoteFunction<() => number>>,
  Same<Received<[Progress, 1]>, [RemoteFunction<Progress>, 1]>,
  Same<Received<RemoteFunction<Progress>>, RemoteFunction<Progress>>,
  Same<Given<Named>, Named>,
  Same<Given<Json>, Json>,
  Same<Given<Progress>, Progress>,
  Same<Given<() => Promise<1>>, () => 1 | PromiseLike<1>>,
  Same<Parameters<Given<(each: Progress) => void>>, [each: RemoteFunction<Progress>]>,
];

type Methods = [
  Same<
    keyof Remote<Rich>,
    | "counter"
    | "counters"
    | "load"
    | "ask"
    | "each"
    | "echo"
    | "pick"
    | "optional"
    | "maybe"
    | "call"
    | "tree"
  >,
  Same<ReturnType<Way["counter"]>, Promise<RemoteFunction<() => number>>>,
  Same<Way["echo"], Rich["echo"]>,
  Same<Way["pick"], Rich["pick"]>,
  Same<Way["optional"], undefined | (() => Promise<number>)>,
  Same<Way["maybe"], undefined | ((text: string) => Promise<string>)>,
  Same<keyof Way["tree"], "add">,
  Same<ReturnType<RemoteSync<Rich>["counter"]>, RemoteFunction<() => number>>,
  Same<RemoteSync<Rich>["tree"]["add"], Rich["tree"]["add"]>,
  Same<Parameters<RemoteOneway<Rich>["load"]>, [onProgress: Progress]>,
  Same<ReturnType<RemoteOneway<Rich>["load"]>, boolean>,
];

// deno-lint-ignore no-explicit-any
type All<Checks extends readonly any[]> = Checks[number] extends true ? true : false;

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

const values: All<Values> = true;
const methods: All<Methods> = true;

/** What a user writes; compiled only. */
export async function use(): Promise<void> {
  await using client = await connect<Rich>("rich");
  const { remote, sync, oneway } = client;
  const next = await remote.counter();
  // @ts-expect-error it is asynchronous on this side
  const wrong: number = next();
  const right: number = await next();
  next.oneway() satisfies boolean;
  const counters = await sync.counters();
  const sum: number = await counters[0]!.up(1);
  const { name } = counters[0]!;
  await remote.load((share) => void share.toFixed());
  await remote.load(async (share) => await Promise.resolve(void share));
  await remote.ask((text) => text === "sure?");
  await remote.ask((text) => Promise.resolve(text === "sure?"));
  // @ts-expect-error it has to answer
  await remote.ask(() => {});
  await remote.each({ max: 3, onEach: ({ at }) => at.getTime() });
  const text: string = await remote.echo("x");
  await remote.pick("b") satisfies 2;
  await remote.optional?.() satisfies number | undefined;
  oneway.maybe?.("x") satisfies boolean | undefined;
  // @ts-expect-error it is no method
  await remote.version();
  await remote.tree.add.call(null, 1) satisfies number;
  void [wrong, right, sum, name, text];
  try {
    await remote.call();
  } catch (error) {
    if (error instanceof RemoteError && error.code === "OUT_OF_STOCK") throw error;
  }
}

interface Contract {
  add(a: number, b: number): number;
  load(steps: number, onProgress: Progress): Promise<number>;
  counter(): () => number;
  count(to: number): AsyncIterable<number>;
  text: { upper(text: string): string };
  later?: () => void;
}

/** What a server may be made of. */
export async function offer(): Promise<void> {
  const contract: Served<Contract> = {
    add: (a, b) => Promise.resolve(a + b),
    async load(steps, onProgress) {
      onProgress(0.5);
      await onProgress(1);
      onProgress.oneway(1);
      return steps;
    },
    counter: () => async () => await Promise.resolve(1),
    async *count(to) {
      for (let i = 0; i < to; i++) yield i;
    },
    text: { upper: (text) => text.toUpperCase() },
  };
  await serve<Contract>("contract", contract);
  class Impl {
    add(a: number, b: number): number {
      return a + b;
    }
    load(steps: number, onProgress: (share: number) => void): number {
      onProgress(1);
      return steps;
    }
    counter(): () => number {
      return () => 1;
    }
    async *count(): AsyncGenerator<number> {}
    text = { upper: (text: string): string => text };
    more(): void {}
  }
  await serve<Contract>("contract", new Impl());
  // @ts-expect-error a method is missing
  await serve<Contract>("contract", { add: (a, b) => a + b });
  // @ts-expect-error it gives a text
  await serve<{ add(a: number): number }>("contract", { add: (a) => String(a) });
  await serve("contract", { anything: (a: number) => a });
}

test("results have the natural types", () => {
  assert.ok(same.every((each) => each) && values && methods);
});
