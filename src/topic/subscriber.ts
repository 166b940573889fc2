/**
 * Subscriber: reads every message of every publisher of a topic.
 *
 * @module
 */
import { checkCodec } from "../codec/codec.ts";
import type { Codec } from "../codec/codec.ts";
import { checkFlag, checkOptions, checkTimeout, show } from "../options.ts";
import { errorSink, guarded, isPromiseLike, peerErrorSink } from "../failures.ts";
import type { WaitOptions } from "../options.ts";
import {
  ArgumentError,
  ClosedError,
  CorruptSegmentError,
  LaggedError,
  TimeoutError,
} from "../errors.ts";
import { SubscriberLayout } from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import { splitParts } from "../ring/broadcast_consumer.ts";
import { Polled } from "../wake/reactor.ts";
import { Realm } from "../wake/realm.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import {
  createRegistration,
  fileOf,
  FOLDER,
  idOf,
  newParticipant,
  participantsIn,
  POLICIES,
  PUBLISHER,
  SUBSCRIBER,
} from "./folder.ts";
import type { Participant } from "./folder.ts";
import { CountWaiters } from "./count_waiters.ts";
import { Subscription } from "./subscription.ts";
import type { SubscriberIdentity } from "./subscription.ts";
import { TOPIC_OPTIONS, topicCodec, YIELD_EVERY } from "./options.ts";
import { checkCount } from "../options.ts";
import type { Decoded, TopicOptions } from "./options.ts";
import type { TopicGoneReason } from "./subscriber_table.ts";

/** What a message is, besides its value. */
export interface MessageInfo {
  /** Id of its publisher. */
  readonly publisher: string;
  /** Its number: how many its publisher had published before it. */
  readonly sequence: number;
}

/** Options of {@linkcode Subscriber.open}. */
export interface SubscriberOptions<T = unknown> extends TopicOptions {
  /**
   * What happens when a publisher's ring is full of messages that this subscriber hasn't
   * read: `"block"` (default) makes the publisher wait, for all; `"drop-oldest"` loses the
   * oldest ones, and says exactly how many; `"disconnect"` ends the connection with that
   * publisher with a {@linkcode LaggedError}.
   */
  onLag?: "block" | "drop-oldest" | "disconnect";
  /**
   * How many of the last messages of each publisher that is there already to begin with;
   * `"latest"`: one. Default 0. There are at most as many as the publisher's ring holds.
   */
  history?: number | "latest";
  /**
   * Called with each message. If it returns a promise, the next message waits for it. With
   * it there is no `receive` and no `for await`.
   */
  onMessage?: (value: T, info: MessageInfo) => unknown;
  /** So many messages of that publisher were lost, right before the next one. */
  onLost?: (count: number, publisher: string) => void;
  /** A publisher is there; `publisher` is its id. */
  onConnect?: (publisher: string) => void;
  /** A publisher is gone, and all that it published was read. */
  onDisconnect?: (publisher: string, reason: TopicGoneReason) => void;
  /**
   * Decode messages of 4 KiB or more in place, without a copy: bytes in what `onMessage`
   * gets are then valid until it returns, or its promise is settled. Needs `onMessage`;
   * takes effect with `onLag: "block"`. Default false.
   */
  borrow?: boolean;
}

/** The names of all options; held against the interface by the compiler. */
const OPTIONS: Record<keyof SubscriberOptions, true> = {
  ...TOPIC_OPTIONS,
  onLag: true,
  history: true,
  onMessage: true,
  onLost: true,
  onConnect: true,
  onDisconnect: true,
  borrow: true,
};
const NAMES = Object.keys(OPTIONS);

/** A snapshot of what a subscriber did. */
export interface SubscriberStatistics {
  /** Messages received. */
  readonly messages: number;
  /** Bytes of their payloads. */
  readonly bytes: number;
  /** Messages lost. */
  readonly lost: number;
}

