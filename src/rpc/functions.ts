/**
 * Functions that cross a connection: ours that the peer may call, and the peer's
 * that we may.
 *
 * A function of ours is kept for as long as the peer holds a proxy of it. The
 * peer counts how often it received it and gives the count back when its proxy is
 * garbage, so that a function sent again in the meantime stays.
 *
 * @module
 */
import type { FunctionTable, ReferenceType } from "../codec/codec.ts";
import { captureScope } from "../platform/async_scope.ts";
import type { AsyncScope } from "../platform/async_scope.ts";

type Callable = (...args: never[]) => unknown;

/** A function of the peer, as this side calls it. */
interface RemoteFunction {
  (...args: unknown[]): Promise<unknown>;
  /** Calls it and expects no answer. */
  oneway(...args: unknown[]): boolean;
}

/** What is done with functions of the peer. */
export interface FunctionCalls {
  /** Calls one. */
  call(id: number, args: unknown[]): Promise<unknown>;
  /** Calls one that answers nothing; `held` is its proxy, which lives until then. */
  send(held: unknown, id: number, args: unknown[]): boolean;
  /** Gives one back that was received `count` times. */
  release(id: number, count: number): void;
}

interface Exported {
  readonly value: Callable;
  /** The context of the call that it was passed to first. */
  readonly scope: AsyncScope;
  readonly id: number;
  /** Times it was sent and not given back. */
  sent: number;
}

interface Imported {
  readonly proxy: WeakRef<RemoteFunction>;
  received: number;
}

/** See the module. */
export class Functions implements FunctionTable {
  /** See {@linkcode FunctionTable}. */
  readonly references: readonly ReferenceType[];
  readonly #calls: FunctionCalls;
  readonly #exported = new Map<number, Exported>();
  readonly #ids = new Map<Callable, Exported>();
  readonly #imported = new Map<number, Imported>();
  readonly #garbage: FinalizationRegistry<number>;
  #next = 1;

  /** `references` are the types of objects that cross by reference beside functions. */
  constructor(calls: FunctionCalls, references: readonly ReferenceType[] = []) {
    this.#calls = calls;
    this.references = references;
    this.#garbage = new FinalizationRegistry((id) => {
      const imported = this.#imported.get(id);
      // It may have been received again, with a new proxy.
      if (imported === undefined || imported.proxy.deref() !== undefined) return;
      this.#imported.delete(id);
      calls.release(id, imported.received);
    });
  }

  /** See {@linkcode FunctionTable}. */
  exportFunction(value: Callable): number {
    let exported = this.#ids.get(value);
    if (exported === undefined) {
      exported = { value, scope: captureScope(), id: this.#next++, sent: 0 };
      this.#ids.set(value, exported);
      this.#exported.set(exported.id, exported);
    }
    exported.sent++;
    return exported.id;
  }

  /** See {@linkcode FunctionTable}. */
  importFunction(id: number): RemoteFunction {
    const known = this.#imported.get(id);
    const living = known?.proxy.deref();
    if (living !== undefined) {
      known!.received++;
      return living;
    }
    const proxy = this.#proxy(id);
    this.#imported.set(id, { proxy: new WeakRef(proxy), received: (known?.received ?? 0) + 1 });
    this.#garbage.register(proxy, id);
    return proxy;
  }

  #proxy(id: number): RemoteFunction {
    const calls = this.#calls;
    const proxy: RemoteFunction = (...args) => calls.call(id, args);
    // It holds the proxy, too: taken off, it would outlive the function otherwise.
    proxy.oneway = (...args) => calls.send(proxy, id, args);
    return proxy;
  }

  /** A function of ours that the peer calls. */
  find(id: number): { readonly value: Callable; readonly scope: AsyncScope } | undefined {
    return this.#exported.get(id);
  }

  /** The peer gives a function of ours back. */
  release(id: number, count: number): void {
    const exported = this.#exported.get(id);
    if (exported === undefined || (exported.sent -= count) > 0) return;
    this.#exported.delete(id);
    this.#ids.delete(exported.value);
  }
}
