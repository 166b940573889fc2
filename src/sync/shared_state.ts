/**
 * What locks and events have in common: a membership on a handle, the waits of this realm, and
 * how the others are rung.
 *
 * A waiter sets the waiting flag of its member, then the `contended` word, then looks again. A
 * change of what it waits for looks at `contended` afterwards. So one of the two sees the other,
 * and without waiters a change costs one look.
 *
 * @module
 */
import { readClock } from "../timers.ts";
import { checkOptions, checkTimeout } from "../options.ts";
import { CorruptSegmentError, TimeoutError } from "../errors.ts";
import type { FilesRemovedError } from "../errors.ts";
import { Member, MembershipLayout } from "../memory/layout.ts";
import type { Kind } from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import { Membership } from "../membership/membership.ts";
import type { MembershipHooks, MembershipParameters } from "../membership/membership.ts";
import { Handle } from "../wake/handle.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import type { Attempt, WaitLimits } from "../wake/wait_queue.ts";

/** Options of everything that is opened here. */
export interface LockOptions {
  /** Milliseconds that waits last, unless they say otherwise. Default: without a limit. */
  timeout?: number;
  /** The runtime directory: an absolute path. Default: `CAUSEWAY_DIR`, or a private one of the user. */
  directory?: string;
  /** Gives up opening. */
  signal?: AbortSignal;
}

/** The names of {@linkcode LockOptions}. */
export const LOCK_OPTIONS = [
  "timeout",
  "directory",
  "signal",
] as const satisfies readonly (keyof LockOptions)[];
/** How often a wait looks whether an earlier lock of that name is still in use, in ms. */
const EARLIER_LOOK = 50;
const WAIT_OPTIONS = ["timeout", "signal"];

/** How to wait, blocking the thread. */
export interface SyncWaitOptions {
  /** Milliseconds; `Infinity` waits without a limit. */
  timeout?: number;
}

/** What sort of thing it is. The hooks are called under the lock of the folder. */
export interface SharedStateKind {
  /** As messages call it. */
  readonly noun: string;
  readonly folder: string;
  readonly kind: Kind;
  /** Offset of the `contended` word. */
  readonly contended: number;
  initialise?(segment: Segment): void;
  /**
   * A lock: while another of that name is in use, whose file was removed, a new one says so in
   * its word, and isn't given to anyone.
   */
  follows?(segment: Segment): void;
  check?(segment: Segment): void;
  /** Puts right what a dead member left; `word` is the index of its first own word. */
  recover(segment: Segment, member: number, word: number): void;
}

/** What a lock or an event adds. */
export interface SharedStateOwner {
  /** Is it held through this object? */
  isHeld(): boolean;
  /** A wait was given up that may have been rung: others may have to be. */
  onCancel(): void;
  /** It closes: what is held is given back. */
  onClose(): void;
}

/** See the module. */
export class SharedState {
  readonly name: string;
  readonly membership: Membership;
  /** Words of the segment. */
  readonly words: Int32Array;
  /** The waits of this realm. */
  readonly waits: WaitQueue;
  readonly #handle: Handle;
  readonly #contended: number;
  readonly #timeout: number;
  #owner: SharedStateOwner | undefined;
  /** Its files were removed while it was held: it ends when it is given back. */
  #removed: FilesRemovedError | undefined;
  /** Looks for an earlier one from time to time, while something waits for that. */
  #look: { stop(): void } | undefined;
  #hasAsked = false;

