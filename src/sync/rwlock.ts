/**
 * RwLock: many readers, or one writer, among processes, workers and tasks.
 *
 * Each member has a word that counts its readers; a writer takes the one writer word
 * and then waits until all of those are 0. A reader counts itself first and looks at
 * the writer word afterwards, a writer the other way round, so one of them sees the
 * other. What a member holds is in its own word, so it can be taken back when the member
 * is dead.
 *
 * Guaranteed: a writer is alone; a new reader waits for a writer that waits, so readers
 * can't keep writers out; the next writer is told when one died writing. Not
 * guaranteed: an order among writers, and that writers leave a turn to readers.
 *
 * @module
 */
import type { WaitOptions } from "../options.ts";
import { DeadlockError } from "../errors.ts";
import {
  ABANDONED,
  EARLIER,
  Kind,
  MAX_MEMBERS,
  Member,
  RwLockLayout,
  WRITING,
} from "../memory/layout.ts";
import { SharedState } from "./shared_state.ts";
import type {
  LockOptions,
  SharedStateKind,
  SharedStateOwner,
  SyncWaitOptions,
} from "./shared_state.ts";

const WRITER = RwLockLayout.writer >> 2;
/** The member in the writer word. */
const WHO = 0x3fff_ffff;

const RWLOCK: SharedStateKind = {
  noun: "read-write lock",
  folder: "rwlock",
  kind: Kind.rwlock,
  contended: RwLockLayout.contended,
  follows: (segment) => segment.setU32(RwLockLayout.writer, EARLIER | WRITING),
  recover({ words }, member, readers) {
    Atomics.store(words, readers, 0);
    const writer = Atomics.load(words, WRITER);
    if ((writer & WHO) !== member + 1) return;
    // A member that only waited to write changed nothing, but may have had to be told.
    const left = (writer & WRITING) !== 0 ? ABANDONED : writer & ABANDONED;
    Atomics.compareExchange(words, WRITER, writer, left);
  },
};

let releaseRead: (lock: RwLock) => void;
let releaseWrite: (lock: RwLock) => void;

/** A read lock that is held, until {@linkcode ReadGuard.unlock} or the end of the `using` block. */
export class ReadGuard implements Disposable, AsyncDisposable {
  #lock: RwLock | undefined;

  /** Made by {@linkcode RwLock}. */
  constructor(lock: RwLock) {
    this.#lock = lock;
  }

  /** Lets go. Calling it again does nothing. */
  unlock(): void {
    const lock = this.#lock;
    if (lock === undefined) return;
    this.#lock = undefined;
    releaseRead(lock);
  }

  /** The same as {@linkcode ReadGuard.unlock}. */
  [Symbol.dispose](): void {
    this.unlock();
  }

  /** The same as {@linkcode ReadGuard.unlock}. */
  [Symbol.asyncDispose](): Promise<void> {
    this.unlock();
    return Promise.resolve();
  }
}

/** A write lock that is held, until {@linkcode WriteGuard.unlock} or the end of the `using` block. */
export class WriteGuard implements Disposable, AsyncDisposable {
  /**
   * True if the writer before died, or closed the lock while it wrote, or if that can't be known
   * since its file was removed: what the lock guards may be half changed. Readers in between weren't told.
   */
  readonly recovered: boolean;
  #lock: RwLock | undefined;

  /** Made by {@linkcode RwLock}. */
  constructor(lock: RwLock, recovered: boolean) {
    this.#lock = lock;
    this.recovered = recovered;
  }

  /** Lets go. Calling it again does nothing. */
  unlock(): void {
    const lock = this.#lock;
    if (lock === undefined) return;
    this.#lock = undefined;
    releaseWrite(lock);
  }

  /** The same as {@linkcode WriteGuard.unlock}. */
  [Symbol.dispose](): void {
    this.unlock();
  }

  /** The same as {@linkcode WriteGuard.unlock}. */
  [Symbol.asyncDispose](): Promise<void> {
    this.unlock();
    return Promise.resolve();
  }
}

/**
 * A named read-write lock.
 *
 * @example
 * ```ts
 * import { RwLock } from "@causeway/ipc";
 *
 * using lock = await RwLock.open("settings");
 * {
 *   using _reading = await lock.read();
 * }
 * {
 *   using writing = await lock.write({ timeout: 1000 });
 *   if (writing.recovered) console.log("the last writer died in the middle of it");
 * }
 * ```
 */
