/**
 * Mutex: one at a time, among processes, workers and tasks.
 *
 * Guaranteed: at most one holds it; a holder that dies is noticed, and the next one is
 * told. A holder that is only stopped keeps it. Not guaranteed: an order between
 * processes. Whoever comes at the right moment gets it, also before one that was rung;
 * who waits is rung in turn. Within an object, those who wait get it in their order.
 *
 * @module
 */
import type { WaitOptions } from "../options.ts";
import { CorruptSegmentError, DeadlockError } from "../errors.ts";
import { ABANDONED, Kind, MAX_MEMBERS, MutexLayout } from "../memory/layout.ts";
import { SharedState } from "./shared_state.ts";
import type { LockOptions, SharedStateKind, SyncWaitOptions } from "./shared_state.ts";

const OWNER = MutexLayout.owner >> 2;

const MUTEX: SharedStateKind = {
  noun: "mutex",
  folder: "mutex",
  kind: Kind.mutex,
  contended: MutexLayout.contended,
  recover({ words }, member) {
    Atomics.compareExchange(words, OWNER, member + 1, ABANDONED);
  },
};

let release: (mutex: Mutex) => void;

/** A lock that is held, until {@linkcode MutexGuard.unlock} or the end of the `using` block. */
export class MutexGuard implements Disposable, AsyncDisposable {
  /**
   * True if the holder before died or closed the mutex while it held it: what the mutex guards
   * may be half changed.
   */
  readonly recovered: boolean;
  #mutex: Mutex | undefined;

  /** Made by {@linkcode Mutex}. */
  constructor(mutex: Mutex, recovered: boolean) {
    this.#mutex = mutex;
    this.recovered = recovered;
  }

  /** Lets go. Calling it again does nothing. */
  unlock(): void {
    const mutex = this.#mutex;
    if (mutex === undefined) return;
    this.#mutex = undefined;
    release(mutex);
  }

  /** The same as {@linkcode MutexGuard.unlock}. */
  [Symbol.dispose](): void {
    this.unlock();
  }

  /** The same as {@linkcode MutexGuard.unlock}. */
  [Symbol.asyncDispose](): Promise<void> {
    this.unlock();
    return Promise.resolve();
  }
}

/**
 * A named mutex.
 *
 * @example
 * ```ts
 * import { Mutex } from "@causeway/ipc";
 *
 * using mutex = await Mutex.open("ledger");
 * using guard = await mutex.lock({ timeout: 1000 });
 * if (guard.recovered) console.log("the last one died in the middle of it");
 * ```
 */
export class Mutex implements Disposable {
  readonly #shared: SharedState;
  readonly #words: Int32Array;
  /** The owner word when this object holds it. */
  readonly #mine: number;
  readonly #attempt = (): MutexGuard | undefined => this.#try();

  static {
    release = (mutex) => mutex.#unlock();
  }

  private constructor(shared: SharedState) {
    this.#shared = shared;
    this.#words = shared.words;
    this.#mine = shared.member + 1;
    shared.onCancel = () => this.#passOn();
    shared.onClose = () => this.#abandon();
  }

  /**
   * Opens the mutex of that name, or makes it. It goes with the last who has it open.
   * An open mutex doesn't keep the process alive; a wait does.
   *
   * @throws {LimitError} 256 have it open.
   * @throws {ArgumentError} An option is out of range.
   */
  static async open(name: string, options: LockOptions = {}): Promise<Mutex> {
    return new Mutex(await SharedState.open(name, options, MUTEX));
  }

  /** The name it was opened with. */
  get name(): string {
    return this.#shared.name;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#shared.isClosed;
  }

  /**
   * Waits until it has the lock. It isn't recursive: a second call waits for the first
   * one's guard.
   *
   * @throws {TimeoutError} It didn't get it in time.
   * @throws {ClosedError} The mutex was closed.
   */
  lock(options?: WaitOptions): Promise<MutexGuard> {
    try {
      this.#shared.checkOpen();
      const limits = this.#shared.limits(options);
      return this.#shared.line.wait(this.#attempt, `locking ${this.#shared.what}`, limits);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The same, blocking the thread.
   *
   * @throws {TimeoutError} It didn't get it in time.
   * @throws {DeadlockError} This thread holds it already.
   * @throws {ClosedError} The mutex was closed.
   */
  lockSync(options?: SyncWaitOptions): MutexGuard {
    this.#shared.checkOpen();
    const guard = this.#try();
    if (guard !== undefined) return guard;
    const { timeout } = this.#shared.limits(options);
    this.#checkDeadlock();
    return this.#shared.line.waitSync(this.#attempt, `locking ${this.#shared.what}`, timeout);
  }

  /**
   * The lock if it is free, else `undefined`.
   *
   * @throws {ClosedError} The mutex was closed.
   */
  tryLock(): MutexGuard | undefined {
    this.#shared.checkOpen();
    return this.#try();
  }

  /**
   * Gives it up, and ends what waits with {@linkcode ClosedError}. If it is held here,
   * the next holder is told as if this one had died. Calling it again does nothing.
   */
  close(): void {
    this.#shared.close();
  }

  /** The same as {@linkcode Mutex.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #try(): MutexGuard | undefined {
    const words = this.#words;
    const owner = Atomics.load(words, OWNER);
    if (owner !== 0 && owner !== ABANDONED) {
      if (owner < 0 || owner > MAX_MEMBERS) this.#corrupt(owner);
      return undefined;
    }
    if (Atomics.compareExchange(words, OWNER, owner, this.#mine) !== owner) return undefined;
    return new MutexGuard(this, owner !== 0);
  }

  #corrupt(owner: number): never {
    throw new CorruptSegmentError(`${this.#shared.what} is held by a member ${owner >>> 0}`);
  }

  #unlock(): void {
    if (this.#shared.isClosed) return;
    Atomics.compareExchange(this.#words, OWNER, this.#mine, 0);
    this.#shared.ringOne();
  }

  /** One gave up that was rung, perhaps for a lock that is free. */
  #passOn(): void {
    const owner = Atomics.load(this.#words, OWNER);
    if (owner === 0 || owner === ABANDONED) this.#shared.ringOne();
  }

  #abandon(): void {
    const mine = this.#mine;
    if (Atomics.compareExchange(this.#words, OWNER, mine, ABANDONED) === mine) {
      this.#shared.ringOne();
    }
    // We may have been rung, and don't wait any more.
    this.#passOn();
  }

  #checkDeadlock(): void {
    const holder = Atomics.load(this.#words, OWNER) - 1;
    if (holder < 0 || holder >= MAX_MEMBERS || !this.#shared.isOfThisRealm(holder)) return;
    throw new DeadlockError(this.#shared.name, "it is locked already, by this thread");
  }
}
