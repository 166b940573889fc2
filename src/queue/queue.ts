/**
 * Queue: many producers, many consumers, each message to exactly one of them.
 *
 * Messages of one producer are taken in the order in which it enqueued them. A
 * process that dies loses at most the message that it was enqueueing; what it had
 * taken and not acknowledged is delivered again. A process that is stopped keeps what
 * it holds, and the others go on.
 *
 * @module
 */
import { checkCodec } from "../codec/codec.ts";
import type { Codec } from "../codec/codec.ts";
import { messagePack } from "../codec/messagepack.ts";
import {
  checkCount,
  checkFlag,
  checkOptions,
  checkTimeout,
  show,
  WAIT_OPTIONS,
} from "../options.ts";
import type { OptionsOf, WaitOptions } from "../options.ts";
import { ArgumentError, TimeoutError } from "../errors.ts";
import { MAX_RETURNS } from "../memory/layout.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { passMemory } from "../share/passing.ts";
import { Membership } from "../membership/membership.ts";
import { Handle } from "../wake/handle.ts";
import { Realm } from "../wake/realm.ts";
import { checkSendQueueBytes } from "../wake/send_waits.ts";
import type { WaitQueue } from "../wake/wait_queue.ts";
import type { WaitLimits } from "../wake/waiting.ts";
import { QueueConsumer } from "./consumer.ts";
import { DEFAULT_CAPACITY, QUEUE_FOLDER, QueueCore } from "./core.ts";
import type { CoreParameters, QueueStatistics } from "./core.ts";
import { DeadLetters } from "./dead_letters.ts";
import type { Delivery } from "./delivery.ts";
import { checkQueueCapacity } from "./pool.ts";
import { QueueProducer } from "./producer.ts";
import { readClock } from "../timers.ts";

/** Options of {@linkcode Queue.open}. */
export interface QueueOptions {
  /**
   * Bytes for messages: a power of two from 4 KiB to 1 GiB. Default 2 MiB, or what
   * the queue was made with. A message can take a thirty-second of it.
   */
  capacity?: number;
  /** How values become bytes; all users of the queue need the same. Default {@linkcode messagePack}. */
  codec?: Codec;
  /**
   * The queue stays with its messages when no process has it open, until
   * {@linkcode Queue.remove} or the end of the system. Default: it goes with its last
   * user. It is enough that one user says so.
   */
  durable?: boolean;
  /** Milliseconds that calls wait, unless they say otherwise. Default: for ever. */
  timeout?: number;
  /**
   * A message that was delivered so often, by {@linkcode Queue.take}, and wasn't acknowledged, goes
   * to the dead-letter queue. All consumers should say the same. Default: it is delivered again
   * and again.
   */
  maxAttempts?: number;
  /**
   * The name of the queue to which messages go that can't be processed: those that were delivered
   * `maxAttempts` times, those that are rejected with `deadLetter`, and those that
   * {@linkcode Queue.dequeue} can't decode. It has the same codec; it is made if there is none,
   * with the same capacity, and durable if this queue is opened so.
   */
  deadLetter?: string;
  /**
   * The most bytes of messages that may wait for room. An `enqueue` beyond it, which a program that
   * awaits each one never makes, is refused with a {@linkcode BackpressureError}. A message that is
   * alone may be larger. Default 16 MiB. Each message counts 128 bytes more.
   */
  sendQueueBytes?: number;
  /**
   * Told of failures that no caller waits for: a message that {@linkcode Queue.dequeue} can't
   * decode and that there is no dead-letter queue for, an `enqueue` that failed and wasn't awaited,
   * memory of the queue that makes no sense. Default: `console.error`.
   */
  onError?: (error: unknown) => void;
  /** Gives up opening. */
  signal?: AbortSignal;
  /**
   * The runtime directory in which processes meet: an absolute path. Default:
   * `CAUSEWAY_DIR`, or a private one of the user.
   */
  directory?: string;
}

