/**
 * Publisher: writes each message once, for any number of subscribers.
 *
 * @module
 */
import { checkCodec } from "../codec/codec.ts";
import type { Codec } from "../codec/codec.ts";
import { copyBytes, keepBetween, keepEncoded } from "../codec/copy.ts";
import { checkCapacity } from "../memory/capacity.ts";
import { codecId } from "../codec/codec_id.ts";
import { errorSink, guarded, peerErrorSink } from "../failures.ts";
import { checkOptions, checkTimeout, show } from "../options.ts";
import type { WaitOptions } from "../options.ts";
import { ArgumentError, ClosedError, DeadlockError, MessageTooLargeError } from "../errors.ts";
import {
  Header,
  Kind,
  MAX_SUBSCRIBERS,
  publisherData,
  PublisherLayout,
  PublisherState,
  SubscriberLayout,
  Wanted,
} from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { Segment } from "../memory/segment.ts";
import type { BroadcastProducer } from "../ring/broadcast_producer.ts";
import { partsLength } from "../ring/broadcast_producer.ts";
import { Polled } from "../wake/reactor.ts";
import { Realm } from "../wake/realm.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import type { Attempt } from "../wake/wait_queue.ts";
import {
  createPublisher,
  fileOf,
  FOLDER,
  idOf,
  newParticipant,
  participantsIn,
  policyOf,
  PUBLISHER,
  SUBSCRIBER,
} from "./folder.ts";
import type { Participant } from "./folder.ts";
import { CountWaiters } from "./count_waiters.ts";
import { Loan } from "./loan.ts";
import { TOPIC_OPTIONS, topicCodec, YIELD_EVERY } from "./options.ts";
import { checkCount } from "../options.ts";
import type { Bytes, Decoded, TopicOptions } from "./options.ts";
import { SubscriberTable } from "./subscriber_table.ts";
import type { TopicGoneReason } from "./subscriber_table.ts";

/** Options of {@linkcode Publisher.open}. */
export interface PublisherOptions extends TopicOptions {
  /**
   * Data bytes of its ring: a power of two. Default 1 MiB. A message has at most a quarter
   * of it, less 16 bytes.
   */
  capacity?: number;
  /** The most subscribers at a time. Default 64, at most 4096. */
  maxSubscribers?: number;
  /**
   * The most messages that a late joiner gets, if it asks for them. Default: as many as the
   * ring holds.
   */
  history?: number;
  /** A subscriber is there; `subscriber` is its id. */
  onConnect?: (subscriber: string) => void;
  /** A subscriber is gone. */
  onDisconnect?: (subscriber: string, reason: TopicGoneReason) => void;
}

/** The names of all options; held against the interface by the compiler. */
const OPTIONS: Record<keyof PublisherOptions, true> = {
  ...TOPIC_OPTIONS,
  capacity: true,
  maxSubscribers: true,
  history: true,
  onConnect: true,
  onDisconnect: true,
};
const NAMES = Object.keys(OPTIONS);

/** A snapshot of what a publisher did. */
export interface PublisherStatistics {
  /** Messages published. */
  readonly messages: number;
  /** Bytes of their payloads. */
  readonly bytes: number;
  /** How often a message had to wait for room. */
  readonly waits: number;
  /** Messages that wait now. */
  readonly waiting: number;
}

const DEFAULT_CAPACITY = 1 << 20;
const DEFAULT_SUBSCRIBERS = 64;
/** How long closing waits for messages that wait, and for subscribers that were told of us, in ms. */
const CLOSE_TIMEOUT = 5000;

const RESOLVED: Promise<void> = Promise.resolve();

/**
 * A publisher of a topic. Every subscriber gets every message, in the order in which
 * this publisher published them.
 *
 * @example
 * ```ts
 * import { Publisher } from "@causeway/ipc";
 *
 * await using publisher = await Publisher.open<{ symbol: string; price: number }>("prices");
 * await publisher.publish({ symbol: "EURUSD", price: 1.0832 });
 * ```
 */
