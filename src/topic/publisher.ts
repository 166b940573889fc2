/**
 * Publisher: writes each message once, for any number of subscribers.
 *
 * @module
 */
import type { Codec } from "../codec/codec.ts";
import { copyBytes, keepBetween, keepEncoded } from "../codec/copy.ts";
import { checkCount, checkTimeout, show } from "../options.ts";
import type { WaitOptions } from "../options.ts";
import { ArgumentError, DeadlockError, MessageTooLargeError, TimeoutError } from "../errors.ts";
import { MAX_SUBSCRIBERS, Wanted } from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import type { BroadcastProducer } from "../ring/broadcast_producer.ts";
import { partsLength } from "../ring/broadcast_producer.ts";
import { Handle } from "../wake/handle.ts";
import { Polled } from "../wake/reactor.ts";
import { SendWaits } from "../wake/send_waits.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import type { Attempt, WaitLimits } from "../wake/wait_queue.ts";
import type { Yielder } from "../wake/yielder.ts";
import { CountWaiters } from "./count_waiters.ts";
import { FOLDER, idOf } from "./folder.ts";
import { LagLimit } from "./lag_limit.ts";
import { Loan } from "./loan.ts";
import { openPublisher } from "./open_publisher.ts";
import type { OpenPublisher } from "./open_publisher.ts";
import { topicCodec } from "./options.ts";
import type { Bytes, Decoded } from "./options.ts";
import { PublisherEvents } from "./publisher_events.ts";
import { publisherLimits } from "./publisher_options.ts";
import type { PublisherLimits, PublisherOptions } from "./publisher_options.ts";
import type { SendQueueStatistics, SendStatistics } from "../statistics.ts";
import type { SubscriberTable } from "./subscriber_table.ts";
import { readClock } from "../timers.ts";

/** A snapshot of what a publisher did. What waits for room isn't sent yet. */
export interface PublisherStatistics extends SendStatistics, SendQueueStatistics {}

