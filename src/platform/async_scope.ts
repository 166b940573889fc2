/**
 * The asynchronous context of a moment: what every `AsyncLocalStorage` holds then.
 *
 * All runtimes have Node's `AsyncResource` for it. In Deno that takes 0.6 µs for each entry (it
 * keeps a stack of resources, which nothing here needs), and 30 ms for the first, when `process`
 * and the module are loaded. V8 holds the whole context in one slot, which V8 itself carries
 * through promises (`Isolate::SetContinuationPreservedEmbedderData`); Deno shows the slot to its
 * own library, and we save and restore it in the same way.
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

/** V8's slot, as Deno shows it to its own library. */
interface ContextSlot {
  getAsyncContext(): unknown;
  setAsyncContext(context: unknown): void;
}

declare const Deno: { readonly internal: symbol } | undefined;

let capture: (() => AsyncScope) | undefined;

/** The context of the caller. */
export function captureScope(): AsyncScope {
  capture ??= captureByDeno() ?? captureByNode();
  return capture();
}

function captureByNode(): () => AsyncScope {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): unknown };
  };
  const { AsyncResource } = process.getBuiltinModule("node:async_hooks") as AsyncHooks;
  return () => new AsyncResource("Causeway");
}

function captureByDeno(): (() => AsyncScope) | undefined {
  if (typeof Deno === "undefined") return undefined;
  const { core } = (Deno as unknown as Record<symbol, { core?: Partial<ContextSlot> }>)[
    Deno.internal
  ] ?? {};
  // It is no public function: a Deno that has it no more, or another one by its name, goes
  // Node's way.
  if (core === undefined || !isContextSlot(core)) return undefined;
  return () => new SlotScope(core);
}

/** Is what is set there what promises carry on? V8's own functions are native ones. */
function isContextSlot(core: Partial<ContextSlot>): core is ContextSlot {
  const { getAsyncContext, setAsyncContext } = core;
  return [getAsyncContext, setAsyncContext].every((slot) =>
    typeof slot === "function" && /ContinuationPreservedEmbedderData\W.*\[native code\]/s.test(
      Function.prototype.toString.call(slot),
    )
  );
}

class SlotScope implements AsyncScope {
  readonly #slot: ContextSlot;
  readonly #context: unknown;

  constructor(slot: ContextSlot) {
    this.#slot = slot;
    this.#context = slot.getAsyncContext();
  }

  runInAsyncScope<Args extends unknown[], R>(
    task: (...args: Args) => R,
    self: unknown,
    ...args: Args
  ): R {
    const slot = this.#slot;
    const outer = slot.getAsyncContext();
    slot.setAsyncContext(this.#context);
    try {
      return Reflect.apply(task, self, args);
    } finally {
      slot.setAsyncContext(outer);
    }
  }
}
