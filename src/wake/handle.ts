/**
 * A handle: the one life of everything that is opened.
 *
 * A class that users open (a channel, a server, a queue, a lock …) holds one, and leaves to
 * it what all of them need: the realm, a source of the reactor, `ref` and `unref`, calling
 * the user's callbacks, timers and hooks that fail by themselves, and closing.
 *
 *     static open(name, options) {
 *       return Handle.open(
 *         { what: `queue "${name}"`, directory, onError, hasCallbacks: true, signal },
 *         async (handle) => {
 *           const queue = new Queue(handle, …);
 *           handle.onClose(() => queue.#leave());     // in the order in which they are given
 *           handle.attach({ poll: () => queue.#poll(), arm: () => queue.#arm() });
 *           return queue;
 *         },
 *       );
 *     }
 *
 * What holds:
 *
 * - An exception in `poll`, `arm`, a hook or a timer of the handle ends the handle, with
 *   {@linkcode Handle.fail}, and nothing else.
 * - A callback of the user runs in the `AsyncLocalStorage` context in which the handle was
 *   opened. What it throws, or what its promise rejects with, goes to `onError`, and without
 *   one to the console. It ends nothing.
 * - Closing runs every step, whatever the others throw. Then hooks and timers are gone, the
 *   source is removed and the realm released. It never waits: a step that needs the lock of a
 *   folder hands that part to `realm.eventually`.
 * - The process's end closes every handle.
 *
 * @module
 */
import { ClosedError, FilesRemovedError } from "../errors.ts";
import { nameCaller } from "../stacks.ts";
import { errorSink, guarded, peerErrorSink } from "../failures.ts";
import type { ErrorSink, OnError } from "../failures.ts";
import type { AsyncScope } from "../platform/binding.ts";
import { captureScope } from "../platform/async_scope.ts";
import { Polled } from "./reactor.ts";
import type { Reactor } from "./reactor.ts";
import { Realm } from "./realm.ts";
import type { Peer } from "./realm.ts";

/** What a handle is made of. */
export interface HandleOptions {
  /** What messages call it, such as `queue "jobs"`. */
  readonly what: string;
  /** The runtime directory; `undefined`: the default one. */
  readonly directory?: string | undefined;
  /** The user's callback for failures that no caller waits for. */
  readonly onError?: OnError | undefined;
  /** Has the user given callbacks? Their context is kept then. */
  readonly hasCallbacks?: boolean;
  /** Gives up opening. */
  readonly signal?: AbortSignal | undefined;
}

/** What a handle does when its source is polled and armed; see `Source`. */
export interface HandleSource {
  poll(): Polled;
  arm(): boolean;
}

/**
 * Turns of the queue of microtasks until the user has what was opened: each `async` function
 * around `open` takes one to three.
 */
const TURNS_TO_USER = 32;

type Callback<Args extends unknown[]> = ((...args: Args) => unknown) | undefined;

/** See the module. */
export class Handle {
  /** What messages call it. */
  readonly what: string;
  readonly realm: Realm;
  /** The context of the user's callbacks, if there are any. */
  readonly scope: AsyncScope | undefined;
  /** Takes what fails in code of the user that no caller waits for: `onError`, or the console. */
  readonly report: ErrorSink;
  /** Takes what a peer did wrong: `onError`, if there is one. */
  readonly reportPeer: ErrorSink;
  readonly #steps: (() => void)[] = [];
  readonly #timers = new Set<{ stop(): void }>();
  readonly #closer: () => void;
  #index: number | undefined;
  /** What happened before the user had it. */
  #events: (() => void)[] | undefined = [];
  #isHeld = false;
  /** Why it was closed. */
  #reason: unknown;
  #isClosed = false;

