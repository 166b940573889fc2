/**
 * Event: something has happened, and what waits for it goes on.
 *
 * A **manual** event stays set until it is reset; when it becomes set, everything that waits
 * goes on, also if it is reset at once. An **auto-reset** event lets one wait go on per `set`;
 * a set while nothing waits is kept for the next wait, once.
 *
 * @module
 */
import type { WaitOptions } from "../options.ts";
import { CorruptSegmentError, ParameterMismatchError } from "../errors.ts";
import { EventLayout, Kind, Member } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import { checkFlag } from "../options.ts";
import { LOCK_OPTIONS, SharedState } from "./shared_state.ts";
import type {
  LockOptions,
  SharedStateKind,
  SharedStateOwner,
  SyncWaitOptions,
} from "./shared_state.ts";

const MODE = EventLayout.mode >> 2;
const STATE = EventLayout.state >> 2;
const SETS = EventLayout.sets >> 2;
const MANUAL = 1;
const AUTO = 2;
/** A change that another process made first is tried again, so often: more is no real process. */
const TRIES = 1 << 20;

/** Options of {@linkcode Event.open}. */
export interface EventOptions extends LockOptions {
  /** Each set lets one waiter go on. Default false, or what it was made with. */
  autoReset?: boolean;
}

const OPTIONS = [
  ...LOCK_OPTIONS,
  "autoReset",
] as const satisfies readonly (keyof EventOptions)[];

/**
 * A named event.
 *
 * @example
 * ```ts
 * import { Event } from "@causeway/ipc";
 *
 * using ready = await Event.open("ready");
 * ready.set();
 * await ready.wait({ timeout: 1000 });
 * ```
 */
export class Event implements Disposable {
  /** Does each set let one waiter go on? */
  readonly autoReset: boolean;
  readonly #shared: SharedState;
  readonly #words: Int32Array;
  /** Index of the word that counts the waits here; only this thread writes it. */
  readonly #waiters: number;
  readonly #attempt = (): true | undefined => {
    if (!this.#take()) return undefined;
    // It is still in the queue, unless the queue was empty.
    this.#setCount(Math.max(0, this.#shared.waits.length - 1));
    return true;
  };
  /** Of a blocking wait, which is counted by {@linkcode Event.waitSync}. */
  readonly #attemptSync = (): true | undefined => this.#take() || undefined;

  private constructor(shared: SharedState) {
    this.#shared = shared;
    this.#words = shared.words;
    this.#waiters = shared.membership.members.word(shared.member, Member.words);
    this.autoReset = this.#words[MODE] === AUTO;
  }

