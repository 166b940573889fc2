/**
 * What locks and events have in common: a membership, those of this realm who wait, and
 * how the others are rung.
 *
 * A waiter sets the waiting flag of its member, then the `contended` word, then looks
 * again. Whoever changes what it waits for looks at `contended` afterwards. So one of
 * the two sees the other, and without waiters a change costs one look.
 *
 * @module
 */
import { checkOptions, checkTimeout } from "../options.ts";
import { ClosedError } from "../errors.ts";
import { Member, MembershipLayout } from "../memory/layout.ts";
import type { Kind } from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import { Membership } from "../membership/membership.ts";
import type { MembershipHooks } from "../membership/membership.ts";
import { Realm } from "../wake/realm.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import type { WaitLimits } from "../wake/wait_queue.ts";

/** Options of everything that is opened here. */
export interface LockOptions {
  /** Milliseconds that waits last, unless they say otherwise. Default: for ever. */
  timeout?: number;
  /** The runtime directory: an absolute path. Default: `CAUSEWAY_DIR`, or a private one of the user. */
  directory?: string;
}

/** The names of {@linkcode LockOptions}. */
export const LOCK_OPTIONS = [
  "timeout",
  "directory",
] as const satisfies readonly (keyof LockOptions)[];
const WAIT_OPTIONS = ["timeout", "signal"];

/** How to wait, blocking the thread. */
export interface SyncWaitOptions {
  /** Milliseconds; `Infinity` waits for ever. */
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

/** See the module. */
export class SharedState {
  readonly name: string;
  /** As messages call it. */
  readonly what: string;
  /** Words of the segment. */
  readonly words: Int32Array;
  readonly membership: Membership;
  /** Those of this realm who wait. */
  readonly line: WaitQueue;
  /** One gave up who may have been rung: others may have to be. Set by the owner. */
  onCancel: () => void = () => {};
  /** Gives back what is held, before it closes. Set by the owner. */
  onClose: () => void = () => {};
  readonly #realm: Realm;
  readonly #closer: () => void;
  readonly #contended: number;
  readonly #source: number;
  readonly #timeout: number;
  #closed = false;

  private constructor(
    realm: Realm,
    closer: () => void,
    name: string,
    encoded: string,
    kind: SharedStateKind,
    timeout: number,
  ) {
    this.name = name;
    this.what = `${kind.noun} "${name}"`;
    this.#realm = realm;
    this.#closer = closer;
    this.#timeout = timeout;
    this.#contended = kind.contended >> 2;
    const { reactor } = realm;
    this.#source = reactor.reserve();
    try {
      const hooks = hooksOf(kind);
      this.membership = Membership.join(
        realm,
        parametersOf(name, encoded, kind),
        hooks,
        this.#source,
      );
    } catch (error) {
      reactor.remove(this.#source);
      throw error;
    }
    this.words = this.membership.segment.words;
    this.line = new WaitQueue(
      reactor,
      this.#source,
      () => this.#setWaiting(),
      () => {
        if (!this.#closed) this.onCancel();
      },
    );
    reactor.attach(this.#source, this.line);
  }

  /** Opens or makes it. */
  static async open(
    name: string,
    options: LockOptions,
    kind: SharedStateKind,
    known: readonly string[] = LOCK_OPTIONS,
  ): Promise<SharedState> {
    checkOptions(options, known);
    const timeout = checkTimeout(options.timeout, Infinity);
    const encoded = await encodeName(checkName(name));
    return await Realm.open(
      options.directory,
      (realm, closer) => new SharedState(realm, closer, name, encoded, kind, timeout),
      (shared) => shared.close(),
    );
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Our slot among the members. */
  get member(): number {
    return this.membership.index;
  }

  /** @throws {ClosedError} */
  checkOpen(): void {
    if (this.#closed) throw new ClosedError(this.what);
  }

  /** Checks how to wait. */
  limits(options: { timeout?: number; signal?: AbortSignal } | undefined): WaitLimits {
    if (options === undefined) return { timeout: this.#timeout };
    checkOptions(options, WAIT_OPTIONS);
    return { timeout: checkTimeout(options.timeout, this.#timeout), signal: options.signal };
  }

  /** Is the member one of this realm? Then it does nothing while this thread is blocked. */
  isOfThisRealm(member: number): boolean {
    const { members } = this.membership;
    const node = (of: number, at: number): number => this.words[members.word(of, 8) + at]!;
    return node(member, 0) === node(this.member, 0) && node(member, 1) === node(this.member, 1);
  }

  #setWaiting(): void {
    this.membership.members.setWaiting(this.member);
    Atomics.store(this.words, this.#contended, 1);
  }

  /** Rings one that waits; those behind us in the table first, so that all have their turn. */
  ringOne(): void {
    if (Atomics.load(this.words, this.#contended) === 0) return;
    // First cleared: who sets it from now on must not be overlooked.
    Atomics.store(this.words, this.#contended, 0);
    if (this.membership.members.ringOne(this.member + 1)) {
      Atomics.store(this.words, this.#contended, 1); // there may be more
    }
  }

  /** Rings all who wait. */
  ringAll(): void {
    if (Atomics.load(this.words, this.#contended) === 0) return;
    Atomics.store(this.words, this.#contended, 0);
    this.membership.members.ringWaiting();
  }

  /** Gives everything back. Calling it again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.line.fail(new ClosedError(this.what));
    try {
      this.onClose();
    } finally {
      // Also where what others wrote makes no sense.
      this.#realm.reactor.remove(this.#source);
      this.membership.leave();
      this.#realm.release(this.#closer);
    }
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

function parametersOf(name: string, encoded: string, { folder, kind }: SharedStateKind) {
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
