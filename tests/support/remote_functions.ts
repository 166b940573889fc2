// Functions that run somewhere else: in another process (peers.ts) or a worker (workers.ts).
//
// A function is sent as its source text, so that a test can say what happens on both sides in one
// place. It sees its arguments and the context that it is given, nothing of what surrounds it. Its
// arguments and its result cross as JSON.

import assert from "node:assert/strict";
import * as ipc from "../../mod.ts";
import * as payloads from "./payloads.ts";
import type { Orders } from "./puppet_orders.ts";
import * as values from "./values.ts";
import { Worker } from "./workers.ts";

/** What tests there need of `node:assert`. Its own type narrows, which only declared names may. */
interface Assert {
  ok(value: unknown, message?: string): void;
  equal(actual: unknown, expected: unknown, message?: string): void;
  deepEqual(actual: unknown, expected: unknown, message?: string): void;
  throws(task: () => unknown, expected?: object): void;
  rejects(promise: Promise<unknown>, expected?: object): Promise<void>;
}

/** What a function finds where it runs. */
export interface Surroundings {
  ipc: typeof ipc;
  assert: Assert;
  payloads: typeof payloads;
  values: typeof values;
  /** Kept from one function to the next, until the test ends. */
  // deno-lint-ignore no-explicit-any
  kept: Record<string, any>;
  /** Closes it at the end of the test. */
  use<T extends AsyncDisposable>(opened: T): T;
  /** Collects garbage, and lets what waits for that run. */
  collectGarbage(): Promise<void>;
  sleep(milliseconds: number): Promise<void>;
  startWorker(): Promise<Worker>;
  /** What puppets can be told to do (puppet.ts). */
  orders(): Promise<Orders>;
}

// deno-lint-ignore no-explicit-any
export type RemoteFunction<Args extends any[], Result> = (
  surroundings: Surroundings,
  ...args: Args
) => Result;

/** A function to run, and what came of it. */
export interface Task {
  id: number;
  source: string;
  args: unknown[];
}
export interface Outcome {
  id: number;
  value?: unknown;
  error?: { name: string; message: string; code?: string; reason?: string; stack?: string };
}

/** The side that sends functions. */
export class FunctionSender {
  readonly #send: (task: Task) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #ended: Error | undefined;
  #next = 1;

  constructor(send: (task: Task) => void) {
    this.#send = send;
  }

  // deno-lint-ignore no-explicit-any
  async run<Args extends any[], Result>(
    task: RemoteFunction<Args, Result>,
    args: Args,
  ): Promise<Awaited<Result>> {
    if (this.#ended) throw this.#ended;
    const id = this.#next++;
    const outcome = Promise.withResolvers<unknown>();
    this.#waiting.set(id, outcome);
    this.#send({ id, source: String(task), args });
    return await outcome.promise as Awaited<Result>;
  }

  settle({ id, value, error }: Outcome): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) return waiting?.resolve(value);
    const { stack, ...rest } = error;
    waiting?.reject(Object.assign(new Error(error.message, { cause: stack }), rest));
  }

  /** Nothing runs there any more. */
  end(error: Error): void {
    this.#ended = error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

/** The side that runs them. */
export class FunctionRunner {
  readonly #send: (outcome: Outcome) => void;
  readonly #opened: AsyncDisposable[] = [];
  readonly #surroundings: Surroundings = {
    ipc,
    assert,
    payloads,
    values,
    kept: {},
    use: (opened) => (this.#opened.push(opened), opened),
    collectGarbage,
    sleep,
    startWorker: () => Worker.start(),
    orders: loadOrders,
  };

  constructor(send: (outcome: Outcome) => void) {
    this.#send = send;
  }

  async run({ id, source, args }: Task): Promise<void> {
    try {
      // Run by name, so that errors in it say where they come from.
      const task = new Function(`return ${source}`)() as RemoteFunction<unknown[], unknown>;
      this.#send({ id, value: await task(this.#surroundings, ...args) });
    } catch (error) {
      this.#send({ id, error: describe(error) });
    }
  }

  /** Closes what the test has opened here. */
  async reset(): Promise<void> {
    this.#surroundings.kept = {};
    for (const opened of this.#opened.splice(0)) await opened[Symbol.asyncDispose]();
  }
}

function describe(error: unknown): NonNullable<Outcome["error"]> {
  if (!(error instanceof Error)) return { name: "thrown", message: String(error) };
  const { name, message, stack = "" } = error;
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  return {
    ...{ name, message, stack },
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof reason === "string" ? { reason } : {}),
  };
}

let orders: Promise<Orders> | undefined;

function loadOrders(): Promise<Orders> {
  return orders ??= import("./puppet_orders.ts").then((module) => module.orders);
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Node and Deno need --expose-gc, which peers are given. */
export async function collectGarbage(): Promise<void> {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  if (!gc && !Bun) throw new Error("garbage collection can't be asked for here");
  for (let round = 0; round < 3; round++) {
    await sleep(1); // what the stack still holds goes with the turn
    if (Bun) Bun.gc(true);
    else gc!();
  }
  await sleep(1);
}
