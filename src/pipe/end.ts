/**
 * An end of a pipe: its membership, its role, and what it knows of the other end.
 * What is common to sender and receiver.
 *
 * @module
 */
import { codecId } from "../codec/codec_id.ts";
import { checkTimeout } from "../options.ts";
import type { WaitOptions } from "../options.ts";
import { CorruptSegmentError, isShortage, ParameterMismatchError } from "../errors.ts";
import { Header, Kind, MembershipLayout, PAGE, PipeLayout, Role } from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { PIPES } from "../memory/nodes.ts";
import { readText, writeText } from "../memory/segment.ts";
import type { Segment } from "../memory/segment.ts";
import { captureScope } from "../platform/async_scope.ts";
import type { AsyncScope } from "../platform/async_scope.ts";
import { Membership } from "../membership/membership.ts";
import type { MembershipHooks, MembershipParameters } from "../membership/membership.ts";
import { Handle } from "../wake/handle.ts";
import type { HandleSource } from "../wake/handle.ts";
import { Realm } from "../wake/realm.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import type { Attempt } from "../wake/wait_queue.ts";
import type { WaitLimits } from "../wake/waiting.ts";
import { strideOf } from "./options.ts";
import type { PipeOptions, Shape } from "./options.ts";
import {
  checkFree,
  claim,
  holderOf,
  nodeOf,
  otherRole,
  reasonIn,
  release,
  roleWord,
} from "./roles.ts";
import type { RoleName } from "./roles.ts";
import { Slots } from "./slots.ts";
import { inMicrotask } from "../timers.ts";

/** Which flag asks for which end to be rung. */
const WAITING = {
  sender: PipeLayout.senderWaiting >> 2,
  receiver: PipeLayout.receiverWaiting >> 2,
} as const;
/** An end that can't be rung (no descriptors left) is rung again after so many ms. */
const RING_AGAIN = 20;

/** What an end is opened with. */
interface EndParameters {
  readonly name: string;
  readonly encoded: string;
  readonly role: RoleName;
  readonly options: PipeOptions;
  readonly shape: Shape;
}

/** See the module. */
export class PipeEnd {
  readonly name: string;
  readonly role: RoleName;
  readonly shape: Shape;
  readonly handle: Handle;
  readonly slots: Slots;
  /** Milliseconds that calls wait by default. */
  readonly timeout: number;
  readonly #options: PipeOptions;
  readonly #membership: Membership;
  readonly #partners: WaitQueue;
  readonly #words: Int32Array;
  /** The other's role word as last seen. */
  #seen: number;
  #ringsLater = false;

