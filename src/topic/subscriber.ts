/**
 * Subscriber: reads every message of every publisher of a topic.
 *
 * @module
 */
import type { Codec } from "../codec/codec.ts";
import { ArgumentError, ClosedError, LaggedError } from "../errors.ts";
import { isPromiseLike } from "../failures.ts";
import { SubscriberLayout, SubscriberState } from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import { checkCount, checkFlag, checkOptions, checkTimeout } from "../options.ts";
import type { OptionsOf, WaitOptions } from "../options.ts";
import { splitParts } from "../ring/broadcast_consumer.ts";
import { Handle } from "../wake/handle.ts";
import { Polled } from "../wake/reactor.ts";
import type { Realm } from "../wake/realm.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import { CountWaiters } from "./count_waiters.ts";
import {
  createRegistration,
  fileOf,
  FOLDER,
  idOf,
  newParticipant,
  POLICIES,
  SUBSCRIBER,
} from "./folder.ts";
import type { Participant } from "./folder.ts";
import { invitationsIn } from "./invitations.ts";
import { topicCodec } from "./options.ts";
import type { Decoded } from "./options.ts";
import { checkSubscriberOptions, historyOf } from "./subscriber_options.ts";
import type { SubscriberOptions } from "./subscriber_options.ts";
import type { ReceiveStatistics } from "../statistics.ts";
import type { TopicGoneReason } from "./subscriber_table.ts";
import type { SubscriberIdentity, Subscription } from "./subscription.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Options of {@linkcode Subscriber.values}. */
export interface ValuesOptions {
  /** Leaving the loop leaves the subscriber open. Default false: it closes it. */
  keepOpen?: boolean;
}

const VALUES: OptionsOf<ValuesOptions> = { keepOpen: true };
const VALUES_NAMES = Object.keys(VALUES);

/** A snapshot of what a subscriber did. */
export interface SubscriberStatistics extends ReceiveStatistics {
  /** Messages lost, as {@linkcode Subscriber.lost} says. */
  readonly lost: number;
}

