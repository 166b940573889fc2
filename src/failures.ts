/**
 * Failures that nobody waits for: where they go, and that they end nothing.
 *
 * There are two kinds. What fails in code of this side (a handler, a callback, a
 * one-way method) goes to `onError`, and without one to `console.error`, once, as a
 * runtime reports a request that failed. What a peer does wrong goes to `onError`, and
 * without one is dropped. Neither is ever an uncaught error or an unhandled rejection:
 * no peer may end this process, and no slip of a user either.
 *
 * @module
 */

/** What users give as `onError`. */
export type OnError = (error: unknown) => void;

/** Takes a failure; `where` names what failed, for the report. */
export type ErrorSink = (error: unknown, where?: string) => void;

/** Takes what fails in code of this side; `what` names what was opened, for the report. */
export function errorSink(onError: OnError | undefined, what?: string): ErrorSink {
  return (error, where) => {
    if (onError === undefined) report(error, what, where);
    else tell(onError, error, what);
  };
}

/** Takes what a peer did wrong. */
export function peerErrorSink(onError: OnError | undefined, what?: string): ErrorSink {
  return (error) => {
    if (onError !== undefined) tell(onError, error, what);
  };
}

/** Runs code of the user; what it throws, or rejects with, goes to the sink. */
export function guarded(task: () => unknown, sink: ErrorSink, where?: string): void {
  try {
    guardedResult(task(), sink, where);
  } catch (error) {
    sink(error, where);
  }
}

/**
 * What code of the user returned that may be asynchronous: what it rejects with goes to the sink.
 * If it goes on, returns a promise that resolves at its end, however it ends.
 */
export function guardedResult(
  result: unknown,
  sink: ErrorSink,
  where?: string,
): Promise<unknown> | undefined {
  if (!isPromiseLike(result)) return undefined;
  return Promise.resolve(result).catch((error: unknown) => sink(error, where));
}

/** Makes it harmless that nobody waits for a promise. Whoever awaits it still gets its failure. */
export function harmless<P extends Promise<unknown>>(promise: P): P {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}

/**
 * The same for the promise of an asynchronous function, at no cost as long as it doesn't
 * fail: the function says so before it throws. (A second handler from the start would
 * also hide the caller's line from V8's stacks.)
 */
export class OwnPromise {
  #promise: Promise<unknown> | undefined;
  #fails = false;

  /** Tells the promise that the function gave. */
  is<P extends Promise<unknown>>(promise: P): P {
    this.#promise = promise;
    return this.#fails ? harmless(promise) : promise;
  }

  /** The function is about to throw this. */
  fails(error: unknown): unknown {
    this.#fails = true;
    if (this.#promise !== undefined) harmless(this.#promise);
    return error;
  }
}

/** Also for promises of another realm, and of libraries. */
export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

function tell(onError: OnError, error: unknown, what: string | undefined): void {
  guarded(() => onError(error), (failure) => {
    report(error, what);
    report(failure, what, "onError");
  });
}

/** On the console, which may be the user's own and throw, too. */
function report(error: unknown, what = "@causeway/ipc", where?: string): void {
  try {
    console.error(
      `${what}${where === undefined ? "" : `, ${where}`}: a failure that nobody waits for:`,
      error,
    );
  } catch {
    // There is nowhere left to tell it.
  }
}