  private constructor(handle: Handle, membership: Membership, parameters: EndParameters) {
    const { name, role, options, shape } = parameters;
    this.name = name;
    this.role = role;
    this.shape = shape;
    this.handle = handle;
    this.#options = options;
    this.#membership = membership;
    this.timeout = checkTimeout(options.timeout, Infinity);
    const { segment } = membership;
    this.#words = segment.words;
    // The other end rings when it comes or goes, without being asked.
    this.#partners = new WaitQueue(handle.reactor, handle.index, () => {});
    handle.onClose(() => this.#partners.fail(handle.reason));
    handle.onClose(() => release(segment, role, membership.index, "closed"));
    handle.onClose(() => this.#ring());
    handle.onClose(() => membership.leave());
    handle.onClose(() => this.#tellCorrupt());
    this.slots = new Slots(segment);
    // An end that came and went before isn't told of.
    this.#seen = roleWord(segment, otherRole(role)) & ~Role.holder;
    this.ringPartner();
  }

  /** Opens an end. `attach` makes the pattern's part of it. */
  static async open<T>(
    name: string,
    role: RoleName,
    options: PipeOptions,
    shape: Shape,
    attach: (end: PipeEnd) => T,
  ): Promise<T> {
    const encoded = await encodeName(checkName(name));
    const { directory, onError, signal } = options;
    const what = `${role} of pipe "${name}"`;
    const handleOptions = { what, directory, onError, signal, hasCallbacks: true };
    return await Handle.open(handleOptions, async (handle) => {
      const parameters = { name, encoded, role, options, shape };
      const hooks = hooksOf(handle, parameters);
      const membership = await Membership.open(handle, parametersOf(parameters), hooks, signal);
      return attach(new PipeEnd(handle, membership, parameters));
    });
  }

  /** Throws away a pipe that no process uses, with what is in it; false if there is none. */
  static async remove(name: string, directory: string | undefined): Promise<boolean> {
    const encoded = await encodeName(checkName(name));
    return await Realm.visit(directory, (realm) => Membership.remove(realm, PIPES, encoded));
  }

  /** Starts polling. `queue` holds the waits for messages, or for room. */
  start(source: HandleSource, queue: WaitQueue): void {
    this.handle.onClose(() => queue.fail(this.handle.reason));
    this.handle.attach({
      poll: () => {
        this.#watch();
        return source.poll();
      },
      arm: () => this.#isSettled() && source.arm(),
    });
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.handle.isClosed;
  }

  /** Throws why it is closed, if it is. */
  checkOpen(): void {
    this.handle.checkOpen();
  }

  /** Is the other end there? */
  get isConnected(): boolean {
    return !this.isClosed && this.#partner() >= 0;
  }

  /** The member that is the other end; -1 if there is none. */
  #partner(): number {
    try {
      return holderOf(this.#membership.segment, otherRole(this.role));
    } catch (error) {
      throw this.fail(error);
    }
  }

  /** Resolves when the other end is there. */
  whenConnected(options: WaitOptions = {}): Promise<void> {
    const what = `waiting for the ${otherRole(this.role)} of pipe "${this.name}"`;
    return this.#partners.wait(
      () => {
        this.checkOpen();
        return this.isConnected ? true : undefined;
      },
      what,
      this.limits(options),
    ).then(() => {});
  }

  /** How long to wait, checked. */
  limits(options: WaitOptions): WaitLimits {
    return { timeout: checkTimeout(options.timeout, this.timeout), signal: options.signal };
  }

  /** Is the other end in this very thread? Then blocking it would be in vain. */
  get isPartnerHere(): boolean {
    const holder = this.#partner();
    return holder >= 0 && nodeOf(this.#membership.segment, holder) === this.handle.realm.id;
  }

  /** Asks to be rung when the other end has done something. Look again after it. */
  readonly setWaiting = (): void => {
    Atomics.store(this.#words, WAITING[this.role], 1);
  };

  /** Rings the other end if it waits. Called after each message, or room. */
  tell(): void {
    const at = WAITING[otherRole(this.role)];
    if (Atomics.load(this.#words, at) === 0) return;
    if (Atomics.exchange(this.#words, at, 0) !== 0) this.ringPartner();
  }

  /** Rings the other end, if there is one; later, if that isn't possible now. */
  ringPartner(): void {
    try {
      this.#ring();
    } catch (error) {
      if (!isShortage(error)) return void this.fail(error);
      if (this.#ringsLater) return;
      this.#ringsLater = true;
      this.handle.startTimer(() => {
        this.#ringsLater = false;
        this.ringPartner();
      }, RING_AGAIN);
    }
  }

  #ring(): void {
    const { segment, members } = this.#membership;
    const holder = holderOf(segment, otherRole(this.role));
    if (holder >= 0) members.ring(holder);
  }

  /** Are fewer than so many slots free? Also if the memory doesn't make sense. */
  isFull(wanted: number): boolean {
    const { slots } = this;
    return slots.capacity - ((slots.tail() - slots.head()) >>> 0) < wanted;
  }

  /** For each poll: tells of the other end's coming and going. */
  #watch(): void {
    const word = roleWord(this.#membership.segment, otherRole(this.role));
    if (word !== this.#seen) this.#partnerChanged(word);
  }

  #partnerChanged(word: number): void {
    const was = (this.#seen & Role.holder) !== 0;
    const is = (word & Role.holder) !== 0;
    const another = (word ^ this.#seen) >>> 0 >= Role.taken;
    this.#seen = word;
    if (was && (another || !is)) this.#tellGone(word);
    if (is ? !was || another : another) this.#tellCome();
    // One that came and went before it was noticed.
    if (!is && another) this.#tellGone(word);
  }

  #tellCome(): void {
    if (this.isClosed) return;
    this.handle.event("onConnect", this.#options.onConnect);
    this.#partners.poll();
  }

  #tellGone(word: number): void {
    if (this.isClosed) return;
    this.handle.event("onDisconnect", this.#options.onDisconnect, reasonIn(word));
  }

  #tellCorrupt(): void {
    if (!(this.handle.reason instanceof CorruptSegmentError)) return;
    this.handle.event("onDisconnect", this.#options.onDisconnect, "corrupt");
  }

  /** Has no end come or gone since the last poll? */
  #isSettled(): boolean {
    return roleWord(this.#membership.segment, otherRole(this.role)) === this.#seen;
  }

  /** Runs what calls functions of the user, in the context in which the end was opened. */
  inScope<R>(task: () => R): R {
    const { reactor, scope } = this.handle;
    return reactor.call(scope, task, undefined);
  }

  /**
   * Starts a wait whose attempts call a function of the user: those that come later run in the
   * context of the caller, as the first one does.
   */
  waitInScope<T, R>(attempt: Attempt<T>, start: (attempt: Attempt<T>) => R): R {
    let scope: AsyncScope | undefined;
    let isOver = false;
    const run = (): T | undefined => {
      const value = attempt();
      isOver = value !== undefined;
      return value;
    };
    const { reactor } = this.handle;
    const started = start(() => scope === undefined ? run() : reactor.call(scope, run, undefined));
    if (!isOver) scope = captureScope();
    return started;
  }

  /**
   * Something failed. If it makes the memory useless, this end closes, a little later,
   * because the call that found it is still at work. Returns the error.
   */
  fail(error: unknown): unknown {
    if (error instanceof CorruptSegmentError) inMicrotask(() => this.handle.fail(error));
    return error;
  }
}

function hooksOf({ realm, reactor, index }: Handle, parameters: EndParameters): MembershipHooks {
  const { role, name, shape } = parameters;
  return {
    initialise: (segment) => initialise(segment, shape),
    check: (segment) => {
      checkShape(segment, shape, name);
      checkFree(realm, segment, role, name);
    },
    joined: (segment, member) => claim(segment, role, member),
    recover: (segment, member) => {
      release(segment, "sender", member, "died");
      release(segment, "receiver", member, "died");
    },
    // The dead one may have sent, or received, and not have rung any more.
    onRecovered: () => reactor.heat(index),
  };
}

function parametersOf({ name, encoded, options, shape }: EndParameters): MembershipParameters {
  const codec = codecId(shape.codec.name);
  const { codecName, codecNameBytes } = PipeLayout;
  return {
    folder: PIPES,
    name,
    encoded,
    kind: Kind.pipe,
    dataBytes: (capacity) => capacity * shape.stride,
    capacity: shape.capacity,
    defaultCapacity: shape.defaultCapacity,
    codec,
    codecName: (id, segment) =>
      id === codec ? shape.codec.name : readText(segment, codecName, codecNameBytes),
    durable: options.durable === true,
  };
}

function initialise(segment: Segment, { codec, messageBytes, stride, fixed }: Shape): void {
  writeText(segment, PipeLayout.codecName, PipeLayout.codecNameBytes, codec.name);
  segment.setU32(PipeLayout.messageBytes, messageBytes);
  segment.setU32(PipeLayout.stride, stride);
  segment.setU32(PipeLayout.fixed, fixed === undefined ? 0 : 1);
}

/** Is it a pipe, and the one that was asked for? Its capacity and codec were compared. */
function checkShape(segment: Segment, shape: Shape, name: string): void {
  const capacity = segment.u32(Header.capacity);
  const messageBytes = segment.u32(PipeLayout.messageBytes);
  const stride = segment.u32(PipeLayout.stride);
  const fixed = segment.u32(PipeLayout.fixed) !== 0;
  const isPower = capacity > 0 && capacity <= 1 << 30 && (capacity & (capacity - 1)) === 0;
  const pages = MembershipLayout.pages + Math.ceil((capacity * stride) / PAGE);
  if (
    !isPower || stride !== strideOf(messageBytes, fixed) || stride === 0 ||
    pages * PAGE !== segment.bytes.length
  ) {
    throw new CorruptSegmentError(
      `${segment.path} says it has ${capacity} slots of ${messageBytes} in ${stride} bytes`,
    );
  }
  // With the name of the codec, its kind of messages is the same, but for a broken codec.
  const asked = shape.fixed?.size ?? shape.asked.messageBytes;
  if ((asked !== undefined && asked !== messageBytes) || fixed !== (shape.fixed !== undefined)) {
    throw new ParameterMismatchError(
      `pipe "${name}"`,
      "messageBytes",
      shape.messageBytes,
      messageBytes,
    );
  }
}
