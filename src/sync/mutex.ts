/**
 * Mutex: one at a time, among processes, workers and tasks.
 *
 * Guaranteed: at most one holds it; a holder that dies is noticed, and the next one is told. A
 * holder that is only stopped keeps it. Not guaranteed: an order between processes. A process
 * that comes at the right moment gets it before one that was rung; those that wait are rung in
 * turn. Within an object, waits get it in their order.
 *
 * @module
 */
import type { WaitOptions } from "../options.ts";
import { DeadlockError } from "../errors.ts";
import { ABANDONED, EARLIER, Kind, MAX_MEMBERS, MutexLayout } from "../memory/layout.ts";
import { SharedState } from "./shared_state.ts";
import type {
  LockOptions,
  SharedStateKind,
  SharedStateOwner,
  SyncWaitOptions,
} from "./shared_state.ts";

const OWNER = MutexLayout.owner >> 2;

const MUTEX: SharedStateKind = {
  noun: "mutex",
  folder: "mutex",
  kind: Kind.mutex,
  contended: MutexLayout.contended,
  follows: (segment) => segment.setU32(MutexLayout.owner, EARLIER),
  recover({ words }, member) {
    Atomics.compareExchange(words, OWNER, member + 1, ABANDONED);
  },
};

let release: (mutex: Mutex) => void;

/** A lock that is held, until {@linkcode MutexGuard.unlock} or the end of the `using` block. */
export class MutexGuard implements Disposable, AsyncDisposable {
  /**
   * True if the holder before died, or closed the mutex while it held it, or if that can't be
   * known since its file was removed: what the mutex guards may be half changed.
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
  readonly #ringOne = (): void => this.#shared.ringOne();

  static {
    release = (mutex) => mutex.#unlock();
  }

  private constructor(shared: SharedState) {
    this.#shared = shared;
    this.#words = shared.words;
    this.#mine = shared.member + 1;
  }

  /**
   * Opens the mutex of that name, or makes it. It goes with the last process that has it open.
   * An open mutex doesn't keep the process alive; a wait does.
   *
   * @throws {LimitError} It is open 256 times.
   * @throws {ArgumentError} An option is out of range.
   * @throws {TimeoutError} A process that is stopped holds the lock of its folder.
   */
  static open(name: string, options: LockOptions = {}): Promise<Mutex> {
    return SharedState.open(name, options, MUTEX, (shared) => {
      const mutex = new Mutex(shared);
      const owner: SharedStateOwner = {
        isHeld: () => Atomics.load(mutex.#words, OWNER) === mutex.#mine,
        onCancel: () => mutex.#passOn(),
        onClose: () => mutex.#abandon(),
      };
      return { made: mutex, owner };
    });
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
      return this.#shared.wait(this.#attempt, "locking", this.#shared.limits(options));
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
    const limits = this.#shared.limits(options);
    this.#checkDeadlock();
    return this.#shared.waitSync(this.#attempt, "locking", limits);
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
   * Gives it up, and ends its waits with {@linkcode ClosedError}. If it is held here, the next
   * holder is told as if this one had died. Calling it again does nothing.
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
    if (owner !== 0 && owner !== ABANDONED && this.#isTaken(owner)) return undefined;
    if (Atomics.compareExchange(words, OWNER, owner, this.#mine) !== owner) return undefined;
    return new MutexGuard(this, owner !== 0);
  }

  #isTaken(owner: number): boolean {
    if (owner === EARLIER) return this.#shared.isEarlierInUse;
    if (owner > 0 && owner <= MAX_MEMBERS) return true;
    return this.#shared.corrupt(`is held by a member ${owner >>> 0}`);
  }

  #unlock(): void {
    const shared = this.#shared;
    if (shared.isClosed) return;
    Atomics.compareExchange(this.#words, OWNER, this.#mine, 0);
    shared.guard(this.#ringOne);
    shared.released();
  }

  /** A wait was given up that was rung, perhaps for a lock that is free. */
  #passOn(): void {
    const owner = Atomics.load(this.#words, OWNER);
    if (owner === 0 || owner === ABANDONED) this.#shared.ringOne();
  }

  #abandon(): void {
    // Held or not: this object may have been rung for a lock that is free, and doesn't wait now.
    Atomics.compareExchange(this.#words, OWNER, this.#mine, ABANDONED);
    this.#passOn();
  }

  #checkDeadlock(): void {
    const holder = Atomics.load(this.#words, OWNER) - 1;
    if (holder < 0 || holder >= MAX_MEMBERS || !this.#shared.isOfThisRealm(holder)) return;
    throw new DeadlockError(this.#shared.name, "it is locked already, by this thread");
  }
}
