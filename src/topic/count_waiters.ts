/**
 * Waits for so many partners.
 *
 * @module
 */
import type { Reactor } from "../wake/reactor.ts";
import { Waiting } from "../wake/waiting.ts";
import type { WaitLimits } from "../wake/waiting.ts";

/** See the module. */
export class CountWaiters {
  readonly #reactor: Reactor;
  readonly #waits = new Map<Waiting<void>, number>();

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** Waits until {@linkcode CountWaiters.tell} is told of `count` or more. Keeps the process alive. */
  wait(count: number, what: string, limits: WaitLimits): Promise<void> {
    if (limits.signal?.aborted) return Promise.reject(limits.signal.reason);
    const waiting = new Waiting<void>(this.#reactor, what, limits, {
      onGivenUp: () => void this.#waits.delete(waiting),
    });
    this.#waits.set(waiting, count);
    return waiting.promise;
  }

  /** There are so many now. */
  tell(count: number): void {
    for (const [waiting, wanted] of this.#waits) {
      if (wanted > count) continue;
      this.#waits.delete(waiting);
      waiting.resolve();
    }
  }

  /** Ends all waits. */
  fail(reason: unknown): void {
    for (const waiting of this.#waits.keys()) waiting.reject(reason);
    this.#waits.clear();
  }
}
