/**
 * An end of a pipe: its membership, its role, and what it knows of the other end.
 * What is common to sender and receiver.
 *
 * @module
 */
import { codecId } from "../codec/codec_id.ts";
import { errorSink, guarded, peerErrorSink } from "../failures.ts";
import type { ErrorSink } from "../failures.ts";
import { checkTimeout } from "../options.ts";
import type { WaitOptions } from "../options.ts";
import { ClosedError, CorruptSegmentError, ParameterMismatchError } from "../errors.ts";
import { Header, Kind, MembershipLayout, PAGE, PipeLayout, Role } from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { PIPES } from "../memory/nodes.ts";
import { readText, writeText } from "../memory/segment.ts";
import type { Segment } from "../memory/segment.ts";
import { Membership } from "../membership/membership.ts";
import type { MembershipHooks, MembershipParameters } from "../membership/membership.ts";
import type { Source } from "../wake/reactor.ts";
import { Realm } from "../wake/realm.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
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

/** Which flag asks for whom. */
const WAITING = {
  sender: PipeLayout.senderWaiting >> 2,
  receiver: PipeLayout.receiverWaiting >> 2,
} as const;

/** See the module. */
export class PipeEnd {
  readonly name: string;
  readonly role: RoleName;
  readonly shape: Shape;
  readonly realm: Realm;
  readonly membership: Membership;
  /** Index of its source in the reactor. */
  readonly index: number;
  readonly slots: Slots;
  /** Milliseconds that calls wait by default. */
  readonly timeout: number;
  /** Takes what a handler threw. */
  readonly onUserError: ErrorSink;
  /** Takes what the other side did wrong. */
  readonly onPeerError: ErrorSink;
  readonly #options: PipeOptions;
  readonly #closer: () => void;
  readonly #partners: WaitQueue;
  readonly #words: Int32Array;
  /** The other's role word as last seen, and whether it was told. */
  #seen = 0;
  #references = 0;
  #closedBy: unknown;
  #closed = false;
  /** Waits of the pattern, which end when it closes. */
  #line: WaitQueue | undefined;