/** Messages in one poll, so that other sources get their turn. */
const MESSAGES_PER_POLL = 64;

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
  readonly #handle: Handle;
  readonly #codec: Codec;
  readonly #options: SubscriberOptions<T>;
  readonly #subscriptions: Subscriptions;
  readonly #line: WaitQueue;
  readonly #waiters: CountWaiters;
  readonly #timeout: number;
  /** The handler hasn't finished with a message. */
  #isBusy = false;
  #failures: unknown[] = [];
  /** A publisher is gone: ends a subscriber whose files were removed with the last. */
  #lookWhetherInUse: () => void = () => {};
  #messages = 0;
  #bytes = 0;
  #lost = 0;
  readonly #attempt = (): Received<T> | undefined => this.#take();

  /** The caller holds the lock of the folder `path`. */
  private constructor(
    name: string,
    handle: Handle,
    options: SubscriberOptions<T>,
    parts: string[],
    path: string,
  ) {
    this.name = name;
    this.#handle = handle;
    this.#options = options;
    this.#codec = topicCodec(options.codec, handle.realm);
    this.#timeout = checkTimeout(options.timeout, Infinity);
    const identity: SubscriberIdentity = {
      name,
      participant: newParticipant(handle.realm, handle.index),
      policy: POLICIES[options.onLag ?? "block"],
      history: historyOf(options.history),
      codec: this.#codec.name,
      borrow: options.borrow === true,
    };
    this.id = idOf(identity.participant);
    const registration = register(handle, path, identity);
    this.#subscriptions = new Subscriptions(handle, path, identity, registration, {
      connected: (publisher) => handle.event("onConnect", options.onConnect, publisher),
      gone: (publisher, reason, wasOpen) => this.#onGone(publisher, reason, wasOpen),
      missed: (publishers) => this.#fail(new LaggedError(name, "", publishers)),
      failed: (error) => handle.reportPeer(error),
    });
    this.#waiters = new CountWaiters(handle.reactor);
    this.#line = new WaitQueue(
      handle.reactor,
      handle.index,
      () => this.#subscriptions.setWaiting(),
    );
    this.#closeWith(parts, registration, identity.participant);
    this.#subscriptions.joinAll();
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
   * @throws {TimeoutError} Another process, which may be stopped, held the lock of the topic for too long.
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
    const { directory, signal, onError, onMessage, onLost, onConnect, onDisconnect } = options;
    const callbacks = [onMessage, onLost, onConnect, onDisconnect];
    const hasCallbacks = callbacks.some((callback) => callback !== undefined);
    const life = {
      what: `subscriber of topic "${name}"`,
      directory,
      onError,
      hasCallbacks,
      signal,
    };
    return await Handle.open(life, async (handle) => {
      const parts = [FOLDER, encoded];
      const make = (path: string): Subscriber<T> =>
        new Subscriber<T>(name, handle, options, parts, path);
      try {
        const subscriber = await handle.realm.locked(parts, make, signal);
        subscriber.#start();
        return subscriber;
      } catch (error) {
        handle.onClose(() => handle.realm.directory.prune(parts));
        throw error;
      }
    });
  }

  #start(): void {
    this.#handle.attach({ poll: () => this.#poll(), arm: () => this.#arm() });
    this.#subscriptions.greet();
    this.#lookWhetherInUse = this.#handle.endWhenRemoved(() => this.#subscriptions.isInUse);
    if (this.#options.onMessage !== undefined) this.ref();
  }

  /** What the end of the handle does, in this order. No step needs the lock of the folder. */
  #closeWith(parts: string[], registration: Segment, participant: Participant): void {
    const handle = this.#handle;
    const { realm } = handle;
    handle.onClose(() => this.#line.fail(this.#handle.reason));
    handle.onClose(() => this.#waiters.fail(this.#handle.reason));
    // Publishers that have reserved a slot for us find out by this, whatever fails here.
    handle.onClose(() => registration.setU32(SubscriberLayout.state, SubscriberState.closed));
    handle.onClose(() => this.#subscriptions.acceptInvitations());
    handle.onClose(() => this.#subscriptions.close());
    handle.onClose(() => realm.eventually(() => removeFiles(realm, parts, participant)));
    handle.onClose(() => registration.close());
  }

  /** How many publishers there are. */
  get publishers(): number {
    return this.#subscriptions.open;
  }

  /** How many messages were lost so far, of all publishers. */
  get lost(): number {
    return this.#lost;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#handle.isClosed;
  }

  /** What the subscriber did so far. */
  get stats(): SubscriberStatistics {
    return { messagesReceived: this.#messages, bytesReceived: this.#bytes, lost: this.#lost };
  }

  /**
   * Resolves when it is connected to `count` publishers.
   *
   * @throws {TimeoutError} They didn't come in time.
   */
  ready(count = 1, options?: WaitOptions): Promise<void> {
    try {
      this.#handle.checkOpen();
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
      if (received === undefined) this.#handle.checkOpen();
      return received;
    };
    return this.#line.waitSync(attempt, this.#what(), timeout).value;
  }

  /**
   * All messages from now on; ends when the subscriber is closed. Leaving the loop, also by an
   * error, closes the subscriber: one that is open and doesn't read holds publishers back.
   */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return this.values();
  }

  /**
   * The same, to be left without closing the subscriber. As long as it is open it keeps its place,
   * and what it doesn't read counts as lag: with `onLag: "block"` it holds publishers back.
   *
   * @example
   * ```ts ignore
   * for await (const value of subscriber.values({ keepOpen: true })) if (isFirst(value)) break;
   * for await (const value of subscriber) console.log(value);
   * ```
   */
  values(options: ValuesOptions = {}): AsyncIterableIterator<T, undefined> {
    checkOptions(options, VALUES_NAMES);
    const keepOpen = checkFlag("keepOpen", options.keepOpen) === true;
    let isOver = false;
    const leave = (): void => {
      isOver = true;
      if (!keepOpen) this.#handle.close();
    };
    return {
      next: async () => {
        if (isOver) return { done: true, value: undefined };
        try {
          return await this.#iterate();
        } catch (error) {
          leave();
          throw error;
        }
      },
      return: () => {
        leave();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async #iterate(): Promise<IteratorResult<T, undefined>> {
    if (this.#handle.reason instanceof ClosedError) return { done: true, value: undefined };
    this.#checkReceive();
    try {
      const isFree = this.#line.length === 0 && !this.#handle.reactor.yielder.isDue();
      const received = isFree ? this.#take() : undefined;
      const { value } = received ?? await this.#wait(this.#timeout);
      return { done: false, value };
    } catch (error) {
      if (error instanceof ClosedError && this.isClosed) return { done: true, value: undefined };
      throw error;
    }
  }

  #wait(timeout: number, signal?: AbortSignal): Promise<Received<T>> {
    const waiting = this.#line.wait(this.#attempt, this.#what(), { timeout, signal });
    // Looking for a message may have called `onDisconnect`, and that may have closed us.
    if (this.isClosed) this.#line.fail(this.#handle.reason);
    return waiting;
  }

  /** Keeps the process alive until the subscriber is closed. */
  ref(): void {
    this.#handle.ref();
  }

  /** Lets the process end though the subscriber is open. */
  unref(): void {
    this.#handle.unref();
  }

  /** Closes it: waits end, publishers that it held back go on. Calling it again does nothing. */
  close(): Promise<void> {
    this.#handle.close();
    return Promise.resolve();
  }

  /** The same as {@linkcode Subscriber.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkReceive(): void {
    this.#handle.checkOpen();
    if (this.#options.onMessage !== undefined) {
      throw new ArgumentError("this subscriber has `onMessage`: its messages go there");
    }
  }

  #what(): string {
    return `waiting for a message on topic "${this.name}"`;
  }

  #onGone(publisher: string, reason: TopicGoneReason, wasOpen: boolean): void {
    if (reason === "lagged") this.#fail(new LaggedError(this.name, publisher));
    if (wasOpen) this.#handle.event("onDisconnect", this.#options.onDisconnect, publisher, reason);
    this.#lookWhetherInUse();
  }

  /** The next `receive` fails with it; a subscriber with `onMessage` tells `onError`. */
  #fail(error: LaggedError): void {
    if (this.#options.onMessage === undefined) this.#failures.push(error);
    else this.#handle.reportPeer(error);
  }

  /** Connects to publishers that came. */
  #admit(): boolean {
    if (!this.#subscriptions.admit()) return false;
    if (!this.isClosed) this.#waiters.tell(this.publishers);
    return true;
  }

  // -------------------------------------------------------------------- messages

  /** Counts the message at the end of `subscription`, and what was lost before it. */
  #count(subscription: Subscription): void {
    const { lost, length } = subscription.consumer!;
    this.#messages++;
    this.#bytes += length;
    if (lost === 0) return;
    this.#lost += lost;
    this.#handle.notify("onLost", this.#options.onLost, lost, subscription.id);
  }

  #valueOf(subscription: Subscription): T {
    const consumer = subscription.consumer!;
    const payload = consumer.take();
    return (consumer.isParts ? splitParts(payload) : this.#codec.decode(payload)) as T;
  }

  #take(): Received<T> | undefined {
    for (;;) {
      if (this.#failures.length > 0) throw this.#failures.shift();
      const subscription = this.#subscriptions.next();
      if (this.isClosed) return undefined;
      if (subscription === undefined) {
        if (this.#admit() || this.#subscriptions.settle()) continue;
        return undefined;
      }
      this.#count(subscription);
      if (this.isClosed) return undefined;
      const received = this.#read(subscription);
      if (received !== undefined) return received;
    }
  }

  /** The message; `undefined` if its publisher wrote what it can't have. */
  #read(subscription: Subscription): Received<T> | undefined {
    try {
      return { value: this.#valueOf(subscription) };
    } catch (error) {
      this.#subscriptions.corrupt(subscription, error);
      return undefined;
    }
  }

  /** Gives messages to the handler, for about a millisecond at most. */
  #deliver(handler: NonNullable<SubscriberOptions<T>["onMessage"]>): Polled {
    const { yielder } = this.#handle.reactor;
    for (let count = 0; count < MESSAGES_PER_POLL; count++) {
      const subscription = this.#subscriptions.next();
      if (subscription === undefined) return count === 0 ? Polled.nothing : Polled.done;
      this.#count(subscription);
      if (this.isClosed) break;
      this.#give(handler, subscription);
      // Promises, and then timers and I/O, have their turn.
      if (this.isClosed || this.#isBusy || yielder.isDue()) return Polled.resolved;
    }
    return Polled.done;
  }

  #give(
    handler: NonNullable<SubscriberOptions<T>["onMessage"]>,
    subscription: Subscription,
  ): void {
    let value: Received<T> | undefined;
    try {
      value = this.#read(subscription);
    } catch (error) {
      this.#handle.reportPeer(error);
    }
    if (value === undefined) return;
    const { sequence } = subscription.consumer!;
    const info = { publisher: subscription.id, sequence };
    const { reactor, scope } = this.#handle;
    try {
      const result = reactor.call(scope, handler, this.#options, value.value, info);
      if (isPromiseLike(result)) this.#pause(result);
    } catch (error) {
      this.#handle.report(error);
    }
  }

  /** The next message waits until the handler has finished with this one. */
  #pause(result: PromiseLike<unknown>): void {
    this.#isBusy = true;
    const resume = (): void => {
      this.#isBusy = false;
      this.#handle.heat();
    };
    result.then(resume, (error) => {
      this.#handle.report(error);
      resume();
    });
  }

  #poll(): Polled {
    const { onMessage } = this.#options;
    let polled: Polled = this.#admit() ? Polled.done : Polled.nothing;
    if (this.isClosed) return Polled.resolved;
    const found = onMessage === undefined
      ? this.#line.poll()
      : this.#isBusy
      ? Polled.nothing
      : this.#deliver(onMessage);
    if (found > polled) polled = found;
    if (this.isClosed) return Polled.resolved;
    if (!this.#isBusy && this.#subscriptions.settle()) polled = Polled.resolved;
    return polled;
  }

  #arm(): boolean {
    if (!this.#subscriptions.isUpToDate) return false;
    if (this.#options.onMessage === undefined) return this.#line.arm();
    return this.#isBusy || this.#subscriptions.arm();
  }
}

/** Removes a subscriber's registration, and what publishers left for it. */
function removeFiles({ directory }: Realm, parts: string[], participant: Participant): void {
  const path = directory.path(...parts);
  for (const invitation of invitationsIn(directory, path, participant)) {
    directory.removeFile(invitation.path);
  }
  directory.removeFile(`${path}/${fileOf(SUBSCRIBER, participant)}`);
  directory.prune(parts);
}

/** Makes a subscriber's registration. */
function register(
  { realm }: Handle,
  path: string,
  { name, participant, policy, codec }: SubscriberIdentity,
): Segment {
  const registration = createRegistration(realm, path, participant, policy, codec);
  if (registration === undefined) throw new ClosedError(`the folder of topic "${name}"`);
  return registration;
}

export type { MessageInfo, SubscriberOptions } from "./subscriber_options.ts";