const OPTIONS: OptionsOf<QueueOptions> = {
  capacity: true,
  codec: true,
  durable: true,
  timeout: true,
  maxAttempts: true,
  deadLetter: true,
  sendQueueBytes: true,
  onError: true,
  signal: true,
  directory: true,
};
const NAMES = Object.keys(OPTIONS);
const WAIT_NAMES = Object.keys(WAIT_OPTIONS);

/**
 * The options of {@linkcode Queue.open} with a codec that knows the type of its values:
 * `bytes`, a struct, a serializer.
 */
export type TypedQueueOptions<C extends Codec> =
  & QueueOptions
  & { codec: C }
  & (unknown extends ReturnType<C["decode"]> ? { codec: never } : unknown);

/** The options, checked, with defaults. */
interface Settings {
  readonly core: CoreParameters;
  readonly deadLetter: CoreParameters | undefined;
  readonly codec: Codec;
  readonly timeout: number;
  readonly maxAttempts: number;
  readonly sendQueueBytes: number;
}

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
  readonly #handle: Handle;
  readonly #core: QueueCore;
  readonly #producer: QueueProducer<T>;
  readonly #consumer: QueueConsumer<T>;
  readonly #timeout: number;

  private constructor(
    name: string,
    handle: Handle,
    core: QueueCore,
    settings: Settings,
    deadLetters: DeadLetters | undefined,
    report: (error: unknown) => void,
  ) {
    this.name = name;
    this.#handle = handle;
    this.#core = core;
    const { timeout, maxAttempts, sendQueueBytes } = settings;
    this.#timeout = timeout;
    const { realm } = handle;
    const codec = passMemory(settings.codec, realm, { hold: "held", keepReceived: true });
    const { yielder } = realm.reactor;
    this.#producer = new QueueProducer({ core, codec, yielder, sendQueueBytes, report });
    this.#consumer = new QueueConsumer(core, codec, { maxAttempts, deadLetters, report });
  }

  /**
   * Opens a queue, or makes it. It doesn't keep the process alive, but a call that waits
   * does; see {@linkcode Queue.ref}.
   *
   * @throws {CapacityMismatchError} It exists with another capacity.
   * @throws {CodecMismatchError} It exists with another codec.
   * @throws {LimitError} It is open 256 times already.
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
    const settings = await settingsOf(name, options);
    const { directory, onError, signal } = options;
    const what = `queue "${name}"`;
    return await Handle.open({ what, directory, onError, signal }, async (handle) => {
      const report = reporter(handle, onError);
      const core = await QueueCore.open(handle, settings.core, signal);
      const deadLetters = settings.deadLetter &&
        await openDeadLetters(handle, core, settings.deadLetter, report, signal);
      return new Queue<T>(name, handle, core, settings, deadLetters, report);
    });
  }

  /**
   * Removes a durable queue with all messages in it. False if there is none, or it is open.
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
    return this.#handle.isClosed;
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
    return this.#core.count();
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
      return this.#producer.enqueue(value, this.#limits(options));
    } catch (error) {
      return this.#producer.refuse(error);
    }
  }

  /**
   * Enqueues a message if there is room now, and no other waits for room before it.
   *
   * @throws {MessageTooLargeError} It is larger than {@linkcode Queue.maxMessageBytes}.
   * @throws {CodecError} The codec can't carry it.
   * @throws {ArgumentError} It is undefined.
   */
  tryEnqueue(value: T): boolean {
    this.#core.checkOpen();
    return this.#producer.tryEnqueue(value);
  }

  /**
   * Enqueues a message, blocking the thread while there is no room.
   *
   * @throws {TimeoutError} There was no room in time.
   * @throws {MessageTooLargeError} It is larger than {@linkcode Queue.maxMessageBytes}.
   */
  enqueueSync(value: T, options: { timeout?: number } = {}): void {
    const { timeout } = this.#limits(options);
    const { what } = this.#producer;
    this.#producer.enqueueSync(value, (attempt) => {
      this.#block(this.#core.room, attempt, what, timeout);
    });
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
      return this.#producer.enqueueMany(values, this.#limits(options));
    } catch (error) {
      return this.#producer.refuse(error);
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
    return this.#producer.tryEnqueueMany(values);
  }

  /**
   * Waits for a message and takes it. It counts as done: if this process dies now, it
   * is lost. See {@linkcode Queue.take}.
   *
   * A message that can't be decoded goes to the dead-letter queue; without one it is dropped
   * and reported. The next one is taken then.
   *
   * @throws {TimeoutError} There was none in time.
   */
  dequeue(options?: WaitOptions): Promise<T> {
    return this.#receive(this.#dequeueOne, options);
  }

  /** Takes a message if there is one; see {@linkcode Queue.dequeue}. */
  tryDequeue(): T | undefined {
    this.#core.checkOpen();
    return this.#dequeueOne();
  }

  /**
   * Takes a message, blocking the thread until there is one; see {@linkcode Queue.dequeue}.
   *
   * @throws {TimeoutError} There was none in time.
   */
  dequeueSync(options: { timeout?: number } = {}): T {
    return this.#receiveSync(this.#dequeueOne, options);
  }

  /**
   * Waits for a message, and takes it and those behind it, at most so many; see
   * {@linkcode Queue.dequeue}.
   *
   * @throws {TimeoutError} There was none in time.
   */
  dequeueMany(most: number, options?: WaitOptions): Promise<T[]> {
    return this.#receive(() => this.#some(most), options);
  }

  /** Takes the messages that are there, at most so many; see {@linkcode Queue.dequeue}. */
  tryDequeueMany(most: number): T[] {
    this.#core.checkOpen();
    return this.#some(most) ?? [];
  }

  /**
   * Waits for a message, and takes it until it is acknowledged or given back. Also one that
   * can't be decoded: see {@linkcode Delivery.error}.
   *
   * A message that is held this way keeps the room of its thirty-second of the queue:
   * acknowledge soon, or choose a larger capacity.
   *
   * @throws {TimeoutError} There was none in time.
   */
  take(options?: WaitOptions): Promise<Delivery<T>> {
    return this.#receive(this.#takeOne, options);
  }

  /** Takes a message if there is one; see {@linkcode Queue.take}. */
  tryTake(): Delivery<T> | undefined {
    this.#core.checkOpen();
    return this.#takeOne();
  }

  /**
   * The same as {@linkcode Queue.take}, blocking the thread.
   *
   * @throws {TimeoutError} There was none in time.
   */
  takeSync(options: { timeout?: number } = {}): Delivery<T> {
    return this.#receiveSync(this.#takeOne, options);
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
    this.#handle.ref();
  }

  /** Lets the process end though the queue is open. */
  unref(): void {
    this.#handle.unref();
  }

  /**
   * Closes this side. Waits reject with {@linkcode ClosedError}; deliveries that weren't
   * acknowledged are given back. Calling it again does nothing.
   */
  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#handle.close();
  }

  /** The same as {@linkcode Queue.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #dequeueOne = (): T | undefined => this.#consumer.dequeue();
  readonly #takeOne = (): Delivery<T> | undefined => this.#consumer.take();

  #some(most: number): T[] | undefined {
    if (!Number.isInteger(most) || most < 1) {
      throw new ArgumentError(`a whole number of messages from 1, got ${show(most)}`);
    }
    const values = this.#consumer.dequeueMany(most);
    return values.length === 0 ? undefined : values;
  }

  /** How long a call may wait; that it may be made now. */
  #limits(options: WaitOptions = {}): WaitLimits {
    this.#core.checkOpen();
    checkOptions(options, WAIT_NAMES);
    const { signal } = options;
    signal?.throwIfAborted();
    return { timeout: checkTimeout(options.timeout, this.#timeout), signal };
  }

  get #what(): string {
    return `waiting for a message in ${this.#core.what}`;
  }

  #receive<R>(attempt: () => R | undefined, options?: WaitOptions): Promise<R> {
    try {
      return this.#core.messages.wait(attempt, this.#what, this.#limits(options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #receiveSync<R>(attempt: () => R | undefined, options: { timeout?: number }): R {
    const { timeout } = this.#limits(options);
    return this.#block(this.#core.messages, attempt, this.#what, timeout);
  }

  #block<R>(line: WaitQueue, attempt: () => R | undefined, what: string, timeout: number): R {
    const end = readClock() + timeout;
    try {
      for (;;) {
        try {
          // In slices: timers, which look again for waits, don't run meanwhile.
          return line.waitSync(attempt, what, Math.min(end - readClock(), BLOCKING_SLICE));
        } catch (error) {
          if (!(error instanceof TimeoutError)) throw error;
          if (readClock() >= end) throw new TimeoutError(what, timeout);
        }
      }
    } finally {
      this.#core.settle();
    }
  }
}