  private constructor(
    name: string,
    encoded: string,
    role: RoleName,
    options: PipeOptions,
    shape: Shape,
    realm: Realm,
    closer: () => void,
  ) {
    this.name = name;
    this.role = role;
    this.shape = shape;
    this.realm = realm;
    this.#options = options;
    const what = `the ${role} of pipe "${name}"`;
    this.onUserError = errorSink(options.onError, what);
    this.onPeerError = peerErrorSink(options.onError, what);
    this.#closer = closer;
    this.timeout = checkTimeout(options.timeout, Infinity);
    const { reactor } = realm;
    this.index = reactor.reserve();
    try {
      const parameters = parametersOf(name, encoded, options, shape);
      this.membership = Membership.join(realm, parameters, this.#hooks(), this.index);
    } catch (error) {
      reactor.remove(this.index);
      throw error;
    }
    this.#words = this.membership.segment.words;
    try {
      this.slots = new Slots(this.membership.segment);
    } catch (error) {
      this.#leave();
      throw error;
    }
    // Those who came and went before aren't told of.
    this.#seen = roleWord(this.membership.segment, otherRole(role)) & ~Role.holder;
    // Whoever comes or goes rings, without being asked.
    this.#partners = new WaitQueue(reactor, this.index, () => {});
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
    let end: PipeEnd | undefined;
    const closer = (): void => end?.close();
    const realm = await Realm.acquire(options.directory, closer);
    try {
      end = new PipeEnd(name, encoded, role, options, shape, realm, closer);
      return attach(end);
    } catch (error) {
      if (end !== undefined) end.close();
      else realm.release(closer);
      throw error;
    }
  }

  /** Throws away a pipe that nobody uses, with what is in it; false if there is none. */
  static async remove(name: string, directory: string | undefined): Promise<boolean> {
    const encoded = await encodeName(checkName(name));
    return await Realm.visit(directory, (realm) => Membership.remove(realm, PIPES, encoded));
  }

  #hooks(): MembershipHooks {
    const { role, name, realm, shape, index } = this;
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
      onRecovered: () => realm.reactor.heat(index),
    };
  }

  /** Starts polling. `line` holds those who wait for messages, or for room. */
  start(source: Source, line: WaitQueue): void {
    this.#line = line;
    this.realm.reactor.attach(this.index, source);
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Throws why it is closed, if it is. */
  checkOpen(): void {
    if (this.#closedBy !== undefined) throw this.#closedBy;
  }

  /** Is the other end there? */
  get isConnected(): boolean {
    return !this.#closed && holderOf(this.membership.segment, otherRole(this.role)) >= 0;
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
  limits(options: WaitOptions): { timeout: number; signal: AbortSignal | undefined } {
    return { timeout: checkTimeout(options.timeout, this.timeout), signal: options.signal };
  }

  /** Is the other end in this very thread? Then blocking it would be in vain. */
  get isPartnerHere(): boolean {
    const { segment } = this.membership;
    const holder = holderOf(segment, otherRole(this.role));
    return holder >= 0 && nodeOf(segment, holder) === this.realm.id;
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

  /** Rings the other end, if there is one. */
  ringPartner(): void {
    try {
      const holder = holderOf(this.membership.segment, otherRole(this.role));
      if (holder >= 0) this.membership.members.ring(holder);
    } catch (error) {
      if (!(error instanceof CorruptSegmentError)) throw error;
      this.fail(error);
    }
  }

  /** Are fewer than so many slots free? Also if the memory doesn't make sense. */
  isFull(wanted: number): boolean {
    const { slots } = this;
    return slots.capacity - ((slots.tail() - slots.head()) >>> 0) < wanted;
  }

  /** For each poll: tells of the other end's coming and going. */
  watch(): void {
    const word = roleWord(this.membership.segment, otherRole(this.role));
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
    if (this.#closed) return;
    this.safely("onConnect", () => this.#options.onConnect?.());
    this.#partners.poll();
  }

  #tellGone(word: number): void {
    if (this.#closed) return;
    this.safely("onDisconnect", () => this.#options.onDisconnect?.(reasonIn(word)));
  }

  /** For the source's `arm`: nobody came or went since the last poll. */
  isSettled(): boolean {
    return roleWord(this.membership.segment, otherRole(this.role)) === this.#seen;
  }

  /** Runs what a user gave as `where`; what it throws isn't ours. */
  safely(where: string, task: () => unknown): void {
    guarded(task, this.onUserError, where);
  }

  /**
   * Something failed. If it makes the memory useless, this end closes, a little later,
   * because who found it is still at work. Returns the error.
   */
  fail(error: unknown): unknown {
    if (error instanceof CorruptSegmentError && !this.#closed) this.#closeLater(error);
    return error;
  }

  #closeLater(error: CorruptSegmentError): void {
    inMicrotask(() => {
      if (this.#closed) return;
      this.close(error);
      const { onDisconnect } = this.#options;
      this.safely("onDisconnect", () => onDisconnect?.("corrupt"));
    });
  }

  /** Keeps the process alive while it is open. */
  ref(): void {
    if (this.#closed || this.#references > 0) return;
    this.#references = 1;
    this.realm.reactor.ref();
  }

  /** Lets the process end. */
  unref(): void {
    if (this.#references === 0) return;
    this.#references = 0;
    this.realm.reactor.unref();
  }

  /** Ends it. What is in the pipe stays there. */
  close(reason: unknown = new ClosedError(`${this.role} of pipe "${this.name}"`)): void {
    if (this.#closed) return;
    this.unref();
    this.#closed = true;
    this.#closedBy = reason;
    this.#line?.fail(reason);
    this.#partners?.fail(reason);
    this.#leave();
    this.realm.release(this.#closer);
  }

  #leave(): void {
    const { segment, index } = this.membership;
    release(segment, this.role, index, "closed");
    this.ringPartner();
    this.realm.reactor.remove(this.index);
    this.membership.leave();
  }
}

function parametersOf(
  name: string,
  encoded: string,
  options: PipeOptions,
  shape: Shape,
): MembershipParameters {
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