  private constructor(realm: Realm, options: HandleOptions, closer: () => void) {
    this.realm = realm;
    this.what = options.what;
    const { onError, hasCallbacks = false } = options;
    this.scope = hasCallbacks || onError !== undefined ? captureScope() : undefined;
    const inScope = onError &&
      ((error: unknown): void => realm.reactor.call(this.scope, onError, undefined, error));
    this.report = errorSink(inScope, this.what);
    this.reportPeer = peerErrorSink(inScope, this.what);
    this.#closer = closer;
  }

  /**
   * Opens something: `make` gets the handle and returns what the user gets. If it fails, or
   * the signal is aborted meanwhile, the handle is closed, with the steps given so far.
   */
  static async open<T>(
    options: HandleOptions,
    make: (handle: Handle) => T | Promise<T>,
  ): Promise<T> {
    const { directory, signal } = options;
    signal?.throwIfAborted();
    let handle: Handle | undefined;
    const closer = (): void => handle?.close();
    const realm = await Realm.acquire(directory, closer);
    try {
      handle = new Handle(realm, options, closer);
      const made = await make(handle);
      signal?.throwIfAborted();
      // What it shares can turn out to be corrupt before its user has it.
      handle.checkOpen();
      void handle.#opened();
      return made;
    } catch (error) {
      if (handle === undefined) realm.release(closer);
      else handle.close(error);
      throw nameCaller(error, Handle.open, "", signal);
    }
  }

  get reactor(): Reactor {
    return this.realm.reactor;
  }

  // ------------------------------------------------------------------- source

  /** Its index in the ready bitmap, by which peers ring it; reserved at the first use. */
  get index(): number {
    return this.#index ??= this.reactor.reserve();
  }

  /** Lets the reactor poll it from now on. */
  attach(source: HandleSource): void {
    this.reactor.attach(this.index, {
      poll: () => this.#isClosed ? Polled.nothing : source.poll(),
      arm: () => this.#isClosed || source.arm(),
      fail: (error) => this.fail(error),
    });
  }