/** Milliseconds after which a call that blocks looks again by itself. */
const BLOCKING_SLICE = 1000;

/** Checks the options. @throws {ArgumentError} */
async function settingsOf(name: string, options: QueueOptions): Promise<Settings> {
  checkOptions(options, NAMES);
  const encoded = await encodeName(checkName(name));
  const { capacity, deadLetter, maxAttempts = Infinity } = options;
  if (capacity !== undefined) checkQueueCapacity(capacity);
  const durable = checkFlag("durable", options.durable) === true;
  checkCount("maxAttempts", maxAttempts, 1, maxAttempts === Infinity ? Infinity : MAX_RETURNS);
  if (maxAttempts !== Infinity && deadLetter === undefined) {
    throw new ArgumentError(
      "`maxAttempts` needs `deadLetter`, the name of the queue to which messages go then",
    );
  }
  if (deadLetter === name) {
    throw new ArgumentError(`queue "${name}" can't be its own dead-letter queue`);
  }
  const codec = checkCodec(options.codec ?? messagePack);
  const common = { codec: codec.name, durable, defaultCapacity: DEFAULT_CAPACITY };
  return {
    core: { ...common, name, encoded, capacity },
    deadLetter: deadLetter === undefined ? undefined : {
      ...common,
      name: deadLetter,
      encoded: await encodeName(checkName(deadLetter)),
      capacity: undefined,
    },
    codec,
    timeout: checkTimeout(options.timeout, Infinity),
    maxAttempts,
    sendQueueBytes: checkSendQueueBytes(options.sendQueueBytes),
  };
}