/** Messages in one poll, so that other sources get their turn. */
const MESSAGES_PER_POLL = 64;
/** `history` in shared memory for as many as there are. */
const ALL = 0xffff_ffff;

/** A value that was received; boxed, because it may be anything. */
interface Received<T> {
  readonly value: T;
}

/**
 * A subscriber of a topic: it gets every message of every publisher, each publisher's in
 * its order. It takes from the rings only what its user takes.
 *
 * @example
 * ```ts
 * import { Subscriber } from "@causeway/ipc";
 *
 * await using subscriber = await Subscriber.open<{ symbol: string; price: number }>("prices");
 * for await (const { symbol, price } of subscriber) console.log(symbol, price);
 * ```
 */
export class Subscriber<T = unknown> implements AsyncDisposable, AsyncIterable<T> {
  /** The name it was opened with. */
  readonly name: string;
  /** Its id, as publishers know it. */
  readonly id: string;
  readonly #realm: Realm;
  readonly #codec: Codec;
  readonly #options: SubscriberOptions<T>;
  readonly #closer: () => void;
  readonly #parts: string[];
  readonly #index: number;
  readonly #identity: SubscriberIdentity;
  readonly #registration: Segment;
  readonly #line: WaitQueue;
  readonly #waiters: CountWaiters;
  readonly #timeout: number;
  /** Where a new subscription goes. */
  #subscriptions: Subscription[] = [];
  /** Publishers that we couldn't connect to. */
  readonly #refused = new Set<string>();
  #current = 0;
  #announcements = 0;
  /** The handler hasn't finished with a message. */
  #isBusy = false;
  #failures: unknown[] = [];
  #messages = 0;
  #bytes = 0;
  #lost = 0;
  #sinceYield = 0;
  #isHeld = false;
  #closed = false;
  readonly #attempt = (): Received<T> | undefined => this.#take();

