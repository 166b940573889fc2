/**
 * Those who wait until there are so many partners.
 *
 * @module
 */
import { TimeoutError } from "../errors.ts";
import type { Reactor } from "../wake/reactor.ts";
import type { WaitLimits } from "../wake/wait_queue.ts";

interface Waiting {
  readonly count: number;
  readonly end: () => void;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** See the module. */
export class CountWaiters {
  readonly #reactor: Reactor;
  readonly #waiting = new Set<Waiting>();

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** Waits until {@linkcode CountWaiters.tell} is told of `count` or more. Keeps the process alive. */
  wait(count: number, what: string, { timeout, signal }: WaitLimits): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const reactor = this.#reactor;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#fail(waiting, signal!.reason);
      const timer = reactor.startLongTimer(
        () => this.#fail(waiting, new TimeoutError(what, timeout)),
        timeout,
      );
      const end = (): void => {
        timer.stop();
        signal?.removeEventListener("abort", onAbort);
        reactor.unref();
      };
      const waiting: Waiting = { count, end, resolve, reject };
      this.#waiting.add(waiting);
      signal?.addEventListener("abort", onAbort);
      reactor.ref();
    });
  }

  #fail(waiting: Waiting, reason: unknown): void {
    if (!this.#waiting.delete(waiting)) return;
    waiting.end();
    waiting.reject(reason);
  }

  /** There are so many now. */
  tell(count: number): void {
    for (const waiting of this.#waiting) {
      if (waiting.count > count) continue;
      this.#waiting.delete(waiting);
      waiting.end();
      waiting.resolve();
    }
  }

  /** Ends all waits. */
  fail(reason: unknown): void {
    for (const waiting of [...this.#waiting]) this.#fail(waiting, reason);
  }
}
