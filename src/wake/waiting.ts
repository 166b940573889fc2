/**
 * One wait: a promise that is settled by a value, an error, a time limit or an
 * `AbortSignal`, whichever comes first. It keeps the process alive until then.
 *
 * @module
 */
import { TimeoutError } from "../errors.ts";
import { harmless } from "../failures.ts";
import type { Reactor } from "./reactor.ts";

/** How long to wait, and what may end the wait. */
export interface WaitLimits {
  /** Milliseconds; `Infinity`: without a limit. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a wait calls. */
export interface WaitingHooks {
  /** The time limit or the signal ended the wait. */
  onGivenUp(): void;
  /** The time is over: what this resolves the wait with came in time. */
  beforeTimeout?(): void;
  /** What the time-out may come from, for the message. */
  hint?(): string;
}

/** See the module. */
export class Waiting<T> {
  /** Settled when the wait is over. */
  readonly promise: Promise<T>;
  readonly #reactor: Reactor;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly #timer: { stop(): void };
  readonly #resolvers: PromiseWithResolvers<T>;
  #isOver = false;

  /** `what` is for the {@linkcode TimeoutError}. */
  constructor(
    reactor: Reactor,
    what: string,
    { timeout, signal }: WaitLimits,
    hooks: WaitingHooks,
  ) {
    this.#reactor = reactor;
    this.#signal = signal;
    this.#resolvers = Promise.withResolvers();
    this.promise = this.#resolvers.promise;
    const giveUp = (reason: unknown): void => {
      if (this.#isOver) return;
      this.reject(reason);
      hooks.onGivenUp();
    };
    this.#onAbort = () => giveUp(signal!.reason);
    this.#timer = reactor.startLongTimer(() => {
      hooks.beforeTimeout?.();
      giveUp(new TimeoutError(what, timeout, hooks.hint?.()));
    }, timeout);
    reactor.ref();
    if (signal?.aborted) this.reject(signal.reason);
    else signal?.addEventListener("abort", this.#onAbort);
  }

  /** Is it settled? */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** It came. Does nothing if the wait is over. */
  resolve(value: T): void {
    if (this.#end()) this.#resolvers.resolve(value);
  }

  /** It won't come. Does nothing if the wait is over. */
  reject(reason: unknown): void {
    // A wait that the caller forgot to await must not end the process.
    if (!this.#end()) return;
    harmless(this.promise);
    this.#resolvers.reject(reason);
  }

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#timer.stop();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#reactor.unref();
    return true;
  }
}