  private constructor(
    name: string,
    encoded: string,
    options: SubscriberOptions<T>,
    realm: Realm,
    closer: () => void,
  ) {
    this.name = name;
    this.#realm = realm;
    this.#options = options;
    this.#closer = closer;
    this.#codec = topicCodec(options.codec, realm);
    this.#timeout = checkTimeout(options.timeout, Infinity);
    this.#parts = [FOLDER, encoded];
    const { reactor } = realm;
    this.#waiters = new CountWaiters(reactor);
    this.#index = reactor.reserve();
    const participant = newParticipant(realm, this.#index);
    this.id = idOf(participant);
    this.#identity = {
      name,
      participant,
      policy: POLICIES[options.onLag ?? "block"],
      history: historyOf(options.history),
      codec: this.#codec.name,
      borrow: options.borrow === true,
      onNews: () => reactor.heat(this.#index),
    };
    this.#line = new WaitQueue(reactor, this.#index, () => {
      for (const subscription of this.#subscriptions) subscription.arm();
    });
    try {
      this.#registration = realm.directory.locked(
        this.#parts,
        (path) => this.#enter(path, participant),
      );
    } catch (error) {
      for (const subscription of this.#subscriptions) subscription.close();
      reactor.remove(this.#index);
      realm.directory.prune(this.#parts);
      throw error;
    }
    reactor.attach(this.#index, { poll: () => this.#poll(), arm: () => this.#arm() });
    for (const subscription of this.#subscriptions) subscription.greet();
    if (options.onMessage !== undefined) this.ref();
  }

  /**
   * Opens a subscriber. Publishers may be there already or come later. From now on it
   * misses nothing that is published, within its `onLag`.
   *
   * With `onMessage` it keeps the process alive until it is closed, without it only calls
   * that wait do; see {@linkcode Subscriber.ref}.
   *
   * @throws {ConnectionLimitError} A publisher has as many subscribers as it allows.
   * @throws {CodecMismatchError} A publisher uses another codec.
   * @throws {ArgumentError} An option is out of range.
   */
  static open<C extends Codec>(
    name: string,
    options: SubscriberOptions<Decoded<C>> & { codec: C },
  ): Promise<Subscriber<Decoded<C>>>;
  /** The same, for values of a given type. */
  static open<T = unknown>(name: string, options?: SubscriberOptions<T>): Promise<Subscriber<T>>;
  static async open<T>(name: string, options: SubscriberOptions<T> = {}): Promise<Subscriber<T>> {
    checkSubscriberOptions(options);
    const encoded = await encodeName(checkName(name));
    return await Realm.open(
      options.directory,
      (realm, closer) => new Subscriber<T>(name, encoded, options, realm, closer),
      (subscriber) => subscriber.#closeNow(),
    );
  }

  /** Makes our registration and connects to all who are there, under the lock of the folder. */
  #enter(path: string, participant: Participant): Segment {
    const { policy, codec } = this.#identity;
    const registration = createRegistration(this.#realm, path, participant, policy, codec);
    if (registration === undefined) throw new ClosedError(`the folder of topic "${this.name}"`);
    try {
      for (const publisher of participantsIn(this.#realm, path, PUBLISHER)) {
        this.#attach(path, publisher, true);
      }
    } catch (error) {
      this.#realm.directory.removeFile(registration.path);
      registration.close();
      throw error;
    }
    return registration;
  }

  #attach(path: string, publisher: Participant, isLocked: boolean): void {
    const subscription = Subscription.attach(
      this.#realm,
      path,
      publisher,
      this.#identity,
      isLocked,
    );
    if (subscription !== undefined) this.#subscriptions.push(subscription);
  }

  /** How many publishers there are. */
  get publishers(): number {
    let count = 0;
    for (const subscription of this.#subscriptions) if (subscription.isOpen) count++;
    return count;
  }

  /** How many messages were lost so far, of all publishers. */
  get lost(): number {
    return this.#lost;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** What the subscriber did so far. */
  get stats(): SubscriberStatistics {
    return { messages: this.#messages, bytes: this.#bytes, lost: this.#lost };
  }

  /**
   * Resolves when it is connected to `count` publishers.
   *
   * @throws {TimeoutError} They didn't come in time.
   */
  ready(count = 1, options?: WaitOptions): Promise<void> {
    try {
      this.#checkOpen();
      checkCount("count", count, 0, Infinity);
      const timeout = checkTimeout(options?.timeout, this.#timeout);
      if (this.publishers >= count) return Promise.resolve();
      const what = `waiting for ${count} publisher${
        count === 1 ? "" : "s"
      } of topic "${this.name}"`;
      return this.#waiters.wait(count, what, { timeout, signal: options?.signal });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The next message, of any publisher.
   *
   * @throws {TimeoutError} None came in time.
   * @throws {LaggedError} A publisher disconnected us, as `onLag: "disconnect"` asks; told once.
   * @throws {CodecError} The message can't be decoded; it is skipped.
   * @throws {ClosedError} The subscriber was closed.
   */
  async receive(options?: WaitOptions): Promise<T> {
    this.#checkReceive();
    const timeout = checkTimeout(options?.timeout, this.#timeout);
    return (await this.#wait(timeout, options?.signal)).value;
  }

  /** The next message, or `undefined` if there is none now. Throws what {@linkcode Subscriber.receive} does. */
  tryReceive(): T | undefined {
    this.#checkReceive();
    return this.#take()?.value;
  }

  /**
   * The same as {@linkcode Subscriber.receive}, blocking the thread.
   *
   * @throws {TimeoutError} None came in time.
   */
  receiveSync(options?: { timeout?: number }): T {
    this.#checkReceive();
    const timeout = checkTimeout(options?.timeout, this.#timeout);
    const attempt = (): Received<T> | undefined => {
      const received = this.#take();
      if (received === undefined) this.#checkOpen();
      return received;
    };
    return this.#line.waitSync(attempt, this.#what(), timeout).value;
  }

  /**
   * All messages from now on; ends when the subscriber is closed. Breaking out of the loop
   * leaves it open.
   */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.#iterate() };
  }

  async #iterate(): Promise<IteratorResult<T, undefined>> {
    if (++this.#sinceYield % YIELD_EVERY === 0) {
      await new Promise<void>((resolve) => this.#realm.binding.nextTurn(resolve));
    }
    if (this.#closed) return { done: true, value: undefined };
    this.#checkReceive();
    try {
      const received = this.#line.length === 0 ? this.#take() : undefined;
      const { value } = received ?? await this.#wait(this.#timeout);
      return { done: false, value };
    } catch (error) {
      if (error instanceof ClosedError && this.#closed) return { done: true, value: undefined };
      throw error;
    }
  }

  #wait(timeout: number, signal?: AbortSignal): Promise<Received<T>> {
    const waiting = this.#line.wait(this.#attempt, this.#what(), { timeout, signal });
    // Looking for a message may have called `onDisconnect`, and that may have closed us.
    if (this.#closed) this.#line.fail(this.#closedError());
    return waiting;
  }

  /** Keeps the process alive until the subscriber is closed. */
  ref(): void {
    if (this.#isHeld || this.#closed) return;
    this.#isHeld = true;
    this.#realm.reactor.ref();
  }

  /** Lets the process end though the subscriber is open. */
  unref(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#realm.reactor.unref();
  }

  /** Closes it: waits end, publishers that it held back go on. Calling it again does nothing. */
  close(): Promise<void> {
    this.#closeNow();
    return Promise.resolve();
  }

  /** The same as {@linkcode Subscriber.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #closeNow(): void {
    if (this.#closed) return;
    this.unref();
    this.#closed = true;
    const { directory, reactor } = this.#realm;
    const leave = (path: string): void => {
      // Who came meanwhile may have reserved a slot for us.
      this.#scan(path);
      for (const subscription of this.#subscriptions.splice(0)) subscription.close();
      directory.removeFile(`${path}/${fileOf(SUBSCRIBER, this.#identity.participant)}`);
    };
    try {
      directory.locked(this.#parts, leave);
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      leave(directory.path(...this.#parts));
    }
    directory.prune(this.#parts);
    reactor.remove(this.#index);
    const error = this.#closedError();
    this.#line.fail(error);
    this.#waiters.fail(error);
    this.#registration.close();
    this.#realm.release(this.#closer);
  }

  #checkOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  #closedError(): ClosedError {
    return new ClosedError(`subscriber of topic "${this.name}"`);
  }

  #checkReceive(): void {
    this.#checkOpen();
    if (this.#options.onMessage !== undefined) {
      throw new ArgumentError("this subscriber has `onMessage`: its messages go there");
    }
  }

  #what(): string {
    return `waiting for a message on topic "${this.name}"`;
  }

  // ------------------------------------------------------------------ publishers

  /** Connects to publishers that announced themselves. */
  #admit(): boolean {
    const announcements = Atomics.load(
      this.#registration.words,
      SubscriberLayout.announcements >> 2,
    );
    let changed = announcements !== this.#announcements;
    if (changed) {
      this.#announcements = announcements;
      this.#scan(this.#realm.directory.path(...this.#parts));
    }
    for (const subscription of this.#subscriptions) {
      if (subscription.isOpen) continue;
      if (!this.#guarded(subscription, () => subscription.open())) continue;
      changed = true;
      this.#tell("onConnect", () => this.#options.onConnect?.(subscription.id));
      if (this.#closed) return true;
    }
    if (changed) this.#waiters.tell(this.publishers);
    return changed;
  }

  #scan(path: string): void {
    const known = new Set(this.#subscriptions.map((subscription) => subscription.id));
    for (const publisher of participantsIn(this.#realm, path, PUBLISHER)) {
      const id = idOf(publisher);
      if (known.has(id) || this.#refused.has(id)) continue;
      try {
        this.#attach(path, publisher, false);
      } catch (error) {
        this.#refused.add(id);
        // One publisher that can't be used leaves the others alone.
        if (!this.#closed) this.#onPeerError(error);
      }
    }
  }

  /** Runs what reads shared memory: what is corrupt there ends the subscription and nothing else. */
  #guarded(subscription: Subscription, task: () => boolean): boolean {
    try {
      return task();
    } catch (error) {
      if (!(error instanceof CorruptSegmentError)) throw error;
      this.#corrupt(subscription, error);
      return false;
    }
  }

  #corrupt(subscription: Subscription, error: unknown): void {
    subscription.end("corrupt");
    this.#onPeerError(error);
  }

  /** Lets go of publishers that are gone and of which nothing is left. */
  #settle(): boolean {
    let settled = false;
    for (let i = 0; i < this.#subscriptions.length; i++) {
      const subscription = this.#subscriptions[i]!;
      const reason = subscription.gone;
      if (reason === undefined) continue;
      this.#subscriptions.splice(i--, 1);
      settled = true;
      const wasOpen = subscription.isOpen;
      subscription.close();
      // It may have a file still, which mustn't be taken for a new one.
      if (reason !== "closed") this.#refused.add(subscription.id);
      this.#tellGone(subscription.id, wasOpen, reason);
      if (this.#closed) return true;
    }
    return settled;
  }

  #tellGone(id: string, wasOpen: boolean, reason: TopicGoneReason): void {
    const { onDisconnect, onMessage } = this.#options;
    if (reason === "lagged") {
      const error = new LaggedError(this.name, id);
      if (onMessage === undefined) this.#failures.push(error);
      else this.#onPeerError(error);
    }
    if (wasOpen) this.#tell("onDisconnect", () => onDisconnect?.(id, reason));
  }

  // -------------------------------------------------------------------- messages

  /** Goes on to the next message of some publisher. */
  #next(): Subscription | undefined {
    const links = this.#subscriptions;
    let current = this.#current < links.length ? links[this.#current]! : undefined;
    if (current?.consumer?.hasBatch && this.#guardedNext(current)) return current;
    for (let tries = links.length; tries > 0; tries--) {
      if (++this.#current >= links.length) this.#current = 0;
      current = links[this.#current]!;
      if (this.#guardedNext(current)) return current;
      if (this.#closed) return undefined;
    }
    return undefined;
  }

  #guardedNext(subscription: Subscription): boolean {
    try {
      return subscription.next();
    } catch (error) {
      if (!(error instanceof CorruptSegmentError)) throw error;
      this.#corrupt(subscription, error);
      return false;
    }
  }

  /** Counts the message at the end of `subscription`, and what was lost before it. */
  #count(subscription: Subscription): void {
    const { lost, length } = subscription.consumer!;
    this.#messages++;
    this.#bytes += length;
    if (lost === 0) return;
    this.#lost += lost;
    this.#tell("onLost", () => this.#options.onLost?.(lost, subscription.id));
  }

  #valueOf(subscription: Subscription): T {
    const consumer = subscription.consumer!;
    const payload = consumer.take();
    return (consumer.isParts ? splitParts(payload) : this.#codec.decode(payload)) as T;
  }

  #take(): Received<T> | undefined {
    for (;;) {
      if (this.#failures.length > 0) throw this.#failures.shift();
      const subscription = this.#next();
      if (subscription === undefined) {
        if (this.#closed) return undefined;
        if (this.#admit() || this.#settle()) continue;
        return undefined;
      }
      this.#count(subscription);
      if (this.#closed) return undefined;
      try {
        return { value: this.#valueOf(subscription) };
      } catch (error) {
        if (!(error instanceof CorruptSegmentError)) throw error;
        this.#corrupt(subscription, error);
      }
    }
  }

  /** Gives messages to the handler. */
  #deliver(handler: NonNullable<SubscriberOptions<T>["onMessage"]>): Polled {
    let count = 0;
    for (; count < MESSAGES_PER_POLL && !this.#isBusy; count++) {
      const subscription = this.#next();
      if (subscription === undefined) break;
      this.#count(subscription);
      if (this.#closed) break;
      this.#handle(handler, subscription);
      if (this.#closed) break;
    }
    return count === 0 ? Polled.nothing : this.#isBusy ? Polled.resolved : Polled.done;
  }

  #handle(
    handler: NonNullable<SubscriberOptions<T>["onMessage"]>,
    subscription: Subscription,
  ): void {
    let value: T;
    try {
      value = this.#valueOf(subscription);
    } catch (error) {
      if (error instanceof CorruptSegmentError) this.#corrupt(subscription, error);
      else this.#onPeerError(error);
      return;
    }
    try {
      const result = handler(value, {
        publisher: subscription.id,
        sequence: subscription.consumer!.sequence,
      });
      if (isPromiseLike(result)) this.#pause(result);
    } catch (error) {
      this.#report(error, "onMessage");
    }
  }

  /** The next message waits until the handler has finished with this one. */
  #pause(result: PromiseLike<unknown>): void {
    this.#isBusy = true;
    const resume = (): void => {
      this.#isBusy = false;
      if (!this.#closed) this.#realm.reactor.heat(this.#index);
    };
    result.then(resume, (error) => {
      this.#report(error, "onMessage");
      resume();
    });
  }

  /** Runs a callback of the user. */
  #tell(where: string, task: () => unknown): void {
    guarded(task, errorSink(this.#options.onError, this.#label), where);
  }

  /** Something of the user's failed. */
  #report(error: unknown, where?: string): void {
    errorSink(this.#options.onError, this.#label)(error, where);
  }

  /** A publisher did something wrong. */
  #onPeerError(error: unknown): void {
    peerErrorSink(this.#options.onError, this.#label)(error);
  }

  /** Names it in reports. */
  get #label(): string {
    return `a subscriber of topic "${this.name}"`;
  }

  #poll(): Polled {
    if (this.#closed) return Polled.nothing;
    const { onMessage } = this.#options;
    let polled: Polled = this.#admit() ? Polled.done : Polled.nothing;
    if (this.#closed) return Polled.resolved;
    const found = onMessage === undefined ? this.#line.poll() : this.#deliver(onMessage);
    if (found > polled) polled = found;
    if (this.#closed) return Polled.resolved;
    if (!this.#isBusy && this.#settle()) polled = Polled.resolved;
    return polled;
  }

  #arm(): boolean {
    if (this.#closed) return true;
    if (
      Atomics.load(this.#registration.words, SubscriberLayout.announcements >> 2) !==
        this.#announcements
    ) {
      return false;
    }
    if (this.#options.onMessage === undefined) return this.#line.arm();
    if (this.#isBusy) return true;
    let isQuiet = true;
    for (const subscription of this.#subscriptions) if (!subscription.arm()) isQuiet = false;
    return isQuiet;
  }
}

function historyOf(history: number | "latest" | undefined): number {
  if (history === undefined) return 0;
  return history === "latest" ? 1 : Math.min(history, ALL);
}

function checkSubscriberOptions<T>(options: SubscriberOptions<T>): void {
  // `onLag` is no handler, though it looks like one.
  const isObject = typeof options === "object" && options !== null;
  checkOptions(isObject ? { ...options, onLag: undefined } : options, NAMES);
  const { codec, onLag, history, borrow, onMessage, timeout } = options;
  if (codec !== undefined) checkCodec(codec);
  if (onLag !== undefined && !Object.hasOwn(POLICIES, onLag)) {
    throw new ArgumentError(
      `\`onLag\` is "block", "drop-oldest" or "disconnect", got ${show(onLag)}`,
    );
  }
  if (history !== undefined && history !== "latest") checkCount("history", history, 0, Infinity);
  checkFlag("borrow", borrow);
  if (borrow === true && onMessage === undefined) {
    throw new ArgumentError("`borrow` needs `onMessage`: its end is when the handler has finished");
  }
  checkTimeout(timeout, Infinity);
}
