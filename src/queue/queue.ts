/**
 * Queue: many producers, many consumers, each message to exactly one of them.
 *
 * Messages of one producer are taken in the order in which it enqueued them. A
 * process that dies loses at most the message that it was enqueueing; what it had
 * taken and not acknowledged is delivered again. A process that is stopped keeps what
 * it holds, and nobody else has to wait for it.
 *
 * @module
 */
import { checkCodec } from "../codec/codec.ts";
import type { Codec } from "../codec/codec.ts";
import { keepBetween, keepEncoded } from "../codec/copy.ts";
import { messagePack } from "../codec/messagepack.ts";
import { checkOptions, checkTimeout, show } from "../options.ts";
import type { WaitOptions } from "../options.ts";
import { ArgumentError, CodecError, MessageTooLargeError, TimeoutError } from "../errors.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { passMemory } from "../share/passing.ts";
import type { Holds, PassingCodec } from "../share/passing.ts";
import { Membership } from "../membership/membership.ts";
import { Realm } from "../wake/realm.ts";
import type { WaitLimits, WaitQueue } from "../wake/wait_queue.ts";
import { QUEUE_FOLDER, QueueCore } from "./core.ts";
import type { QueueStatistics } from "./core.ts";
import { Delivery } from "./delivery.ts";
import { checkQueueCapacity } from "./pool.ts";

/** Options of {@linkcode Queue.open}. */
export interface QueueOptions {
  /**
   * Bytes for messages: a power of two from 4 KiB to 1 GiB. Default 2 MiB, or what
   * the queue was made with. A message can take a thirty-second of it.
   */
  capacity?: number;
  /** How values become bytes; all who use the queue need the same. Default {@linkcode messagePack}. */
  codec?: Codec;
  /**
   * The queue stays with its messages when nobody has it open, until
   * {@linkcode Queue.remove} or the end of the system. Default: it goes with its last
   * user. Once somebody said so, it is.
   */
  durable?: boolean;
  /** Milliseconds that calls wait, unless they say otherwise. Default: for ever. */
  timeout?: number;
  /**
   * The runtime directory in which processes meet: an absolute path. Default:
   * `CAUSEWAY_DIR`, or a private one of the user.
   */
  directory?: string;
}

const OPTIONS = [
  "capacity",
  "codec",
  "durable",
  "timeout",
  "directory",
] as const satisfies readonly (keyof QueueOptions)[];
const WAIT_OPTIONS = ["timeout", "signal"] as const satisfies readonly (keyof WaitOptions)[];

/**
 * The options of {@linkcode Queue.open} with a codec that knows the type of its values:
 * `bytes`, a struct, a serializer.
 */
export type TypedQueueOptions<C extends Codec> =
  & QueueOptions
  & { codec: C }
  & (unknown extends ReturnType<C["decode"]> ? { codec: never } : unknown);

/** Takes a payload that was claimed to what the caller gets. */
type Decode<T> = (payload: Uint8Array<ArrayBuffer>) => T;

/**
 * One user of a queue: it may enqueue, dequeue, or both.
 *
 * @example
 * ```ts
 * import { Queue } from "@causeway/ipc";
 *
 * await using queue = await Queue.open<{ url: string }>("downloads");
 * await queue.enqueue({ url: "https://example.com" });
 * const { url } = await queue.dequeue();
 * ```
 */
export class Queue<T = unknown> implements AsyncDisposable {
  /** The name it was opened with. */
  readonly name: string;
  readonly #realm: Realm;
  readonly #core: QueueCore;
  readonly #codec: PassingCodec;
  readonly #timeout: number;
  readonly #closer: () => void;
  readonly #decode: Decode<T>;
  /** The same for a message that is done when it is handed over. */
  readonly #decodeDone: Decode<T>;
  #referenced = false;

