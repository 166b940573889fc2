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
import { checkOptions, checkTimeout } from "../options.ts";
import { CorruptSegmentError } from "../errors.ts";
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
  check?(segment: Segment): void;
  /** Puts right what a dead member left; `word` is the index of its first own word. */
  recover(segment: Segment, member: number, word: number): void;
}

/** What a lock or an event adds. */
export interface SharedStateOwner {
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
      const membership = await Membership.open(handle, parameters, hooksOf(kind), signal);
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
    this.#handle.checkOpen();
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
    return this.waits.waitSync(attempt, `${doing} ${this.what}`, timeout);
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
  const { initialise, check } = kind;
  return {
    ...(initialise && { initialise }),
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
  { folder, kind }: SharedStateKind,
): MembershipParameters {
  return {
    folder,
    name,
    encoded,
    kind,
    dataBytes: () => 0,
    capacity: undefined,
    defaultCapacity: 0,
  };
}
