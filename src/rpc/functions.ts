/**
 * Functions that cross a connection: ours that the peer may call, and the peer's
 * that we may.
 *
 * A function of ours is kept for as long as the peer holds a proxy of it. The
 * peer counts how often it received it and gives the count back when its proxy is
 * garbage, so that a function sent again in the meantime stays. What was exported for a
 * message that isn't received is taken back; what was imported from one that can't be
 * read to its end was never received.
 *
 * @module
 */
import type { AttachmentTable, FunctionTable, ReferenceType } from "../codec/codec.ts";
import { MAX_FUNCTIONS } from "../connection/limits.ts";
import { CodecError, LimitError } from "../errors.ts";
import { show } from "../options.ts";
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

/** Functions of ours that a message brings, once for each time that it does. */
export type Exports = readonly Exported[];

interface Imported {
  readonly proxy: WeakRef<RemoteFunction>;
  received: number;
}

/** See the module. */
export class Functions implements FunctionTable {
  /** See {@linkcode FunctionTable}. */
  readonly references: readonly ReferenceType[];
  /** See {@linkcode FunctionTable}: those of the message that is encoded or decoded. */
  attachments: AttachmentTable | undefined;
  readonly #calls: FunctionCalls;
  readonly #exported = new Map<number, Exported>();
  readonly #ids = new Map<Callable, Exported>();
  readonly #imported = new Map<number, Imported>();
  readonly #garbage: FinalizationRegistry<number>;
  #next = 1;
  /** What the value brings that was encoded last, or is being. */
  #fresh: Exported[] = [];
  /** What the value brought that is being decoded. */
  #read: number[] = [];

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
    const exported = this.#ids.get(value) ?? this.#add(value);
    exported.sent++;
    this.#fresh.push(exported);
    return exported.id;
  }

  #add(value: Callable): Exported {
    if (this.#exported.size >= MAX_FUNCTIONS) {
      throw new LimitError(
        `the other side holds ${MAX_FUNCTIONS} functions of this one, the most there can be: ` +
          "it has to let go of some, or to be given the same ones again",
      );
    }
    while (this.#exported.has(this.#next)) this.#step();
    const exported = { value, scope: captureScope(), id: this.#next, sent: 0 };
    this.#step();
    this.#ids.set(value, exported);
    this.#exported.set(exported.id, exported);
    return exported;
  }

  /** Ids have 32 bits in messages. */
  #step(): void {
    this.#next = (this.#next + 1) >>> 0 || 1;
  }

  /** How many of ours the peer holds, and how many of the peer's are held here. */
  get sizes(): { exported: number; imported: number } {
    return { exported: this.#exported.size, imported: this.#imported.size };
  }

  /** To be called before a value is encoded. */
  beginWriting(): void {
    if (this.#fresh.length > 0) this.#fresh = [];
  }

  /** What the value brings that was just encoded; mostly nothing. */
  takeExports(): Exports | undefined {
    if (this.#fresh.length === 0) return undefined;
    const exports = this.#fresh;
    this.#fresh = [];
    return exports;
  }

  /** The peer doesn't receive what brings these. */
  takeBack(exports: Exports | undefined): void {
    for (const { id } of exports ?? []) this.release(id, 1);
  }

  /** To be called before a value is decoded. */
  beginReading(): void {
    if (this.#read.length > 0) this.#read = [];
  }

  /**
   * What was decoded isn't used: it brought nothing. With `give` the peer is told so; otherwise
   * it takes back by itself what it sent.
   */
  undoReading(give: boolean): void {
    const read = this.#read;
    this.#read = [];
    for (const id of read) {
      const imported = this.#imported.get(id);
      if (imported === undefined) continue;
      if (--imported.received === 0) this.#imported.delete(id);
      if (give) this.#calls.release(id, 1);
    }
  }

  /** See {@linkcode FunctionTable}. */
  importFunction(id: number): RemoteFunction {
    if (typeof id !== "number" || id >>> 0 !== id) {
      throw new CodecError(`${show(id)} is no id of a function`);
    }
    const known = this.#imported.get(id);
    if (known === undefined && this.#imported.size >= MAX_FUNCTIONS) {
      throw new LimitError(
        `this side holds ${MAX_FUNCTIONS} functions of the other, the most there can be`,
      );
    }
    this.#read.push(id);
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
  find(id: unknown): { readonly value: Callable; readonly scope: AsyncScope } | undefined {
    return typeof id === "number" ? this.#exported.get(id) : undefined;
  }

  /** The peer gives a function of ours back. */
  release(id: number, count: number): void {
    const exported = this.#exported.get(id);
    if (exported === undefined || (exported.sent -= count) > 0) return;
    this.#exported.delete(id);
    this.#ids.delete(exported.value);
  }
}