  /**
   * Opens the event of that name, or makes it. It goes with the last process that has it open.
   * An open event doesn't keep the process alive; a wait does.
   *
   * @throws {ParameterMismatchError} It was made with another `autoReset`.
   * @throws {LimitError} It is open 256 times.
   * @throws {ArgumentError} An option is out of range.
   * @throws {TimeoutError} A process that is stopped holds the lock of its folder.
   */
  static async open(name: string, options: EventOptions = {}): Promise<Event> {
    const autoReset = checkFlag("autoReset", options?.autoReset);
    const make = (shared: SharedState): { made: Event; owner: SharedStateOwner } => {
      const made = new Event(shared);
      const owner: SharedStateOwner = {
        isHeld: () => false,
        onCancel: () => made.#onCancel(),
        onClose: () => made.#passOn(),
      };
      return { made, owner };
    };
    return await SharedState.open(name, options, kindOf(name, autoReset), make, OPTIONS);
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
   * Is it set? With `autoReset`: would a wait end at once?
   *
   * @throws {ClosedError} The event was closed.
   */
  get isSet(): boolean {
    this.#shared.checkOpen();
    return Atomics.load(this.#words, STATE) !== 0;
  }

  /**
   * Sets it: all waits go on; with `autoReset` one.
   *
   * @throws {ClosedError} The event was closed.
   */
  set(): void {
    this.#shared.checkOpen();
    if (this.autoReset) {
      this.#add();
      this.#shared.ringOne();
    } else if (Atomics.exchange(this.#words, STATE, 1) === 0) {
      Atomics.add(this.#words, SETS, 1);
      this.#shared.ringAll();
    }
  }

  /**
   * Takes it back: waits that begin now wait.
   *
   * @throws {ClosedError} The event was closed.
   */
  reset(): void {
    this.#shared.checkOpen();
    Atomics.store(this.#words, STATE, 0);
  }

  /**
   * Waits until it is set; with `autoReset`, until a set is for this one.
   *
   * @throws {TimeoutError} It wasn't set in time.
   * @throws {ClosedError} The event was closed.
   */
  wait(options?: WaitOptions): Promise<void> {
    try {
      this.#shared.checkOpen();
      const limits = this.#shared.limits(options);
      const waiting = this.#shared.wait(this.#newAttempt(this.#attempt), "waiting for", limits);
      // ORDER: counted before it looks again, since a set looks at the count.
      this.#settle();
      return waiting as Promise<unknown> as Promise<void>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The same, blocking the thread.
   *
   * @throws {TimeoutError} It wasn't set in time.
   * @throws {ClosedError} The event was closed.
   */
  waitSync(options?: SyncWaitOptions): void {
    this.#shared.checkOpen();
    const limits = this.#shared.limits(options);
    const attempt = this.#newAttempt(this.#attemptSync);
    if (this.autoReset) this.#setCount(this.#shared.waits.length + 1);
    try {
      this.#shared.waitSync(attempt, "waiting for", limits);
    } finally {
      this.#settle();
    }
  }

  /** Gives it up, and ends its waits with {@linkcode ClosedError}. Calling it again does nothing. */
  close(): void {
    this.#shared.close();
  }

  /** The same as {@linkcode Event.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** How one more wait is done. */
  #newAttempt(taking: () => true | undefined): () => true | undefined {
    if (this.autoReset) return taking;
    const sets = Atomics.load(this.#words, SETS);
    return () => {
      const isOver = Atomics.load(this.#words, STATE) !== 0 ||
        Atomics.load(this.#words, SETS) !== sets;
      return isOver || undefined;
    };
  }

  /** Counts the waits here anew, and takes back what was set for those that are gone. */
  #settle(): void {
    const shared = this.#shared;
    if (!this.autoReset || shared.isClosed) return;
    this.#setCount(shared.waits.length);
    shared.guard(() => this.#trim());
  }

  #setCount(count: number): void {
    Atomics.store(this.#words, this.#waiters, count);
  }

  /** All waits, as far as that can be known. */
  #allWaiters(): number {
    const { members } = this.#shared.membership;
    let count = 0;
    for (let member = 0; member < members.used; member++) {
      if (!members.isJoined(member)) continue;
      count += Math.max(0, Atomics.load(this.#words, members.word(member, Member.words)));
    }
    return count;
  }

  /** One more may pass, but no more than there are to pass, or the next one. */
  #add(): void {
    const words = this.#words;
    const most = Math.max(1, this.#allWaiters());
    for (let tries = 0; tries < TRIES; tries++) {
      const tickets = Atomics.load(words, STATE);
      if (tickets >= most) return;
      if (Atomics.compareExchange(words, STATE, tickets, tickets + 1) === tickets) return;
    }
    this.#corrupt();
  }

  /** Waits that were given up, or whose process died, don't pass any more. */
  #trim(): void {
    const words = this.#words;
    const tickets = Atomics.load(words, STATE);
    if (tickets <= 1) return;
    const most = Math.max(1, this.#allWaiters());
    // Where another process was faster, it does that.
    if (tickets > most) Atomics.compareExchange(words, STATE, tickets, most);
  }

  /** Passes, if one may. */
  #take(): boolean {
    const words = this.#words;
    for (let tries = 0; tries < TRIES; tries++) {
      const tickets = Atomics.load(words, STATE);
      if (tickets === 0) return false;
      if (tickets < 0) this.#corrupt();
      if (Atomics.compareExchange(words, STATE, tickets, tickets - 1) === tickets) {
        // Several sets may have rung us alone.
        if (tickets > 1) this.#shared.ringOne();
        return true;
      }
    }
    this.#corrupt();
  }

  #onCancel(): void {
    this.#settle();
    this.#passOn();
  }

  /** A wait was given up that was rung, perhaps for a set that is still there. */
  #passOn(): void {
    if (this.autoReset && Atomics.load(this.#words, STATE) !== 0) this.#shared.ringOne();
  }

  #corrupt(): never {
    this.#shared.corrupt(`has the state ${Atomics.load(this.#words, STATE)}`);
  }
}

function kindOf(name: string, autoReset: boolean | undefined): SharedStateKind {
  return {
    noun: "event",
    folder: "event",
    kind: Kind.event,
    contended: EventLayout.contended,
    initialise: (segment) => segment.setU32(EventLayout.mode, autoReset ? AUTO : MANUAL),
    check: (segment) => check(segment, name, autoReset),
    recover: ({ words }, _member, waiters) => void Atomics.store(words, waiters, 0),
  };
}

function check(segment: Segment, name: string, autoReset: boolean | undefined): void {
  const mode = segment.u32(EventLayout.mode);
  if (mode !== MANUAL && mode !== AUTO) {
    throw new CorruptSegmentError(`the event "${name}" has the mode ${mode}`);
  }
  const isAuto = mode === AUTO;
  if (autoReset === undefined || autoReset === isAuto) return;
  throw new ParameterMismatchError(`event "${name}"`, "`autoReset`", autoReset, isAuto);
}