  private constructor(
    handle: Handle,
    membership: Membership,
    name: string,
    kind: SharedStateKind,
    timeout: number,
  ) {
    this.name = name;
    this.membership = membership;
    this.words = membership.segment.words;
    this.#handle = handle;
    this.#contended = kind.contended >> 2;
    this.#timeout = timeout;
    this.waits = new WaitQueue(
      handle.reactor,
      handle.index,
      () => this.#setWaiting(),
      () => this.guard(() => this.#owner?.onCancel()),
    );
    handle.onClose(() => this.waits.fail(handle.reason));
    handle.onClose(() => this.#owner?.onClose());
    handle.onClose(() => membership.leave());
    handle.attach(this.waits);
  }

  /** Opens or makes it, for what `make` returns. */
  static async open<T>(
    name: string,
    options: LockOptions,
    kind: SharedStateKind,
    make: (shared: SharedState) => { made: T; owner: SharedStateOwner },
    known: readonly string[] = LOCK_OPTIONS,
  ): Promise<T> {
    checkOptions(options, known);
    const { directory, signal } = options;
    const timeout = checkTimeout(options.timeout, Infinity);
    const encoded = await encodeName(checkName(name));
    const what = `${kind.noun} "${name}"`;
    return await Handle.open({ what, directory, signal }, async (handle) => {
      const parameters = parametersOf(name, encoded, kind);
      const hooks: MembershipHooks = {
        ...hooksOf(kind),
        onRemoved: (error) => shared.#onRemoved(error),
      };
      const membership = await Membership.open(handle, parameters, hooks, signal);
      const shared = new SharedState(handle, membership, name, kind, timeout);
      const { made, owner } = make(shared);
      shared.#owner = owner;
      return made;
    });
  }

  /** As messages call it. */
  get what(): string {
    return this.#handle.what;
  }

  get isClosed(): boolean {
    return this.#handle.isClosed;
  }

  /** Our slot among the members. */
  get member(): number {
    return this.membership.index;
  }

  /** @throws {ClosedError} It was closed; or what made it fail. */
  checkOpen(): void {
    if (this.#removed !== undefined) throw this.#removed;
    this.#handle.checkOpen();
  }

  /**
   * Others can't find it any more, and those that come make a new one. What is held stays held,
   * also against the new one, until it is given back.
   */
  #onRemoved(error: FilesRemovedError): void {
    if (this.#removed !== undefined) return;
    if (this.#owner?.isHeld() !== true) return this.#handle.fail(error);
    this.#removed = error;
    this.waits.fail(error);
  }

  /** To be called when something was given back. */
  released(): void {
    if (this.#removed !== undefined && this.#owner?.isHeld() !== true) {
      this.#handle.fail(this.#removed);
    }
  }

  /** May an earlier lock of that name, whose file was removed, still be held? Costs a system call. */
  get isEarlierInUse(): boolean {
    return this.membership.isEarlierInUse;
  }

  /** Processes that use the earlier lock and don't hold it give it up when they look. */
  #askEarlier(): void {
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    this.#handle.realm.askAll();
  }

  /** Nothing rings when an earlier lock is given back: a wait has to look. */
  #lookLater(): void {
    if (this.#look !== undefined || !this.isEarlierInUse) return;
    this.#askEarlier();
    this.#look = this.#handle.startTimer(() => {
      this.#look = undefined;
      this.#handle.heat();
    }, EARLIER_LOOK);
  }

  /** Runs a task; what it throws ends the lock, and the calls that come later are told. */
  guard(task: () => void): void {
    this.#handle.guard(task);
  }

  /** A word in shared memory makes no sense: ends the lock in this process. */
  corrupt(message: string): never {
    const error = new CorruptSegmentError(`${this.what} ${message}`);
    this.#handle.fail(error);
    throw error;
  }

  /** Checks how to wait. */
  limits(options: { timeout?: number; signal?: AbortSignal } | undefined): WaitLimits {
    if (options === undefined) return { timeout: this.#timeout };
    checkOptions(options, WAIT_OPTIONS);
    return { timeout: checkTimeout(options.timeout, this.#timeout), signal: options.signal };
  }

  /** Waits until an attempt succeeds; `doing` is for the message of a time-out. */
  wait<T>(attempt: Attempt<T>, doing: string, limits: WaitLimits): Promise<T> {
    return this.waits.wait(attempt, `${doing} ${this.what}`, limits);
  }

  /** The same, blocking the thread. */
  waitSync<T>(attempt: Attempt<T>, doing: string, { timeout }: WaitLimits): T {
    const what = `${doing} ${this.what}`;
    const end = readClock() + timeout;
    // Nothing rings when an earlier lock is given back, and no timer fires meanwhile.
    while (this.isEarlierInUse) {
      const left = end - readClock();
      if (left <= 0) throw new TimeoutError(what, timeout);
      this.#askEarlier();
      try {
        return this.waits.waitSync(attempt, what, Math.min(left, EARLIER_LOOK));
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
      }
    }
    return this.waits.waitSync(attempt, what, Math.max(0, end - readClock()));
  }

  /** Is the member one of this realm? Then it does nothing while this thread is blocked. */
  isOfThisRealm(member: number): boolean {
    const { members } = this.membership;
    const node = (of: number, at: number): number => this.words[members.word(of, 8) + at]!;
    return node(member, 0) === node(this.member, 0) && node(member, 1) === node(this.member, 1);
  }

  #setWaiting(): void {
    this.membership.members.setWaiting(this.member);
    // ORDER: the flag first: `ringOne` looks for it after it has seen this word.
    Atomics.store(this.words, this.#contended, 1);
    this.#lookLater();
  }

  /** Rings one that waits; those behind us in the table first, so that all have their turn. */
  ringOne(): void {
    if (Atomics.load(this.words, this.#contended) === 0) return;
    // ORDER: cleared before the flags are looked at: one set from now on must not be overlooked.
    Atomics.store(this.words, this.#contended, 0);
    if (this.membership.members.ringOne(this.member + 1)) {
      Atomics.store(this.words, this.#contended, 1); // there may be more
    }
  }

  /** Rings all that wait. */
  ringAll(): void {
    if (Atomics.load(this.words, this.#contended) === 0) return;
    Atomics.store(this.words, this.#contended, 0);
    this.membership.members.ringWaiting();
  }

  /** Gives everything back. Calling it again does nothing. */
  close(): void {
    this.#handle.close();
  }
}

function hooksOf(kind: SharedStateKind): MembershipHooks {
  const { initialise, check, follows } = kind;
  return {
    ...(initialise && { initialise }),
    ...(follows && { follows }),
    ...(check && { check }),
    recover(segment, member) {
      const word = (MembershipLayout.slots + member * Member.bytes + Member.words) >> 2;
      kind.recover(segment, member, word);
    },
  };
}

function parametersOf(
  name: string,
  encoded: string,
  { folder, kind, follows }: SharedStateKind,
): MembershipParameters {
  return {
    claimed: follows !== undefined,
    folder,
    name,
    encoded,
    kind,
    dataBytes: () => 0,
    capacity: undefined,
    defaultCapacity: 0,
  };
}