/** How long closing waits for messages that wait for room, in ms. */
const CLOSE_TIMEOUT = 5000;
/** Values of an iterable that are published before the subscribers are woken. */
const WAKE_EVERY = 1024;
/** To a program that meets the limit of what may wait. */
const ADVICE =
  "await `publish`, let go of slow subscribers with `maxLag`, or raise `sendQueueBytes`";

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
  readonly #handle: Handle;
  readonly #codec: Codec;
  readonly #limits: PublisherLimits;
  readonly #segment: Segment;
  readonly #table: SubscriberTable;
  readonly #producer: BroadcastProducer;
  readonly #line: WaitQueue;
  readonly #sends: SendWaits;
  readonly #lag: LagLimit;
  readonly #waiters: CountWaiters;
  readonly #yielder: Yielder;
  #loan: Loan | undefined;
  #bytes = 0;
  #waits = 0;
  /** Is it watched whether subscribers exceed their limit? */
  #isWatching = false;

  private constructor(
    name: string,
    handle: Handle,
    codec: Codec,
    limits: PublisherLimits,
    { participant, segment, table }: OpenPublisher,
    events: PublisherEvents,
  ) {
    this.name = name;
    this.id = idOf(participant);
    this.#handle = handle;
    this.#codec = codec;
    this.#limits = limits;
    this.#segment = segment;
    this.#table = table;
    this.#producer = table.producer;
    this.#lag = new LagLimit(table, limits.maxLag, limits.lagAction);
    this.#waiters = new CountWaiters(handle.reactor);
    this.#yielder = handle.reactor.yielder;
    this.#line = new WaitQueue(handle.reactor, handle.index, () => this.#producer.setWaiting());
    this.#sends = new SendWaits(this.#line, limits.sendQueueBytes, handle.report, ADVICE);
    events.onJoined = () => this.#waiters.tell(this.#table.size);
    events.onLookAgain = () => {
      this.#table.look();
      handle.heat();
    };
    handle.onClose(() => this.#loan?.[Symbol.dispose]());
    handle.onClose(() => this.#line.fail(handle.reason));
    handle.onClose(() => this.#waiters.fail(handle.reason));
    handle.attach({ poll: () => this.#poll(), arm: () => this.#arm() });
    events.onLeft = handle.endWhenRemoved(() => this.#table.size > 0);
  }

  /**
   * Opens a publisher. Subscribers may be there already or come later; those that are there
   * miss nothing. Any number of publishers share a topic, each with a ring of its own.
   *
   * It doesn't keep the process alive, but calls that wait do.
   *
   * @throws {ArgumentError} An option is out of range.
   * @throws {NoSpaceError} The file system can't hold the ring.
   * @throws {TimeoutError} Another process, which may be stopped, held the lock of the topic for too long.
   */
  static open<C extends Codec>(
    name: string,
    options: PublisherOptions & { codec: C },
  ): Promise<Publisher<Decoded<C>>>;
  /** The same, for values of a given type. */
  static open<T = unknown>(name: string, options?: PublisherOptions): Promise<Publisher<T>>;
  static async open<T>(name: string, options: PublisherOptions = {}): Promise<Publisher<T>> {
    const limits = publisherLimits(options);
    const encoded = await encodeName(checkName(name));
    const { directory, signal, onError, onConnect, onDisconnect } = options;
    const hasCallbacks = onConnect !== undefined || onDisconnect !== undefined;
    const what = `publisher of topic "${name}"`;
    const life = { what, directory, onError, hasCallbacks, signal };
    return await Handle.open(life, async (handle) => {
      const events = new PublisherEvents(handle, options);
      const codec = topicCodec(options.codec, handle.realm);
      const parts = [FOLDER, encoded];
      const opened = await openPublisher(handle, name, parts, codec, limits, events, signal);
      return new Publisher<T>(name, handle, codec, limits, opened, events);
    });
  }

  /** How many subscribers there are. */
  get subscribers(): number {
    this.#look();
    return this.#table.size;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#handle.isClosed;
  }

  /** The largest message, in bytes of its encoded form. */
  get maxMessageBytes(): number {
    return this.#producer.maxPayload;
  }

  /** What the publisher did so far. */
  get stats(): PublisherStatistics {
    return {
      messagesSent: this.#producer.sequence,
      bytesSent: this.#bytes,
      waits: this.#waits,
      queuedMessages: this.#line.length,
    };
  }

  /**
   * Resolves when there are `count` subscribers.
   *
   * @throws {TimeoutError} They didn't come in time.
   */
  ready(count = 1, options?: WaitOptions): Promise<void> {
    try {
      this.#handle.checkOpen();
      checkCount("count", count, 0, MAX_SUBSCRIBERS);
      const timeout = checkTimeout(options?.timeout, this.#limits.timeout);
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
   * subscriber with `onLag: "block"` holds it back. Messages that wait keep their order, and are
   * copied, so bytes may be used again as soon as the call returns. A message that fails, and whose
   * promise was forgotten, is reported to `onError`, or on the console.
   *
   * @throws {MessageTooLargeError} It is over a quarter of the capacity.
   * @throws {CodecError} The codec can't carry it.
   * @throws {BackpressureError} More than `sendQueueBytes` would wait; it was not published.
   * @throws {TimeoutError} There was no room in time; it was not published.
   * @throws {ClosedError} The publisher was closed before there was room.
   */
  publish(value: T, options?: WaitOptions): Promise<void> {
    try {
      const payload = this.#encode(value);
      if (this.#line.length === 0 && !options?.signal?.aborted && this.#write(payload)) {
        return this.#yielder.pause();
      }
      const kept = keepEncoded(this.#codec, payload);
      return this.#waitToSend(() => this.#write(kept) || undefined, kept.length, options);
    } catch (error) {
      return this.#sends.refuse(error);
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
   * @throws {DeadlockError} The subscriber that holds it back lives in this thread.
   */
  publishSync(value: T, options?: { timeout?: number }): void {
    const payload = this.#encode(value);
    const timeout = checkTimeout(options?.timeout, this.#limits.timeout);
    if (this.#write(payload)) return;
    this.#waits++;
    if (this.#loan !== undefined) {
      throw new ArgumentError(
        "publishSync can't wait for a loan of its own publisher: end it first",
      );
    }
    // Handlers in this thread may run while it waits, and use the codec.
    const kept = keepEncoded(this.#codec, payload);
    if (this.#table.isHeldByOurselves) {
      let done = false;
      const { reactor } = this.#handle;
      reactor.runUntilIdle(() => done ||= this.isClosed || this.#write(kept));
      this.#handle.checkOpen();
      if (!done && this.#table.isHeldByOurselves) {
        throw new DeadlockError(
          this.name,
          'a subscriber with `onLag: "block"` holds it back, and lives in the same thread, ' +
            "which can't read meanwhile",
        );
      }
      if (done) return;
    }
    this.#blockForRoom(kept, timeout);
  }

  /** Blocks until there is room, and now and then looks whether a subscriber exceeds its limit. */
  #blockForRoom(payload: Uint8Array, timeout: number): void {
    const attempt = (): true | undefined => this.#write(payload) || undefined;
    const end = readClock() + timeout;
    for (;;) {
      const rest = end - readClock();
      const look = this.#lag.isWatching ? this.#lag.nextLook : Infinity;
      try {
        this.#line.waitSync(attempt, this.#what(), Math.min(Math.max(0, rest), look));
        return;
      } catch (error) {
        if (!(error instanceof TimeoutError) || look > rest) throw error;
      }
    }
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
          await this.#waitToSend(() => this.#write(kept) || undefined, kept.length, options);
        }
        if (++count % WAKE_EVERY === 0) this.#serve();
        if (this.#yielder.isDue()) {
          this.#serve();
          keepRest(count);
          await this.#yielder.turn();
        }
      }
    } finally {
      if (!this.isClosed) this.#serve();
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
      this.#handle.checkOpen();
      const length = this.#checkSize(checkParts(parts));
      const write = (parts: readonly Uint8Array[]): true | undefined => {
        if (!this.#hasRoom(() => this.#producer.writeParts(parts, length))) return undefined;
        this.#onWritten(length);
        return true;
      };
      if (this.#line.length === 0 && !options?.signal?.aborted && write(parts)) {
        return this.#yielder.pause();
      }
      const kept = parts.map(copyBytes);
      return this.#waitToSend(() => write(kept), length, options);
    } catch (error) {
      return this.#sends.refuse(error);
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
      this.#handle.checkOpen();
      this.#checkSize(checkCount("length", length, 0, Number.MAX_SAFE_INTEGER));
      return this.#wait(() => this.#lend(length), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The same if there is room now; `undefined` if a subscriber, or another loan, holds it back. */
  tryLoan(length: number): Loan | undefined {
    this.#handle.checkOpen();
    this.#checkSize(checkCount("length", length, 0, Number.MAX_SAFE_INTEGER));
    return this.#line.length === 0 ? this.#lend(length) : undefined;
  }

  /**
   * Waits for messages that wait for room, for 5 s at most; then closes. What was published stays
   * for the subscribers that were there, also for those that haven't found this publisher yet.
   * Calling it again does nothing.
   */
  async close(): Promise<void> {
    const end = readClock() + CLOSE_TIMEOUT;
    const { reactor } = this.#handle;
    reactor.ref();
    try {
      while (!this.isClosed && this.#line.length > 0 && readClock() < end) {
        await new Promise<void>((resolve) => reactor.startTimer(resolve, 1));
      }
    } finally {
      reactor.unref();
    }
    this.#handle.close();
  }

  /** The same as {@linkcode Publisher.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #encode(value: T): Uint8Array {
    this.#handle.checkOpen();
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
      this.#handle.what,
      `a message has at most a quarter of its ring, raise \`capacity\` (now ${this.#producer.capacity})`,
    );
  }

  #what(): string {
    const cause = this.#loan === undefined
      ? "a subscriber holds it back"
      : "a loan of this publisher hasn't been published or given back";
    return `waiting for room on topic "${this.name}", where ${cause},`;
  }

  /** Waits for room for a message of which we keep `bytes`, if as much may wait. */
  #waitToSend(
    attempt: Attempt<true>,
    bytes: number,
    options: WaitOptions | undefined,
  ): Promise<void> {
    // It may have been closed since the values of a list were encoded.
    this.#handle.checkOpen();
    const send = { bytes, messages: 1, attempt: this.#counted(attempt), what: this.#what() };
    const waiting = this.#sends.wait(send, this.#limitsOf(options));
    this.#watchLag();
    return waiting;
  }

  #wait<R>(attempt: Attempt<R>, options: WaitOptions | undefined): Promise<R> {
    const limits = this.#limitsOf(options);
    const waiting = this.#line.wait(this.#counted(attempt), this.#what(), limits);
    this.#watchLag();
    return waiting;
  }

  #limitsOf(options: WaitOptions | undefined): WaitLimits {
    return {
      timeout: checkTimeout(options?.timeout, this.#limits.timeout),
      signal: options?.signal,
    };
  }

  /** Counts a wait if the first attempt fails. */
  #counted<R>(attempt: Attempt<R>): Attempt<R> {
    let first = true;
    return () => {
      const result = attempt();
      if (first && result === undefined) this.#waits++;
      first = false;
      return result;
    };
  }

  /** While messages wait, looks now and then whether a subscriber exceeds its limit. */
  #watchLag(): void {
    if (this.#isWatching || this.#line.length === 0 || !this.#lag.isWatching) return;
    this.#isWatching = true;
    this.#handle.startTimer(() => {
      this.#isWatching = false;
      this.#handle.heat();
      this.#watchLag();
    }, this.#lag.nextLook);
  }

  /** Lets subscribers in that have come, and says whether something can be written at all. */
  #isReady(): boolean {
    if (this.#producer.wantsLook) this.#serve();
    return this.#loan === undefined && !this.isClosed;
  }

  /** Writes, a second time if subscribers that held us back were let go. */
  #hasRoom(write: () => boolean): boolean {
    if (!this.#isReady()) return false;
    if (!write() && !(this.#lag.exceeded() && write())) return false;
    this.#lag.clear();
    return true;
  }

  /** Writes a message without waking subscribers. */
  #put(payload: Uint8Array): boolean {
    if (!this.#isReady()) return false;
    if (!this.#producer.write(payload)) {
      if (!this.#lag.exceeded() || !this.#producer.write(payload)) return false;
    }
    this.#lag.clear();
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
    if (!this.#hasRoom(() => this.#producer.reserve(length))) return undefined;
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
      if (this.#line.length > 0) this.#handle.heat();
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
    if (this.isClosed || !this.#producer.wantsLook) return false;
    this.#producer.takeWanted(Wanted.look);
    this.#table.look();
    return true;
  }

  #poll(): Polled {
    const looked = this.#look();
    const polled = this.#line.poll();
    return polled === Polled.nothing && looked ? Polled.done : polled;
  }

  #arm(): boolean {
    return !this.#look() && this.#line.arm();
  }
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

export type { PublisherOptions } from "./publisher_options.ts";
export type { Bytes };
