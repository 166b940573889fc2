/**
 * Event: something has happened, and whoever waits for it goes on.
 *
 * A **manual** event stays set until it is reset; when it becomes set, everybody who
 * waits goes on, also if it is reset at once. An **auto-reset** event lets one waiter
 * go on per `set`; a set that finds nobody waiting is kept for the next, once.
 *
 * @module
 */
import type { WaitOptions } from "../options.ts";
import { CorruptSegmentError, ParameterMismatchError } from "../errors.ts";
import { EventLayout, Kind, Member } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import { checkFlag } from "../options.ts";
import { LOCK_OPTIONS, SharedState } from "./shared_state.ts";
import type { LockOptions, SharedStateKind, SyncWaitOptions } from "./shared_state.ts";

const MODE = EventLayout.mode >> 2;
const STATE = EventLayout.state >> 2;
const SETS = EventLayout.sets >> 2;
const MANUAL = 1;
const AUTO = 2;
/** Changes that others made first are tried again; more than so many times nobody makes them. */
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
  /** Index of the word that counts those who wait here. */
  readonly #waiters: number;
  readonly #attempt = (): true | undefined => this.#take() || undefined;

  private constructor(shared: SharedState) {
    this.#shared = shared;
    this.#words = shared.words;
    this.#waiters = shared.membership.members.word(shared.member, Member.words);
    this.autoReset = this.#words[MODE] === AUTO;
    shared.onCancel = () => this.#passOn();
    shared.onClose = () => this.#passOn();
  }

  /**
   * Opens the event of that name, or makes it. It goes with the last who has it open.
   * An open event doesn't keep the process alive; a wait does.
   *
   * @throws {ParameterMismatchError} It was made with another `autoReset`.
   * @throws {LimitError} 256 have it open.
   * @throws {ArgumentError} An option is out of range.
   */
  static async open(name: string, options: EventOptions = {}): Promise<Event> {
    const autoReset = checkFlag("autoReset", options?.autoReset);
    return new Event(await SharedState.open(name, options, kindOf(name, autoReset), OPTIONS));
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
   * Sets it: everybody who waits goes on; with `autoReset` one.
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
   * Takes it back: who comes now waits.
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
  async wait(options?: WaitOptions): Promise<void> {
    this.#shared.checkOpen();
    const limits = this.#shared.limits(options);
    const attempt = this.#startWaiting();
    try {
      await this.#shared.line.wait(attempt, this.#what, limits);
    } finally {
      this.#endWaiting();
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
    const { timeout } = this.#shared.limits(options);
    const attempt = this.#startWaiting();
    try {
      this.#shared.line.waitSync(attempt, this.#what, timeout);
    } finally {
      this.#endWaiting();
    }
  }

  /** Gives it up, and ends what waits with {@linkcode ClosedError}. Calling it again does nothing. */
  close(): void {
    this.#shared.close();
  }

  /** The same as {@linkcode Event.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  get #what(): string {
    return `waiting for ${this.#shared.what}`;
  }

  /** Counts one more who waits, and says how it is done. */
  #startWaiting(): () => true | undefined {
    if (this.autoReset) {
      this.#count(1);
      this.#trim();
      return this.#attempt;
    }
    const sets = Atomics.load(this.#words, SETS);
    return () => {
      const isOver = Atomics.load(this.#words, STATE) !== 0 ||
        Atomics.load(this.#words, SETS) !== sets;
      return isOver || undefined;
    };
  }

  #endWaiting(): void {
    if (!this.autoReset || this.#shared.isClosed) return;
    this.#count(-1);
    this.#trim();
  }

  /** Only this thread writes the word. */
  #count(change: number): void {
    const words = this.#words;
    Atomics.store(words, this.#waiters, Atomics.load(words, this.#waiters) + change);
  }

  /** Everybody who waits, as far as that can be known. */
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
    throw this.#corrupt();
  }

  /** Who gave up, or died, isn't there to pass any more. */
  #trim(): void {
    const words = this.#words;
    const tickets = Atomics.load(words, STATE);
    if (tickets <= 1) return;
    const most = Math.max(1, this.#allWaiters());
    // Where somebody else was faster, it is for him to do.
    if (tickets > most) Atomics.compareExchange(words, STATE, tickets, most);
  }

  /** Passes, if one may. */
  #take(): boolean {
    const words = this.#words;
    for (let tries = 0; tries < TRIES; tries++) {
      const tickets = Atomics.load(words, STATE);
      if (tickets === 0) return false;
      if (tickets < 0) throw this.#corrupt();
      if (Atomics.compareExchange(words, STATE, tickets, tickets - 1) === tickets) {
        // Several sets may have rung us alone.
        if (tickets > 1) this.#shared.ringOne();
        return true;
      }
    }
    throw this.#corrupt();
  }

  /** One gave up that was rung, perhaps for a set that is still there. */
  #passOn(): void {
    if (this.autoReset && Atomics.load(this.#words, STATE) !== 0) this.#shared.ringOne();
  }

  #corrupt(): CorruptSegmentError {
    const state = Atomics.load(this.#words, STATE);
    return new CorruptSegmentError(`${this.#shared.what} has the state ${state}`);
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
