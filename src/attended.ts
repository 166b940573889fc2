/**
 * A promise that may be forgotten.
 *
 * What nobody awaits and then fails is an unhandled rejection, which ends the process in all
 * runtimes. A forgotten `await` must not do that. A promise of this kind is handled from the
 * start; if it fails and nothing was attached to it, the failure is reported instead. Promises
 * that `then`, `catch` and `finally` make of it are of the same kind.
 *
 * It costs an `await` a few microtasks more, so it is for promises that are settled later, or
 * that have failed.
 *
 * @module
 */

import { startTimeout } from "./timers.ts";

/** Told of a failure that nothing waits for. */
export type Report = (error: unknown) => void;

/** See the module. */
export class AttendedPromise<T> extends Promise<T> {
  #report: Report | undefined;
  #isAttended = false;

  /** What `then` gives is made here, not by the engine. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** The same outcome as `promise`. */
  static of<T>(promise: Promise<T>, report: Report): AttendedPromise<T> {
    const attended = new AttendedPromise<T>((resolve, reject) => {
      promise.then(resolve, reject);
    });
    attended.#report = report;
    attended.#watch();
    return attended;
  }

  #watch(): void {
    const report = this.#report!;
    super.then(undefined, (reason: unknown) => {
      // An `await` in the same turn may still come.
      startTimeout(() => {
        if (!this.#isAttended) report(reason);
      }, 0);
    });
  }

  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#isAttended = true;
    const next = super.then(onFulfilled, onRejected);
    return this.#report === undefined ? next : AttendedPromise.of(next, this.#report);
  }
}
