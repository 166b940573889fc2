/**
 * The waits of this realm for one thing: for room, for a message, for a lock. The
 * first in the queue tries whenever its source is polled. A wait that blocks the
 * thread goes to the front, because none behind it could go on before.
 *
 * @module
 */
import { TimeoutError } from "../errors.ts";
import { Polled } from "./reactor.ts";
import type { Reactor } from "./reactor.ts";
import { Waiting } from "./waiting.ts";
import type { WaitLimits } from "./waiting.ts";

export type { WaitLimits } from "./waiting.ts";

/** Tries to get it; `undefined` if it has to wait. What it throws ends the wait. */
export type Attempt<T> = () => T | undefined;

/** One wait. */
interface Entry {
  /** True if it is over, with a value or an error. */
  attempt(): boolean;
  reject(reason: unknown): void;
}

/** See the module. */
export class WaitQueue {
  readonly #reactor: Reactor;
  readonly #index: number;
  readonly #setWaiting: () => void;
  readonly #onCancel: () => void;
  readonly #entries: Entry[] = [];

  /**
   * `index`: the source that polls and arms this queue. `setWaiting` asks the others,
   * in shared memory, to ring that source. `onCancel`: a wait that may have been rung
   * for was given up, so another process that waits may have to be rung instead.
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

  /** Waits in the queue. */
  get length(): number {
    return this.#entries.length;
  }

  /**
   * Tries at once if nothing else waits and the event loop has had its turns (see
   * {@linkcode Yielder}), then whenever the source is polled. Keeps the process alive.
   * Rejects with a {@linkcode TimeoutError} that says `what`, or with the signal's reason.
   */
  wait<T>(attempt: Attempt<T>, what: string, limits: WaitLimits): Promise<T> {
    const { timeout, signal } = limits;
    if (signal?.aborted) return Promise.reject(signal.reason);
    // A turn is asked for last: it counts this call.
    if (this.#entries.length === 0 && (timeout === 0 || !this.#reactor.yielder.isDue())) {
      try {
        const value = attempt();
        if (value !== undefined) return Promise.resolve(value);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    if (timeout === 0) return Promise.reject(new TimeoutError(what, timeout));
    return this.#push(attempt, what, limits);
  }

  #push<T>(attempt: Attempt<T>, what: string, limits: WaitLimits): Promise<T> {
    const waiting = new Waiting<T>(this.#reactor, what, limits, {
      // A wait that let the event loop have its turn first hasn't tried yet.
      beforeTimeout: () => void this.poll(),
      onGivenUp: () => {
        this.#remove(entry);
        this.#onCancel();
      },
    });
    const entry: Entry = {
      attempt() {
        try {
          const value = attempt();
          if (value === undefined) return false;
          waiting.resolve(value);
        } catch (error) {
          // An attempt can close what it waits for, and throw after that.
          waiting.reject(error);
        }
        return true;
      },
      reject: (reason) => waiting.reject(reason),
    };
    this.#entries.push(entry);
    this.#reactor.heat(this.#index);
    return waiting.promise;
  }

  #remove(entry: Entry): void {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries.splice(at, 1);
  }

  /** The same, blocking the thread. @throws {TimeoutError} */
  waitSync<T>(attempt: Attempt<T>, what: string, timeout: number): T {
    let value = attempt();
    if (value !== undefined) return value;
    let failure: { reason: unknown } | undefined;
    const entry: Entry = {
      attempt: () => {
        try {
          value = attempt();
        } catch (reason) {
          failure = { reason };
        }
        return value !== undefined || failure !== undefined;
      },
      reject: (reason) => failure = { reason },
    };
    const isDone = (): boolean => value !== undefined || failure !== undefined;
    this.#entries.unshift(entry);
    try {
      this.#reactor.block(this.#index, isDone, timeout);
    } catch (reason) {
      // What the attempt got isn't lost because the sleep failed.
      if (value === undefined) failure ??= { reason };
    } finally {
      // An entry left behind would take what comes for others.
      this.#remove(entry);
    }
    if (value !== undefined) return value;
    this.#onCancel();
    if (failure !== undefined) throw failure.reason;
    throw new TimeoutError(what, timeout);
  }

  /** For the source's `poll`: lets those at the front try as long as they succeed. */
  poll(): Polled {
    let polled: Polled = Polled.nothing;
    while (this.#entries.length > 0 && this.#tryFirst()) polled = Polled.resolved;
    return polled;
  }

  #tryFirst(): boolean {
    const first = this.#entries[0]!;
    if (!first.attempt()) return false;
    // An attempt can close what it waited for, and so empty the queue.
    if (this.#entries[0] === first) this.#entries.shift();
    return true;
  }

  /** For the source's `arm`: true if the queue is empty, or its source will be rung. */
  arm(): boolean {
    if (this.#entries.length === 0) return true;
    this.#setWaiting();
    // ORDER: look again after the flag is set; what came before that is not told.
    return !this.#tryFirst();
  }

  /** Ends all waits: what they wait for was closed. */
  fail(reason: unknown): void {
    for (const entry of this.takeAll()) entry.reject(reason);
  }

  /** Takes all waits out. They are over when the caller has rejected them. */
  takeAll(): { reject(reason: unknown): void }[] {
    return this.#entries.splice(0);
  }
}
