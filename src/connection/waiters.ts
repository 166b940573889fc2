/**
 * Those who wait for an answer: one awaits, one blocks its thread.
 *
 * @module
 */
import { harmless } from "../failures.ts";
import type { Waiter } from "./calls.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A caller that awaits. */
export class AsyncWaiter implements Waiter {
  readonly timeout: number;
  readonly onUnread: (() => void) | undefined;
  /** The promise that it settles: it is harmless not to await it. */
  promise: Promise<unknown> | undefined;
  readonly #onSettled: () => void;
  readonly #resolve: (payload: Bytes | undefined) => void;
  readonly #reject: (reason: unknown) => void;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(
    onSettled: () => void,
    timeout: number,
    resolve: (payload: Bytes | undefined) => void,
    reject: (reason: unknown) => void,
    onUnread?: () => void,
  ) {
    this.onUnread = onUnread;
    this.#onSettled = onSettled;
    this.timeout = timeout;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  listen(signal: AbortSignal, onAbort: () => void): void {
    this.#signal = signal;
    this.#onAbort = onAbort;
    signal.addEventListener("abort", onAbort);
  }

  resolve(payload: Bytes | undefined): void {
    this.#settle();
    this.#resolve(payload);
  }

  reject(reason: unknown): void {
    this.#settle();
    if (this.promise !== undefined) harmless(this.promise);
    this.#reject(reason);
  }

  #settle(): void {
    this.#onSettled();
    if (this.#signal !== undefined) this.#signal.removeEventListener("abort", this.#onAbort!);
  }
}

/** A caller that blocks. */
export class BlockingWaiter implements Waiter {
  readonly timeout: number;
  done = false;
  failed = false;
  payload: Bytes | undefined;
  reason: unknown;

  readonly onUnread: (() => void) | undefined;

  constructor(timeout: number, onUnread?: () => void) {
    this.timeout = timeout;
    this.onUnread = onUnread;
  }

  resolve(payload: Bytes | undefined): void {
    this.done = true;
    this.payload = payload;
  }

  reject(reason: unknown): void {
    this.done = true;
    this.failed = true;
    this.reason = reason;
  }
}