/** Opens the dead-letter queue, which goes with the queue. */
async function openDeadLetters(
  handle: Handle,
  core: QueueCore,
  parameters: CoreParameters,
  report: (error: unknown) => void,
  signal: AbortSignal | undefined,
): Promise<DeadLetters> {
  const what = `dead-letter queue "${parameters.name}" of ${handle.what}`;
  const directory = handle.realm.directory.root;
  return await Handle.open({ what, directory, signal }, async (own) => {
    const wished = { ...parameters, defaultCapacity: core.capacity };
    const target = await QueueCore.open(own, wished, signal);
    if (target.maxBytes < core.maxBytes) {
      throw new ArgumentError(
        `${what} has a capacity of ${target.capacity}, too small for the messages of a queue of ` +
          `${core.capacity}: open it first with that capacity`,
      );
    }
    handle.onClose(() => own.close());
    return new DeadLetters(core, target, report);
  });
}

/** What to do with a failure that no caller waits for; the console is told of the first one. */
function reporter(
  handle: Handle,
  onError: ((error: unknown) => void) | undefined,
): (error: unknown) => void {
  let hasReported = false;
  return (error) => {
    if (onError === undefined && hasReported) return;
    hasReported = true;
    handle.report(error, "the first of them, give `onError` to be told of all");
  };
}