export class RwLock implements Disposable {
  readonly #shared: SharedState;
  readonly #words: Int32Array;
  /** Index of the word that counts our readers. */
  readonly #readers: number;
  readonly #mine: number;
  /** What this object holds. The word in shared memory is for others: this counts. */
  #reading = 0;
  /** The writer word is ours, and readers have to leave. */
  #claimed = false;
  /** Of a wait whose turn it is: so no wait before it is for writing any more. */
  readonly #attemptRead = (): ReadGuard | undefined => {
    this.#giveUpClaim();
    return this.#tryReading();
  };
  readonly #attemptWrite = (): WriteGuard | undefined => this.#tryWriting();

  static {
    releaseRead = (lock) => lock.#unlockRead();
    releaseWrite = (lock) => lock.#unlockWrite();
  }

  private constructor(shared: SharedState) {
    this.#shared = shared;
    this.#words = shared.words;
    this.#readers = shared.membership.members.word(shared.member, Member.words);
    this.#mine = shared.member + 1;
  }

  /**
   * Opens the lock of that name, or makes it. It goes with the last process that has it open.
   * An open lock doesn't keep the process alive; a wait does.
   *
   * @throws {LimitError} It is open 256 times.
   * @throws {ArgumentError} An option is out of range.
   * @throws {TimeoutError} A process that is stopped holds the lock of its folder.
   */
  static open(name: string, options: LockOptions = {}): Promise<RwLock> {
    return SharedState.open(name, options, RWLOCK, (shared) => {
      const lock = new RwLock(shared);
      const owner: SharedStateOwner = {
        isHeld: () => lock.#isHeld(),
        onCancel: () => lock.#onCancel(),
        onClose: () => lock.#onClose(),
      };
      return { made: lock, owner };
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
   * Waits until it may read. Don't ask for a second read lock while you hold one: a
   * writer that waits in between would let both wait for ever.
   *
   * @throws {TimeoutError} It didn't get it in time.
   * @throws {ClosedError} The lock was closed.
   */
  read(options?: WaitOptions): Promise<ReadGuard> {
    return this.#wait(this.#attemptRead, "reading", options);
  }

  /**
   * The same, blocking the thread.
   *
   * @throws {TimeoutError} It didn't get it in time.
   * @throws {DeadlockError} This thread is writing, or waits for that: it could do neither
   * while it is blocked.
   * @throws {ClosedError} The lock was closed.
   */
  readSync(options?: SyncWaitOptions): ReadGuard {
    this.#shared.checkOpen();
    return this.#tryReading() ?? this.#waitSync(this.#attemptRead, "reading", options);
  }

  /**
   * A read lock if nothing writes or waits to write, else `undefined`.
   *
   * @throws {ClosedError} The lock was closed.
   */
  tryRead(): ReadGuard | undefined {
    this.#shared.checkOpen();
    return this.#tryReading();
  }

  /**
   * Waits until it may write. New readers wait from then on.
   *
   * @throws {TimeoutError} It didn't get it in time.
   * @throws {ClosedError} The lock was closed.
   */
  write(options?: WaitOptions): Promise<WriteGuard> {
    return this.#wait(this.#attemptWrite, "writing", options);
  }

  /**
   * The same, blocking the thread.
   *
   * @throws {TimeoutError} It didn't get it in time.
   * @throws {DeadlockError} This thread is reading or writing.
   * @throws {ClosedError} The lock was closed.
   */
  writeSync(options?: SyncWaitOptions): WriteGuard {
    this.#shared.checkOpen();
    try {
      return this.#tryWriting() ?? this.#waitSync(this.#attemptWrite, "writing", options);
    } finally {
      this.#settleClaim();
    }
  }

  /**
   * A write lock if nothing reads or writes, else `undefined`.
   *
   * @throws {ClosedError} The lock was closed.
   */
  tryWrite(): WriteGuard | undefined {
    this.#shared.checkOpen();
    const wasClaimed = this.#claimed;
    const guard = this.#tryWriting();
    if (guard === undefined && !wasClaimed) this.#giveUpClaim();
    return guard;
  }

  /**
   * Gives it up, and ends its waits with {@linkcode ClosedError}. If it is written under here,
   * the next writer is told as if this one had died. Calling it again does nothing.
   */
  close(): void {
    this.#shared.close();
  }

  /** The same as {@linkcode RwLock.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #wait<T>(attempt: () => T | undefined, how: string, options?: WaitOptions): Promise<T> {
    try {
      this.#shared.checkOpen();
      const limits = this.#shared.limits(options);
      const waiting = this.#shared.wait(attempt, `${how} under`, limits);
      if (limits.timeout === 0) this.#settleClaim();
      return waiting;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #waitSync<T>(attempt: () => T | undefined, how: string, options?: SyncWaitOptions): T {
    const limits = this.#shared.limits(options);
    this.#checkDeadlock(how === "writing");
    return this.#shared.waitSync(attempt, `${how} under`, limits);
  }

  // ------------------------------------------------------------------- reading

  #tryReading(): ReadGuard | undefined {
    const words = this.#words;
    // Also if the claim is our own: then a writer of ours waits.
    if ((this.#writer() & WHO) !== 0) return undefined;
    Atomics.store(words, this.#readers, ++this.#reading);
    // ORDER: counted, then looked again; a writer claims the word, then looks at the counts.
    if ((Atomics.load(words, WRITER) & WHO) === 0) return new ReadGuard(this);
    this.#unlockRead();
    return undefined;
  }

  #unlockRead(): void {
    if (this.#shared.isClosed) return;
    Atomics.store(this.#words, this.#readers, --this.#reading);
    if (this.#reading > 0) return;
    this.#shared.guard(this.#ringWriter);
    this.#shared.released();
  }

  readonly #ringWriter = (): void => {
    const writer = (Atomics.load(this.#words, WRITER) & WHO) - 1;
    if (writer < 0 || writer >= MAX_MEMBERS) return;
    const { members } = this.#shared.membership;
    if (members.isJoined(writer) && members.takeWaiting(writer)) members.ring(writer);
  };

  // ------------------------------------------------------------------- writing

  #tryWriting(): WriteGuard | undefined {
    const words = this.#words;
    if (!this.#claimed) {
      const writer = this.#writer();
      if ((writer & WHO) !== 0) return undefined;
      const claim = writer | this.#mine;
      if (Atomics.compareExchange(words, WRITER, writer, claim) !== writer) return undefined;
      this.#claimed = true;
    }
    if (this.#isAnyReading()) return undefined;
    const recovered = (Atomics.load(words, WRITER) & ABANDONED) !== 0;
    Atomics.store(words, WRITER, this.#mine | WRITING);
    this.#claimed = false;
    return new WriteGuard(this, recovered);
  }

  #isAnyReading(): boolean {
    const { members } = this.#shared.membership;
    const { used } = members;
    for (let member = 0; member < used; member++) {
      const readers = Atomics.load(this.#words, members.word(member, Member.words));
      if (readers !== 0 && members.isJoined(member)) return true;
    }
    return false;
  }

  #unlockWrite(): void {
    if (this.#shared.isClosed) return;
    Atomics.compareExchange(this.#words, WRITER, this.#mine | WRITING, 0);
    this.#shared.guard(this.#ringAll);
    this.#shared.released();
  }

  readonly #ringAll = (): void => this.#shared.ringAll();

  /** Lets others go first that could go at once. */
  #giveUpClaim(): void {
    if (!this.#claimed) return;
    this.#claimed = false;
    Atomics.and(this.#words, WRITER, ABANDONED);
    this.#shared.ringAll();
  }

  /** The wait that made the claim may be over: the claim is for the first wait, if that writes. */
  #settleClaim(): void {
    if (!this.#claimed || this.#shared.isClosed) return;
    const { waits } = this.#shared;
    waits.poll();
    if (waits.length === 0) this.#giveUpClaim();
  }

  // ---------------------------------------------------------------------- both

  #isHeld(): boolean {
    return this.#reading > 0 || Atomics.load(this.#words, WRITER) === (this.#mine | WRITING);
  }

  #writer(): number {
    const writer = Atomics.load(this.#words, WRITER);
    const who = writer & WHO;
    if (who <= MAX_MEMBERS && (who !== 0 || (writer & WRITING) === 0)) return writer;
    if (writer === (EARLIER | WRITING)) {
      if (this.#shared.isEarlierInUse) return writer;
      Atomics.compareExchange(this.#words, WRITER, writer, ABANDONED);
      return Atomics.load(this.#words, WRITER);
    }
    return this.#shared.corrupt(`is written by a member ${who}`);
  }

  /** A wait was given up that may have had the claim, or was rung. */
  #onCancel(): void {
    this.#settleClaim();
    if ((Atomics.load(this.#words, WRITER) & WHO) === 0) this.#shared.ringAll();
  }

  #onClose(): void {
    const words = this.#words;
    this.#reading = 0;
    Atomics.store(words, this.#readers, 0);
    Atomics.compareExchange(words, WRITER, this.#mine | WRITING, ABANDONED);
    if (this.#claimed) Atomics.and(words, WRITER, ABANDONED);
    this.#claimed = false;
    // For all that wait for one of these, or would have been rung after us.
    this.#shared.membership.members.ringWaiting();
  }

  /** What this realm holds or has claimed isn't given back while its thread is blocked. */
  #checkDeadlock(writing: boolean): void {
    const who = (Atomics.load(this.#words, WRITER) & WHO) - 1;
    const isWriting = who >= 0 && who < MAX_MEMBERS && !(writing && this.#claimed) &&
      this.#shared.isOfThisRealm(who);
    if (!isWriting && !(writing && this.#isReadingHere())) return;
    const holds = isWriting ? "writing" : "reading";
    throw new DeadlockError(this.#shared.name, `this thread is ${holds} under it, or about to`);
  }

  #isReadingHere(): boolean {
    const { members } = this.#shared.membership;
    for (let member = 0; member < members.used; member++) {
      const readers = Atomics.load(this.#words, members.word(member, Member.words));
      if (readers !== 0 && members.isJoined(member) && this.#shared.isOfThisRealm(member)) {
        return true;
      }
    }
    return false;
  }
}
