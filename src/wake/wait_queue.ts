/**
 * Those of this realm who wait for the same thing: for room, for a message, for a
 * lock. The first in the line tries whenever its source is polled; who blocks the
 * thread goes to the front, because nobody behind it could go on before.
 *
 * @module
 */
import { TimeoutError } from "../errors.ts";
import { Polled } from "./reactor.ts";
import type { Reactor } from "./reactor.ts";

/** Tries to get it; `undefined` if it has to wait. What it throws ends the wait. */
export type Attempt<T> = () => T | undefined;

/** How long to wait, and who may end it. */
export interface WaitLimits {
  /** Milliseconds; `Infinity`: for ever. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** One who waits. */
interface Waiting {
  /** True if it is over, with a value or an error. */
  attempt(): boolean;
  fail(reason: unknown): void;
}

/** See the module. */
export class WaitQueue {
  readonly #reactor: Reactor;
  readonly #index: number;
  readonly #setWaiting: () => void;
  readonly #onCancel: () => void;
  readonly #line: Waiting[] = [];

  /**
   * `index`: the source that polls and arms this line. `setWaiting` asks the others,
   * in shared memory, to ring that source. `onCancel`: one gave up that may have
   * been rung: whoever waits elsewhere may have to be rung instead.
   */
  constructor(
    reactor: Reactor,
    index: number,
    setWaiting: () => void,
    onCancel: () => void = () => {},
  ) {
    this.#reactor = reactor;
    this.#index = index;
    this.#setWaiting = setWaiting;
    this.#onCancel = onCancel;
  }

  /** How many wait. */
  get length(): number {
    return this.#line.length;
  }

  /**
   * Tries at once if nothing else waits and the event loop has had its turns (see
   * {@linkcode Yielder}), then whenever the source is polled. Keeps the process alive.
   * Rejects with a {@linkcode TimeoutError} that says `what`, or with the signal's reason.
   */
  wait<T>(attempt: Attempt<T>, what: string, { timeout, signal }: WaitLimits): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    // A turn is asked for last: it counts this call.
    if (this.#line.length === 0 && (timeout === 0 || !this.#reactor.yielder.isDue())) {
      try {
        const value = attempt();
        if (value !== undefined) return Promise.resolve(value);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    if (timeout === 0) return Promise.reject(new TimeoutError(what, timeout));
    return new Promise((resolve, reject) => {
      this.#push(attempt, resolve, reject, what, timeout, signal);
    });
  }

  #push<T>(
    attempt: Attempt<T>,
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
    what: string,
    timeout: number,
    signal: AbortSignal | undefined,
  ): void {
    const reactor = this.#reactor;
    let over = false;
    const end = (): void => {
      // An attempt can close what it waits for, and throw after that.
      if (over) return;
      over = true;
      timer.stop();
      signal?.removeEventListener("abort", onAbort);
      reactor.unref();
    };
    const waiting: Waiting = {
      attempt: () => {
        try {
          const value = attempt();
          if (value === undefined) return false;
          end();
          resolve(value);
        } catch (error) {
          waiting.fail(error);
        }
        return true;
      },
      fail: (reason) => {
        end();
        reject(reason);
      },
    };
    const onAbort = (): void => this.#cancel(waiting, signal!.reason);
    const timer = reactor.startLongTimer(() => {
      // A wait that let the event loop have its turn first hasn't tried yet.
      this.poll();
      this.#cancel(waiting, new TimeoutError(what, timeout));
    }, timeout);
    signal?.addEventListener("abort", onAbort);
    reactor.ref();
    this.#line.push(waiting);
    reactor.heat(this.#index);
  }

  #cancel(waiting: Waiting, reason: unknown): void {
    const at = this.#line.indexOf(waiting);
    if (at < 0) return;
    this.#line.splice(at, 1);
    waiting.fail(reason);
    this.#onCancel();
  }

  /** The same, blocking the thread. @throws {TimeoutError} */
  waitSync<T>(attempt: Attempt<T>, what: string, timeout: number): T {
    let value = attempt();
    if (value !== undefined) return value;
    let failure: { reason: unknown } | undefined;
    const waiting: Waiting = {
      attempt: () => {
        try {
          value = attempt();
        } catch (reason) {
          failure = { reason };
        }
        return value !== undefined || failure !== undefined;
      },
      fail: (reason) => failure = { reason },
    };
    const isDone = (): boolean => value !== undefined || failure !== undefined;
    this.#line.unshift(waiting);
    try {
      this.#reactor.block(this.#index, isDone, timeout);
    } catch (reason) {
      // Got it all the same: it must not be lost, and what failed wasn't this wait.
      if (value === undefined) failure ??= { reason };
    } finally {
      const at = this.#line.indexOf(waiting);
      if (at >= 0) this.#line.splice(at, 1);
    }
    if (value !== undefined) return value;
    // The others may have to be rung instead.
    this.#onCancel();
    if (failure !== undefined) throw failure.reason;
    throw new TimeoutError(what, timeout);
  }

  /** For the source's `poll`: lets those at the front try as long as they succeed. */
  poll(): Polled {
    let polled: Polled = Polled.nothing;
    while (this.#line.length > 0 && this.#tryFirst()) polled = Polled.resolved;
    return polled;
  }

  #tryFirst(): boolean {
    const first = this.#line[0]!;
    if (!first.attempt()) return false;
    // An attempt can close what it waited for, and so empty the line.
    if (this.#line[0] === first) this.#line.shift();
    return true;
  }

  /** For the source's `arm`: true if nobody waits, or all who do will be rung. */
  arm(): boolean {
    if (this.#line.length === 0) return true;
    this.#setWaiting();
    // What came before the flag was seen is not told.
    return !this.#tryFirst();
  }

  /** Ends all waits: it was closed. */
  fail(reason: unknown): void {
    for (const waiting of this.#line.splice(0)) waiting.fail(reason);
  }
}
