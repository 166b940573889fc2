/**
 * The asynchronous context of a moment: what every `AsyncLocalStorage` holds then.
 *
 * All runtimes have Node's module for it. It is loaded at the first capture, because that takes
 * Deno some milliseconds.
 *
 * @module
 */

/** A captured context. Node's `AsyncResource` is one. */
export interface AsyncScope {
  /** Calls `task` with `self` and `args` in this context. */
  runInAsyncScope<Args extends unknown[], R>(
    task: (...args: Args) => R,
    self: unknown,
    ...args: Args
  ): R;
}

interface AsyncHooks {
  AsyncResource: new (type: string) => AsyncScope;
}

let hooks: AsyncHooks | undefined;

/** The context of the caller. */
export function captureScope(): AsyncScope {
  hooks ??= (globalThis as unknown as {
    process: { getBuiltinModule(name: string): unknown };
  }).process.getBuiltinModule("node:async_hooks") as AsyncHooks;
  return new hooks.AsyncResource("Causeway");
}