  private constructor(
    name: string,
    realm: Realm,
    core: QueueCore,
    codec: PassingCodec,
    timeout: number,
    closer: () => void,
  ) {
    this.name = name;
    this.#realm = realm;
    this.#core = core;
    this.#codec = codec;
    this.#timeout = timeout;
    this.#closer = closer;
    const { memory } = codec;
    this.#decode = (payload) => {
      try {
        const value = codec.decode(payload);
        if (value !== undefined) return value as T;
      } catch (error) {
        memory.takeReceived()?.release();
        throw error;
      }
      throw new CodecError(`the codec "${codec.name}" read undefined, which no message can be`);
    };
    this.#decodeDone = (payload) => {
      const value = this.#decode(payload);
      memory.takeReceived()?.release();
      return value;
    };
  }

  /**
   * Opens a queue, or makes it. It doesn't keep the process alive, but who waits in it
   * does; see {@linkcode Queue.ref}.
   *
   * @throws {CapacityMismatchError} It exists with another capacity.
   * @throws {CodecMismatchError} It exists with another codec.
   * @throws {LimitError} 256 have it open already.
   * @throws {NoSpaceError} The file system can't hold it.
   * @throws {ArgumentError} An option is out of range.
   */
  static open<C extends Codec>(
    name: string,
    options: TypedQueueOptions<C>,
  ): Promise<Queue<ReturnType<C["decode"]>>>;
  /** The same, for values of a given type. */
  static open<T = unknown>(name: string, options?: QueueOptions): Promise<Queue<T>>;
  static async open<T>(name: string, options: QueueOptions = {}): Promise<Queue<T>> {
    checkOptions(options, OPTIONS);
    const encoded = await encodeName(checkName(name));
    const { capacity, durable = false, directory } = options;
    if (capacity !== undefined) checkQueueCapacity(capacity);
    if (typeof durable !== "boolean") {
      throw new ArgumentError(`\`durable\` is true or false, got ${show(durable)}`);
    }
    const timeout = checkTimeout(options.timeout, Infinity);
    const given = checkCodec(options.codec ?? messagePack);
    const parameters = { name, encoded, capacity, codec: given.name, durable };
    return await Realm.open(
      directory,
      (realm, closer) => {
        const core = QueueCore.open(realm, parameters);
        const codec = passMemory(given, realm, { hold: "held", keepReceived: true });
        return new Queue<T>(name, realm, core, codec, timeout, closer);
      },
      (queue) => queue.#closeNow(),
    );
  }

  /**
   * Removes a durable queue with all messages in it. False if there is none, or
   * somebody has it open.
   */
  static async remove(name: string, options: { directory?: string } = {}): Promise<boolean> {
    checkOptions(options, ["directory"]);
    const encoded = await encodeName(checkName(name));
    return await Realm.visit(
      options.directory,
      (realm) => Membership.remove(realm, QUEUE_FOLDER, encoded),
    );
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#core.isClosed;
  }

  /** Bytes for messages that it was made with. */
  get capacity(): number {
    return this.#core.capacity;
  }

  /** The largest message, in bytes of its encoded form: a thirty-second of the capacity, less 8. */
  get maxMessageBytes(): number {
    return this.#core.maxBytes;
  }

  /**
   * How many messages wait, about: others enqueue and dequeue while they are counted.
   * It goes through all that were enqueued lately.
   *
   * @throws {ClosedError}
   */
  get size(): number {
    this.#core.checkOpen();
    return this.#core.reader.count();
  }

  /** What this side did so far. */
  get stats(): QueueStatistics {
    return { ...this.#core.counts, unacknowledged: this.#core.unacknowledged };
  }

  /**
   * Enqueues a message, when there is room.
   *
   * @throws {TimeoutError} There was no room in time.
   * @throws {MessageTooLargeError} It is larger than {@linkcode Queue.maxMessageBytes}.
   * @throws {CodecError} The codec can't carry it.
   * @throws {ArgumentError} It is undefined.
   */
  enqueue(value: T, options?: WaitOptions): Promise<void> {
    try {
      const { core, limits } = this.#begin(options);
      const payload = this.#encode(value);
      if (core.room.length === 0 && core.put(payload)) return this.#pause();
      const kept = keepEncoded(this.#codec, payload);
      const holds = this.#codec.memory.watch();
      const waiting = core.room.wait(() => core.put(kept) || undefined, this.#full, limits);
      return this.#ended(waiting, () => holds?.release());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Enqueues a message if there is room now, and nobody waits for room before it.
   *
   * @throws {MessageTooLargeError} It is larger than {@linkcode Queue.maxMessageBytes}.
   * @throws {CodecError} The codec can't carry it.
   * @throws {ArgumentError} It is undefined.
   */
  tryEnqueue(value: T): boolean {
    this.#core.checkOpen();
    const payload = this.#encode(value);
    if (this.#core.room.length === 0 && this.#core.put(payload)) return true;
    this.#codec.memory.take()?.release();
    return false;
  }

  /**
   * Enqueues a message, blocking the thread while there is no room.
   *
   * @throws {TimeoutError} There was no room in time.
   * @throws {MessageTooLargeError} It is larger than {@linkcode Queue.maxMessageBytes}.
   */
  enqueueSync(value: T, options: { timeout?: number } = {}): void {
    const { core, limits } = this.#begin(options);
    const payload = this.#encode(value);
    const holds = this.#codec.memory.watch();
    try {
      if (core.room.length === 0 && core.put(payload)) return;
      // Handlers in this thread may run while it waits, and use the codec.
      const kept = keepEncoded(this.#codec, payload);
      this.#block(core.room, () => core.put(kept) || undefined, this.#full, limits.timeout);
    } catch (error) {
      holds?.release();
      throw error;
    }
  }

  /**
   * Enqueues messages one after the other, when there is room. They are for consumers
   * as they go in: when it fails, some may be in the queue.
   *
   * @throws {TimeoutError} There was no room for all in time; it says how many are in.
   * @throws {MessageTooLargeError} One is larger than {@linkcode Queue.maxMessageBytes}: none is in.
   * @throws {CodecError} The codec can't carry one: none is in.
   * @throws {ArgumentError} It is no list, or one is undefined: none is in.
   */
  enqueueMany(values: Iterable<T>, options?: WaitOptions): Promise<void> {
    try {
      const { core, limits } = this.#begin(options);
      const { encoded, holds } = this.#encodeAll(values);
      let payloads = encoded;
      let next = core.room.length === 0 ? core.putMany(payloads, 0) : 0;
      if (next === payloads.length) return this.#pause();
      const { length } = payloads;
      payloads = payloads.slice(next).map((payload) => keepEncoded(this.#codec, payload));
      const from = next;
      next = 0;
      const attempt = (): true | undefined => {
        next = core.putMany(payloads, next);
        return next === payloads.length || undefined;
      };
      const tell = (error: unknown): never => {
        releaseFrom(holds, from + next);
        if (!(error instanceof TimeoutError)) throw error;
        const what = `enqueueing ${length} messages in ${this.#what}`;
        throw new TimeoutError(what, limits.timeout, `${from + next} of them are in the queue`);
      };
      return this.#ended(core.room.wait(attempt, this.#full, limits), tell);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Enqueues as many messages as there is room for now, from the first on; returns how
   * many.
   *
   * @throws {MessageTooLargeError} One is larger than {@linkcode Queue.maxMessageBytes}: none is in.
   * @throws {CodecError} The codec can't carry one: none is in.
   * @throws {ArgumentError} It is no list, or one is undefined: none is in.
   */
  tryEnqueueMany(values: Iterable<T>): number {
    this.#core.checkOpen();
    const { encoded, holds } = this.#encodeAll(values);
    const next = this.#core.room.length > 0 ? 0 : this.#core.putMany(encoded, 0);
    if (next < encoded.length) releaseFrom(holds, next);
    return next;
  }

  /**
   * Waits for a message and takes it. It counts as done: if this process dies now, it
   * is lost. See {@linkcode Queue.take}.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {CodecError} The codec can't read it; the message is dropped.
   */
  dequeue(options?: WaitOptions): Promise<T> {
    return this.#receive(() => this.tryDequeue(), options);
  }

  /**
   * Takes a message if there is one. It counts as done.
   *
   * @throws {CodecError} The codec can't read it; the message is dropped.
   */
  tryDequeue(): T | undefined {
    this.#core.checkOpen();
    const payload = this.#core.dequeue();
    return payload === undefined ? undefined : this.#decodeDone(payload);
  }

  /**
   * Takes a message, blocking the thread until there is one. It counts as done.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {CodecError} The codec can't read it; the message is dropped.
   */
  dequeueSync(options: { timeout?: number } = {}): T {
    return this.#receiveSync(() => this.tryDequeue(), options);
  }

  /**
   * Waits for a message, and takes it and those behind it, at most so many. They count
   * as done.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {CodecError} The codec can't read one; all that were taken with it are dropped.
   */
  dequeueMany(most: number, options?: WaitOptions): Promise<T[]> {
    return this.#receive(() => this.#some(most), options);
  }

  /**
   * Takes the messages that are there, at most so many. They count as done.
   *
   * @throws {CodecError} The codec can't read one; all that were taken with it are dropped.
   */
  tryDequeueMany(most: number): T[] {
    this.#core.checkOpen();
    return this.#some(most) ?? [];
  }

  /**
   * Waits for a message, and takes it until it is acknowledged or given back.
   *
   * A message that is held this way keeps the room of its thirty-second of the queue:
   * acknowledge soon, or choose a larger capacity.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {CodecError} The codec can't read it; the message is dropped.
   */
  take(options?: WaitOptions): Promise<Delivery<T>> {
    return this.#receive(() => this.tryTake(), options);
  }

  /**
   * Takes a message if there is one, until it is acknowledged or given back.
   *
   * @throws {CodecError} The codec can't read it; the message is dropped.
   */
  tryTake(): Delivery<T> | undefined {
    const core = this.#core;
    core.checkOpen();
    if (!core.take()) return undefined;
    const { reader } = core;
    const { chunk, position, redelivered } = reader;
    let value: T;
    try {
      value = this.#decode(reader.payload);
    } catch (error) {
      // Given back it would come again and again.
      reader.finish(chunk, position, redelivered);
      throw error;
    }
    const holds = this.#codec.memory.takeReceived();
    return new Delivery(core, value, chunk, position, redelivered, holds);
  }

  /**
   * The same as {@linkcode Queue.take}, blocking the thread.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {CodecError} The codec can't read it; the message is dropped.
   */
  takeSync(options: { timeout?: number } = {}): Delivery<T> {
    return this.#receiveSync(() => this.tryTake(), options);
  }

  /** Messages as they come, each done when it is handed over, until the queue is closed here. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return this.#each(() => this.dequeue());
  }

  /**
   * Messages as they come, to be acknowledged one by one, until the queue is closed
   * here. No message is taken before the loop asks for it.
   *
   * One that isn't acknowledged stays with this side, also when the loop goes on or ends:
   * work may go on with it. With `using`, leaving its turn gives it back.
   *
   * @throws {TimeoutError} There was none for so long.
   *
   * @example
   * ```ts ignore
   * for await (using job of queue.deliveries()) {
   *   await work(job.value); // an error gives the job back
   *   job.ack();
   * }
   * ```
   */
  deliveries(options?: WaitOptions): AsyncGenerator<Delivery<T>, void, undefined> {
    return this.#each(() => this.take(options));
  }

  async *#each<R>(next: () => Promise<R>): AsyncGenerator<R, void, undefined> {
    while (!this.isClosed) {
      let value: R;
      try {
        value = await next();
      } catch (error) {
        if (this.isClosed) return;
        throw error;
      }
      yield value;
    }
  }

  /** Keeps the process alive until the queue is closed. */
  ref(): void {
    if (this.#referenced || this.isClosed) return;
    this.#referenced = true;
    this.#realm.reactor.ref();
  }

  /** Lets the process end though the queue is open. */
  unref(): void {
    if (!this.#referenced) return;
    this.#referenced = false;
    this.#realm.reactor.unref();
  }

  /**
   * Closes this side. Waits reject with {@linkcode ClosedError}; deliveries that weren't
   * acknowledged are given back. Calling it again does nothing.
   */
  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#closeNow();
  }

  /** The same as {@linkcode Queue.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #closeNow(): void {
    if (this.isClosed) return;
    this.unref();
    try {
      this.#core.close();
    } finally {
      this.#realm.release(this.#closer);
    }
  }

  /** What is in the queue is sent: settled at once, or after a turn of the event loop. */
  #pause(): Promise<void> {
    return this.#realm.reactor.yielder.pause();
  }

  get #what(): string {
    return `queue "${this.name}"`;
  }

  get #full(): string {
    return `waiting for room in ${this.#what}`;
  }

  #begin(options: WaitOptions = {}): { core: QueueCore; limits: WaitLimits } {
    this.#core.checkOpen();
    checkOptions(options, WAIT_OPTIONS);
    const { signal } = options;
    const limits = { timeout: checkTimeout(options.timeout, this.#timeout), signal };
    signal?.throwIfAborted();
    return { core: this.#core, limits };
  }

  #encode(value: T): Uint8Array {
    if (value === undefined) {
      throw new ArgumentError("undefined is no message: it says that there is none; use null");
    }
    const payload = this.#codec.encode(value);
    const { maxBytes } = this.#core;
    if (payload.length <= maxBytes) return payload;
    this.#codec.memory.take()?.release();
    throw new MessageTooLargeError(
      payload.length,
      maxBytes,
      this.#what,
      "raise `capacity`, of which a message can take a thirty-second, or send it in parts",
    );
  }

  /** With what holds the memory in each, by its index; mostly there is none. */
  #encodeAll(values: Iterable<T>): { encoded: Uint8Array[]; holds: Map<number, Holds> } {
    if (
      typeof (values as Partial<Iterable<T>> | null | undefined)?.[Symbol.iterator] !== "function"
    ) {
      throw new ArgumentError(
        `messages are a list, or something else that \`for of\` goes through, got ${
          show(values)
        }: ` +
          "one message alone is for `enqueue`",
      );
    }
    const holds = new Map<number, Holds>();
    const encoded: Uint8Array[] = [];
    const isLazy = !Array.isArray(values);
    try {
      for (const value of values) {
        const payload = this.#encode(value);
        const held = this.#codec.memory.watch();
        if (held !== undefined) holds.set(encoded.length, held);
        encoded.push(keepBetween(this.#codec, payload, isLazy));
      }
    } catch (error) {
      releaseFrom(holds, 0);
      throw error;
    }
    return { encoded, holds };
  }

  #some(most: number): T[] | undefined {
    if (!Number.isInteger(most) || most < 1) {
      throw new ArgumentError(`a whole number of messages from 1, got ${show(most)}`);
    }
    const payloads = this.#core.dequeueMany(most);
    return payloads.length === 0 ? undefined : payloads.map(this.#decodeDone);
  }

  #receive<R>(attempt: () => R | undefined, options?: WaitOptions): Promise<R> {
    try {
      const { core, limits } = this.#begin(options);
      return core.messages.wait(attempt, `waiting for a message in ${this.#what}`, limits);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #receiveSync<R>(attempt: () => R | undefined, options: { timeout?: number }): R {
    const { core, limits } = this.#begin(options);
    const what = `waiting for a message in ${this.#what}`;
    return this.#block(core.messages, attempt, what, limits.timeout);
  }

  #block<R>(line: WaitQueue, attempt: () => R | undefined, what: string, timeout: number): R {
    const end = performance.now() + timeout;
    try {
      for (;;) {
        try {
          // In slices: timers, which look again for who waits, don't run meanwhile.
          return line.waitSync(attempt, what, Math.min(end - performance.now(), BLOCKING_SLICE));
        } catch (error) {
          if (!(error instanceof TimeoutError)) throw error;
          if (performance.now() >= end) throw new TimeoutError(what, timeout);
        }
      }
    } finally {
      this.#core.settle();
    }
  }

  /** Calls `onFailure` if it fails, which may throw another error. */
  async #ended(waited: Promise<unknown>, onFailure: (error: unknown) => void): Promise<void> {
    try {
      await waited;
    } catch (error) {
      onFailure(error);
      throw error;
    }
  }
}

/** Nobody receives the messages from an index on. */
function releaseFrom(holds: Map<number, Holds>, from: number): void {
  for (const [index, held] of holds) if (index >= from) held.release();
}

/** Milliseconds after which a call that blocks looks again by itself. */
const BLOCKING_SLICE = 1000;