export class Publisher<T = unknown> implements AsyncDisposable {
  /** The name it was opened with. */
  readonly name: string;
  /** Its id, as subscribers know it. */
  readonly id: string;
  readonly #realm: Realm;
  readonly #codec: Codec;
  readonly #options: PublisherOptions;
  readonly #closer: () => void;
  readonly #parts: string[];
  readonly #participant: Participant;
  readonly #index: number;
  readonly #segment: Segment;
  readonly #table: SubscriberTable;
  readonly #producer: BroadcastProducer;
  readonly #line: WaitQueue;
  readonly #waiters: CountWaiters;
  readonly #timeout: number;
  #loan: Loan | undefined;
  #bytes = 0;
  #waits = 0;
  #sinceYield = 0;
  #closed = false;

  private constructor(
    name: string,
    encoded: string,
    options: PublisherOptions,
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
    this.#waiters = new CountWaiters(realm.reactor);
    this.#index = realm.reactor.reserve();
    this.#participant = newParticipant(realm, this.#index);
    this.id = idOf(this.#participant);
    const invited: Participant[] = [];
    try {
      const { segment, table } = realm.directory.locked(
        this.#parts,
        (path) => this.#enter(path, invited),
      );
      this.#segment = segment;
      this.#table = table;
    } catch (error) {
      realm.reactor.remove(this.#index);
      realm.directory.prune(this.#parts);
      throw error;
    }
    this.#producer = this.#table.producer;
    this.#line = new WaitQueue(realm.reactor, this.#index, () => this.#producer.setWaiting());
    realm.reactor.attach(this.#index, { poll: () => this.#poll(), arm: () => this.#arm() });
    for (const participant of invited) this.#announce(participant);
  }

  /**
   * Opens a publisher. Subscribers may be there already or come later; those that are there
   * miss nothing. Any number of publishers share a topic, each with a ring of its own.
   *
   * It doesn't keep the process alive, but calls that wait do.
   *
   * @throws {ArgumentError} An option is out of range.
   * @throws {NoSpaceError} The file system can't hold the ring.
   */
  static open<C extends Codec>(
    name: string,
    options: PublisherOptions & { codec: C },
  ): Promise<Publisher<Decoded<C>>>;
  /** The same, for values of a given type. */
  static open<T = unknown>(name: string, options?: PublisherOptions): Promise<Publisher<T>>;
  static async open<T>(name: string, options: PublisherOptions = {}): Promise<Publisher<T>> {
    checkPublisherOptions(options);
    const encoded = await encodeName(checkName(name));
    return await Realm.open(
      options.directory,
      (realm, closer) => new Publisher<T>(name, encoded, options, realm, closer),
      (publisher) => publisher.#closeNow(),
    );
  }

  /** Makes our segment, with slots for those who are there, under the lock of the folder. */
  #enter(path: string, invited: Participant[]): { segment: Segment; table: SubscriberTable } {
    const realm = this.#realm;
    const { capacity = DEFAULT_CAPACITY, maxSubscribers: slots = DEFAULT_SUBSCRIBERS } =
      this.#options;
    const participant = this.#participant;
    const parameters = { name: this.name, capacity, slots, codec: this.#codec.name };
    const segment = createPublisher(realm, path, participant, parameters);
    if (segment === undefined) throw new ClosedError(`the folder of topic "${this.name}"`);
    try {
      const shape = { capacity, slots, data: publisherData(slots) };
      const { history = Infinity } = this.#options;
      const table = new SubscriberTable(realm, segment, shape, history, {
        joined: (id) => this.#onJoined(id),
        left: (id, reason) => this.#onLeft(id, reason),
        failed: (error) => this.#later(() => peerErrorSink(this.#options.onError)(error)),
      });
      for (const subscriber of participantsIn(realm, path, SUBSCRIBER)) {
        if (this.#invite(table, path, subscriber)) invited.push(subscriber);
      }
      segment.setU32(PublisherLayout.state, PublisherState.open);
      realm.directory.rename(segment.path, `${path}/${fileOf(PUBLISHER, participant)}`);
      return { segment, table };
    } catch (error) {
      realm.directory.removeFile(segment.path);
      segment.close();
      throw error;
    }
  }

  #invite(table: SubscriberTable, path: string, participant: Participant): boolean {
    const { binding } = this.#realm;
    const registration = openRegistration(binding, `${path}/${fileOf(SUBSCRIBER, participant)}`);
    if (registration === undefined) return false;
    const policy = policyOf(registration.u32(SubscriberLayout.policy));
    const isOurs = registration.u32(Header.codec) === codecId(this.#codec.name);
    registration.close();
    // With another codec it won't come, and must hold nobody back. It tells its user why.
    if (isOurs) table.invite(participant, policy);
    return true;
  }

  /** Tells a subscriber that we are there. */
  #announce(participant: Participant): void {
    const { binding, directory, reactor } = this.#realm;
    const path = directory.path(...this.#parts, fileOf(SUBSCRIBER, participant));
    const registration = openRegistration(binding, path);
    const peer = registration && this.#realm.acquirePeer(participant.node);
    if (registration !== undefined && peer !== undefined) {
      Atomics.add(registration.words, SubscriberLayout.announcements >> 2, 1);
      reactor.ring(peer.segment, participant.source);
      this.#realm.releasePeer(peer);
    }
    registration?.close();
  }

  /** How many subscribers there are. */
  get subscribers(): number {
    this.#look();
    return this.#table.size;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** The largest message, in bytes of its encoded form. */
  get maxMessageBytes(): number {
    return this.#producer.maxPayload;
  }

  /** What the publisher did so far. */
  get stats(): PublisherStatistics {
    return {
      messages: this.#producer.sequence,
      bytes: this.#bytes,
      waits: this.#waits,
      waiting: this.#line.length,
    };
  }

  /**
   * Resolves when there are `count` subscribers.
   *
   * @throws {TimeoutError} They didn't come in time.
   */
  ready(count = 1, options?: WaitOptions): Promise<void> {
    try {
      this.#checkOpen();
      checkCount("count", count, 0, MAX_SUBSCRIBERS);
      const timeout = checkTimeout(options?.timeout, this.#timeout);
      if (this.subscribers >= count) return RESOLVED;
      const what = `waiting for ${count} subscriber${
        count === 1 ? "" : "s"
      } of topic "${this.name}"`;
      return this.#waiters.wait(count, what, { timeout, signal: options?.signal });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Publishes a value. Resolves when it is in the ring, which is at once unless a
   * subscriber with `onLag: "block"` holds it back. Messages that wait keep their order.
   *
   * @throws {MessageTooLargeError} It is over a quarter of the capacity.
   * @throws {CodecError} The codec can't carry it.
   * @throws {TimeoutError} There was no room in time; it was not published.
   * @throws {ClosedError} The publisher was closed before there was room.
   */
  publish(value: T, options?: WaitOptions): Promise<void> {
    try {
      const payload = this.#encode(value);
      if (this.#line.length > 0 || options?.signal?.aborted || !this.#write(payload)) {
        const kept = keepEncoded(this.#codec, payload);
        return this.#wait<unknown>(
          () => this.#write(kept) || undefined,
          options,
        ) as Promise<void>;
      }
      return this.#yieldSometimes();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Publishes a value if there is room; false if a subscriber holds it back.
   *
   * @throws {MessageTooLargeError} It is over a quarter of the capacity.
   * @throws {CodecError} The codec can't carry it.
   */
  tryPublish(value: T): boolean {
    const payload = this.#encode(value);
    return this.#line.length === 0 && this.#write(payload);
  }

  /**
   * Publishes a value, blocking the thread while a subscriber holds it back. Goes before
   * those of {@linkcode Publisher.publish} that wait.
   *
   * @throws {TimeoutError} There was no room in time.
   * @throws {DeadlockError} The one who holds it back lives in this thread.
   */
  publishSync(value: T, options?: { timeout?: number }): void {
    const payload = this.#encode(value);
    const timeout = checkTimeout(options?.timeout, this.#timeout);
    if (this.#write(payload)) return;
    this.#waits++;
    if (this.#loan !== undefined) {
      throw new ArgumentError(
        "publishSync can't wait for a loan of its own publisher: end it first",
      );
    }
    // Handlers in this thread may run while it waits, and use the codec.
    const kept = keepEncoded(this.#codec, payload);
    const attempt = (): true | undefined => this.#write(kept) || undefined;
    if (this.#table.isHeldByOurselves) {
      let done = false;
      this.#realm.reactor.runUntilIdle(() => done ||= this.#closed || this.#write(kept));
      this.#checkOpen();
      if (!done && this.#table.isHeldByOurselves) {
        throw new DeadlockError(
          this.name,
          'a subscriber with `onLag: "block"` holds it back, and lives in the same thread, ' +
            "which can't read meanwhile",
        );
      }
      if (done) return;
    }
    this.#line.waitSync(attempt, this.#what(), timeout);
  }

  /**
   * Publishes several values in their order, and wakes the subscribers once for all that
   * there is room for. The values of an array are encoded first: if one can't be, none is
   * published. Those of another iterable, which may be long, are taken one by one: those
   * before it are published.
   *
   * @throws {ArgumentError} They aren't an iterable, or one of them is `undefined`.
   * @throws {MessageTooLargeError} One of them is over a quarter of the capacity.
   * @throws {CodecError} The codec can't carry one of them.
   * @throws {TimeoutError} There was no room for one of them in time; those before it are published.
   */
  async publishMany(values: Iterable<T>, options?: WaitOptions): Promise<void> {
    checkIterable(values);
    let count = 0;
    try {
      const all = Array.isArray(values) ? this.#encodeAll(values) : undefined;
      let isKept = false;
      // The caller gets its turn: what isn't in the ring yet may be written to from now on.
      const keepRest = (from: number): void => {
        if (all === undefined || isKept) return;
        isKept = true;
        for (let i = from; i < all.length; i++) all[i] = keepEncoded(this.#codec, all[i]!);
      };
      for (const payload of all ?? this.#encodeEach(values)) {
        if (this.#line.length > 0 || options?.signal?.aborted || !this.#put(payload)) {
          this.#serve();
          const kept = keepEncoded(this.#codec, payload);
          keepRest(count + 1);
          await this.#wait(() => this.#write(kept) || undefined, options);
        }
        if (++count % YIELD_EVERY === 0) {
          this.#serve();
          keepRest(count);
          await this.#nextTurn();
        }
      }
    } finally {
      if (!this.#closed) this.#serve();
    }
  }

  /**
   * Publishes a message of several parts, without joining them first. It goes around the
   * codec: subscribers get the parts as a list of `Uint8Array`.
   *
   * @throws {MessageTooLargeError} Together they are over a quarter of the capacity.
   */
  publishParts(parts: readonly Uint8Array[], options?: WaitOptions): Promise<void> {
    try {
      this.#checkOpen();
      const length = this.#checkSize(checkParts(parts));
      const write = (given: readonly Uint8Array[]): true | undefined => {
        if (!this.#isReady() || !this.#producer.writeParts(given, length)) return undefined;
        this.#onWritten(length);
        return true;
      };
      if (this.#line.length > 0 || options?.signal?.aborted || !write(parts)) {
        const kept = parts.map(copyBytes);
        return this.#wait<unknown>(() => write(kept), options) as Promise<void>;
      }
      return this.#yieldSometimes();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Lends room for a message of `length` bytes in the ring itself, to be filled in place:
   * nothing is copied. It goes around the codec: subscribers decode what is in it. There
   * is one loan at a time; everything else that is published waits for its end.
   *
   * @throws {MessageTooLargeError} It is over a quarter of the capacity.
   * @throws {TimeoutError} There was no room in time.
   */
  loan(length: number, options?: WaitOptions): Promise<Loan> {
    try {
      this.#checkOpen();
      this.#checkSize(checkCount("length", length, 0, Number.MAX_SAFE_INTEGER));
      return this.#wait(() => this.#lend(length), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The same if there is room now; `undefined` if a subscriber, or another loan, holds it back. */
  tryLoan(length: number): Loan | undefined {
    this.#checkOpen();
    this.#checkSize(checkCount("length", length, 0, Number.MAX_SAFE_INTEGER));
    return this.#line.length === 0 ? this.#lend(length) : undefined;
  }

  /**
   * Waits for messages that wait for room, and until the subscribers that were there
   * before have found this publisher (both for 5 s at most); then closes. Subscribers
   * still read what is in the ring. Calling it again does nothing.
   */
  async close(): Promise<void> {
    const end = performance.now() + CLOSE_TIMEOUT;
    this.#realm.reactor.ref();
    try {
      while (!this.#closed && !this.#isSettled && performance.now() < end) {
        await new Promise<void>((resolve) => this.#realm.reactor.startTimer(resolve, 1));
      }
    } finally {
      this.#realm.reactor.unref();
    }
    this.#closeNow();
  }

  /** The same as {@linkcode Publisher.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #isSettled(): boolean {
    this.#look();
    return this.#line.length === 0 && this.#table.isAttached;
  }

  #closeNow(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { directory, reactor } = this.#realm;
    const error = new ClosedError(this.#topic);
    this.#loan?.[Symbol.dispose]();
    this.#segment.setU32(PublisherLayout.state, PublisherState.closed);
    this.#table.ringAll();
    this.#table.close();
    reactor.remove(this.#index);
    directory.removeFile(directory.path(...this.#parts, fileOf(PUBLISHER, this.#participant)));
    directory.prune(this.#parts);
    this.#line.fail(error);
    this.#waiters.fail(error);
    this.#segment.close();
    this.#realm.release(this.#closer);
  }

  get #topic(): string {
    return `publisher of topic "${this.name}"`;
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError(this.#topic);
  }

  #encode(value: T): Uint8Array {
    this.#checkOpen();
    if (value === undefined) {
      throw new ArgumentError("undefined can't be published: it would look as if nothing came");
    }
    const payload = this.#codec.encode(value);
    this.#checkSize(payload.length);
    return payload;
  }

  #encodeAll(values: readonly T[]): Uint8Array[] {
    // Holes of the array are seen too.
    return Array.from(values, (value) => keepBetween(this.#codec, this.#encode(value), false));
  }

  *#encodeEach(values: Iterable<T>): Generator<Uint8Array> {
    for (const value of values) yield this.#encode(value);
  }

  #checkSize(length: number): number {
    const limit = this.#producer.maxPayload;
    if (length <= limit) return length;
    throw new MessageTooLargeError(
      length,
      limit,
      this.#topic,
      `a message has at most a quarter of its ring, raise \`capacity\` (now ${this.#producer.capacity})`,
    );
  }

  #what(): string {
    const cause = this.#loan === undefined
      ? "a subscriber holds it back"
      : "a loan of this publisher hasn't been published or given back";
    return `waiting for room on topic "${this.name}", where ${cause},`;
  }

  #wait<R>(attempt: Attempt<R>, options: WaitOptions | undefined): Promise<R> {
    const timeout = checkTimeout(options?.timeout, this.#timeout);
    let first = true;
    const counted = (): R | undefined => {
      const result = attempt();
      if (first && result === undefined) this.#waits++;
      first = false;
      return result;
    };
    return this.#line.wait(counted, this.#what(), { timeout, signal: options?.signal });
  }

  /** Lets subscribers in that have come, and says whether something can be written at all. */
  #isReady(): boolean {
    if (this.#producer.wantsLook) this.#serve();
    return this.#loan === undefined && !this.#closed;
  }

  /** Writes a message without waking anybody. */
  #put(payload: Uint8Array): boolean {
    if (!this.#isReady() || !this.#producer.write(payload)) return false;
    this.#bytes += payload.length;
    return true;
  }

  #write(payload: Uint8Array): boolean {
    if (!this.#put(payload)) return false;
    if (this.#producer.isWanted) this.#serve();
    return true;
  }

  #onWritten(length: number): void {
    this.#bytes += length;
    if (this.#producer.isWanted) this.#serve();
  }

  #lend(length: number): Loan | undefined {
    if (!this.#isReady() || !this.#producer.reserve(length)) return undefined;
    const { buffer } = this.#segment.bytes;
    const room = new Uint8Array(buffer, this.#producer.payload, length);
    this.#loan = new Loan(room, (publish) => {
      this.#loan = undefined;
      if (publish) {
        this.#producer.commit();
        this.#onWritten(length);
      } else {
        this.#producer.cancel();
      }
      // Others may have waited for its end.
      if (this.#line.length > 0) this.#realm.reactor.heat(this.#index);
    });
    return this.#loan;
  }

  /** Does what subscribers have asked for in shared memory. */
  #serve(): void {
    const wanted = this.#producer.takeWanted(Wanted.look | Wanted.wake);
    if ((wanted & Wanted.look) !== 0) this.#table.look();
    if ((wanted & Wanted.wake) !== 0) this.#table.wake();
  }

  /** Lets subscribers in that have come, and lets go of those that have left. */
  #look(): boolean {
    if (this.#closed || !this.#producer.wantsLook) return false;
    this.#producer.takeWanted(Wanted.look);
    this.#table.look();
    return true;
  }

  #poll(): Polled {
    if (this.#closed) return Polled.nothing;
    const looked = this.#look();
    const polled = this.#line.poll();
    return polled === Polled.nothing && looked ? Polled.done : polled;
  }

  #arm(): boolean {
    return this.#closed || !this.#look() && this.#line.arm();
  }

  #onJoined(id: string): void {
    const { onConnect } = this.#options;
    if (onConnect !== undefined) this.#later(() => onConnect(id), "onConnect");
    this.#later(() => this.#waiters.tell(this.#table.size));
  }

  #onLeft(id: string, reason: TopicGoneReason): void {
    const { onDisconnect } = this.#options;
    if (onDisconnect !== undefined) this.#later(() => onDisconnect(id, reason), "onDisconnect");
    // It may have held others back.
    this.#realm.reactor.heat(this.#index);
  }

  /** Not from within: a message may be about to be written. */
  #later(task: () => unknown, where?: string): void {
    queueMicrotask(() => {
      if (this.#closed) return;
      guarded(task, errorSink(this.#options.onError, `a publisher of topic "${this.name}"`), where);
    });
  }

  /** Now and then the event loop gets its turn, also in a loop that never waits. */
  #yieldSometimes(): Promise<void> {
    if (++this.#sinceYield % YIELD_EVERY !== 0) return RESOLVED;
    return this.#nextTurn();
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#realm.binding.nextTurn(resolve));
  }
}

function openRegistration(binding: Realm["binding"], path: string): Segment | undefined {
  return Segment.open(binding, path, Kind.member);
}

function checkParts(parts: readonly Uint8Array[]): number {
  if (Array.isArray(parts) && parts.every((part) => part instanceof Uint8Array)) {
    return partsLength(parts);
  }
  throw new ArgumentError("the parts of a message are an array of Uint8Array");
}

function checkIterable(values: Iterable<unknown>): void {
  const { [Symbol.iterator]: iterator } = Object(values) as Partial<Iterable<unknown>>;
  if (typeof iterator === "function") return;
  throw new ArgumentError(
    `publishMany takes an array, or another iterable of values, got ${show(values)}`,
  );
}

function checkPublisherOptions(options: PublisherOptions): void {
  checkOptions(options, NAMES);
  if (options.codec !== undefined) checkCodec(options.codec);
  if (options.capacity !== undefined) checkCapacity(options.capacity);
  if (options.maxSubscribers !== undefined) {
    checkCount("maxSubscribers", options.maxSubscribers, 1, MAX_SUBSCRIBERS);
  }
  if (options.history !== undefined) checkCount("history", options.history, 0, Infinity);
  checkTimeout(options.timeout, Infinity);
}

export type { Bytes };
