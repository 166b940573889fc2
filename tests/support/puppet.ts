// Puppets: peers (peers.ts) that hold Causeway objects and do what a test tells them by the name of
// an order (puppet_orders.ts). The test kills, stops and measures them from outside.

import assert from "node:assert/strict";
import { after } from "node:test";
import { type Exit, Peer, type Runtime, runtimes } from "./peers.ts";
import { within } from "./watchdog.ts";

export { type Runtime, runtimes };

/** Longest wait for an answer of a puppet, in ms. */
const PATIENCE = 30_000;

const living = new Set<Puppet>();
/** Those of a test that failed would keep the run from ending. */
after(() => {
  for (const puppet of living) puppet.kill();
});

export class Puppet extends Peer {
  /** All that it printed. */
  errors = "";

  /** `wrap` goes before the command: a program that starts another one. */
  constructor(runtime: Runtime, directory: string, wrap: readonly string[] = []) {
    super(runtime, {
      env: { CAUSEWAY_DIR: directory, NO_COLOR: "1" },
      wrap,
      onOutput: (text) => this.errors += text,
    });
    living.add(this);
    this.ended.then(() => living.delete(this));
  }

  /** Resolves when it has loaded the library and takes orders. */
  async up(): Promise<this> {
    const loaded = this.run(async ({ orders }) => void await orders());
    await within(loaded, `${this.runtime} to start`, 2 * PATIENCE); // many start at once
    return this;
  }

  #order(order: string, options: object): Promise<unknown> {
    return this.run(
      async ({ orders }, order: string, options: object) => (await orders())[order]!(options),
      order,
      options,
    );
  }

  /** Gives an order without waiting for what comes of it. */
  post(order: string, options: object = {}): void {
    this.#order(order, options).catch(() => {});
  }

  /** Gives an order and returns what came of it. */
  // deno-lint-ignore no-explicit-any -- the orders are untyped, as their answers are
  async do(order: string, options: object = {}, patience = PATIENCE): Promise<any> {
    const done = this.#order(order, options);
    done.catch(() => {}); // the time may be over before it is killed
    return await within(done, () => `${this.runtime} to ${order} ${this.errors}`, patience);
  }

  /** Kills it, and waits until it is gone. */
  async die(): Promise<Exit> {
    this.kill();
    return await within(this.ended, `${this.runtime} to die`, PATIENCE);
  }

  /** Closes what it has open and lets it end by itself. */
  async finish(): Promise<void> {
    await this.do("closeAll");
    this.leave();
    const exit = await within(this.ended, `${this.runtime} to end by itself`, PATIENCE);
    assert.deepEqual(exit, { code: 0, signal: null }, this.errors);
  }
}