  /** There may be work: it is polled in the next turn. */
  heat(): void {
    if (this.#index !== undefined && !this.#isClosed) this.reactor.heat(this.#index);
  }

  /** Keeps the process alive until {@linkcode Handle.unref} or the end. Twice is once. */
  ref(): void {
    if (this.#isHeld || this.#isClosed) return;
    this.#isHeld = true;
    this.reactor.ref();
  }

  /** Lets the process end. */
  unref(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.reactor.unref();
  }

  // ---------------------------------------------------------- hooks and timers

  /** Runs a task; what it throws ends the handle. */
  guard(task: () => void): void {
    if (this.#isClosed) return;
    try {
      task();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Calls `look` when some node may have died; the function that is returned takes that back. */
  onDeathHint(look: () => void): () => void {
    return this.#hook(this.realm.onDeathHint, look);
  }

  /** Calls `tell` when the realm's files were removed: other processes can't find it any more. */
  onCutOff(tell: () => void): () => void {
    return this.#hook(this.realm.onCutOff, tell);
  }

  /** What it fails with when its files were removed. */
  filesRemoved(): FilesRemovedError {
    return new FilesRemovedError(this.what, this.realm.directory.root);
  }

  /**
   * For what other processes have to find: when the realm's files were removed, the user is told
   * once. Connections need no files, so it goes on while `isInUse`, and ends when it isn't. The
   * function that is returned looks again; to be called when a peer is gone.
   */
  endWhenRemoved(isInUse: () => boolean): () => void {
    let error: FilesRemovedError | undefined;
    const onRemoved = (): void => {
      if (error !== undefined) return;
      error = this.filesRemoved();
      if (!isInUse()) this.close(error);
      this.report(error);
    };
    this.onCutOff(onRemoved);
    // It may have happened while this was opened.
    if (!this.realm.checkFiles()) this.guard(onRemoved);
    const look = (): void => {
      if (!isInUse()) this.close(error);
    };
    return () => {
      // Not in the middle of what is done for the peer that is gone.
      if (error !== undefined) this.startTimer(look, 0);
    };
  }

  /** Calls `tell` once when a peer is proved dead; the same. */
  onPeerDeath(peer: Peer, tell: () => void): () => void {
    return this.#hook(peer.onDeath, tell);
  }

  #hook(hooks: Set<() => void>, task: () => void): () => void {
    const hook = (): void => this.guard(task);
    hooks.add(hook);
    const unhook = (): void => void hooks.delete(hook);
    const forget = this.onClose(unhook);
    return () => {
      unhook();
      forget();
    };
  }

  /** Runs a task later, unless the handle is closed before. Doesn't keep the process alive. */
  startTimer(task: () => void, milliseconds: number): { stop(): void } {
    const { reactor } = this;
    const started = reactor.startLongTimer(() => {
      this.#timers.delete(timer);
      this.guard(task);
    }, milliseconds);
    const timer = {
      stop: (): void => {
        this.#timers.delete(timer);
        started.stop();
      },
    };
    this.#timers.add(timer);
    return timer;
  }

  // ---------------------------------------------------------------- callbacks

  /**
   * Calls a callback of the user, if there is one, in the context in which it was registered.
   * Its failure is reported under its name.
   */
  notify<Args extends unknown[]>(name: string, callback: Callback<Args>, ...args: Args): void {
    if (callback === undefined) return;
    const { reactor, scope } = this;
    guarded(() => reactor.call(scope, callback, undefined, ...args), this.report, name);
  }

  /**
   * The same for what happens to what was opened, such as `onConnect`: not before the user has
   * it, though it may happen before.
   */
  event<Args extends unknown[]>(name: string, callback: Callback<Args>, ...args: Args): void {
    if (callback === undefined) return;
    if (this.#events === undefined) this.notify(name, callback, ...args);
    else this.#events.push(() => this.notify(name, callback, ...args));
  }

  /** Tells the events as soon as the user has it, before anything that arrives is handled. */
  async #opened(): Promise<void> {
    for (let turn = 0; turn < TURNS_TO_USER; turn++) await undefined;
    const events = this.#events ?? [];
    this.#events = undefined;
    for (const event of events) if (!this.#isClosed) event();
  }

  // -------------------------------------------------------------------- the end

  /** Is it closed, or closing? */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why it was closed: a {@linkcode ClosedError}, or what made it fail. */
  get reason(): unknown {
    return this.#reason;
  }

  /** @throws {ClosedError} It was closed; or what made it fail. */
  checkOpen(): void {
    if (this.#isClosed) throw this.#reason;
  }

  /**
   * Adds a step of closing; steps run in the order in which they were added. The function that
   * is returned takes the step back.
   */
  onClose(step: () => void): () => void {
    this.#steps.push(step);
    return () => {
      const at = this.#steps.indexOf(step);
      if (at >= 0) this.#steps.splice(at, 1);
    };
  }

  /** Something that can't go on failed: closes the handle, and reports why. */
  fail(error: unknown): void {
    if (this.#isClosed) return;
    this.close(error);
    // No peer did that, and there may be no call that it could be told to.
    if (error instanceof FilesRemovedError) this.report(error);
    else this.reportPeer(error);
  }

  /** Closes it; see the module. Calling it again does nothing. `reason`: what calls fail with. */
  close(reason?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reason = reason ?? new ClosedError(this.what);
    const { reactor } = this;
    for (const step of this.#steps.splice(0)) this.#closeStep(step);
    for (const timer of [...this.#timers]) this.#closeStep(() => timer.stop());
    if (this.#index !== undefined) reactor.remove(this.#index);
    this.unref();
    this.realm.release(this.#closer);
  }

  #closeStep(step: () => void): void {
    try {
      step();
    } catch (error) {
      // A shortage, or garbage in shared memory: the other steps matter more.
      this.reportPeer(error);
    }
  }
}
