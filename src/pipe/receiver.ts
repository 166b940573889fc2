/**
 * Receiver: the end of a pipe that receives.
 *
 * @module
 */
import type { Codec } from "../codec/codec.ts";
import { messagePack } from "../codec/messagepack.ts";
import { StructCodec } from "../codec/struct.ts";
import type { ViewCursor } from "../codec/struct.ts";
import type { TypedCodec } from "../codec/typed_codec.ts";
import { checkOptions, checkTimeout } from "../options.ts";
import type { WaitOptions } from "../options.ts";
import { ArgumentError, ClosedError, DeadlockError } from "../errors.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import { PipeEnd } from "./end.ts";
import { PipeEndpoint } from "./endpoint.ts";
import { checkHandlers, MessageHandler } from "./message_handler.ts";
import type { Handlers } from "./message_handler.ts";
import { checkCount, checkFunction, PIPE_OPTIONS, shapeOf } from "./options.ts";
import type { PipeOptions } from "./options.ts";
import { MessageReader } from "./message_reader.ts";

/** Options of {@linkcode Receiver.open}. */
export interface ReceiverOptions<T, V = never> extends PipeOptions, Handlers<T, V> {
  /** How bytes become values; the sender must use the same. Default {@linkcode messagePack}. */
  codec?: TypedCodec<T> | Codec;
}

/** The names of all options; held against the interface by the compiler. */
const OPTIONS: Record<keyof ReceiverOptions<unknown>, true> = {
  ...PIPE_OPTIONS,
  codec: true,
  onMessage: true,
  onMessages: true,
  onRead: true,
  acknowledge: true,
};
const NAMES = Object.keys(OPTIONS);

/** How many, and how to wait for the first. */
export interface ReceiveOptions extends WaitOptions {
  /** The most messages. Default: all that are there. */
  max?: number;
}

/**
 * The receiving end of a pipe: with a handler, by `for await`, or message by message.
 *
 * A message has arrived when it is handed over: the pipe forgets it just before. So it
 * is handed over once, or, if this process is killed in that moment, not at all. With
 * `acknowledge`, and with {@linkcode Receiver.read}, it is forgotten after the handler.
 *
 * @example
 * ```ts
 * import { f64, Receiver, struct, u32 } from "@causeway/ipc";
 *
 * const Reading = struct({ sensor: u32, value: f64 });
 * await using receiver = await Receiver.open("readings", { codec: Reading });
 * for await (const { sensor, value } of receiver) console.log(sensor, value);
 * ```
 */
export class Receiver<T = unknown, V = never> extends PipeEndpoint implements AsyncIterable<T> {
  readonly #end: PipeEnd;
  readonly #reader: MessageReader<T>;
  readonly #line: WaitQueue;
  readonly #view: ViewCursor<unknown> | undefined;
  readonly #handler: MessageHandler<T, V> | undefined;

  private constructor(end: PipeEnd, handlers: Handlers<T, V>) {
    super(end);
    this.#end = end;
    this.#reader = new MessageReader(end);
    this.#line = new WaitQueue(end.handle.reactor, end.handle.index, end.setWaiting);
    const { codec } = end.shape;
    if (codec instanceof StructCodec) {
      this.#view = codec.makeView(end.slots.data) as ViewCursor<unknown>;
    }
    const { onMessage, onMessages, onRead } = handlers;
    if (onMessage ?? onMessages ?? onRead) {
      this.#handler = new MessageHandler(end, this.#reader, handlers, this.#view);
      end.handle.ref();
    }
    end.start(this.#handler ?? this.#line, this.#line);
  }

  /**
   * Opens the receiving end. The sender needn't be there: what is queued is received
   * all the same. With a handler it keeps the process alive until it is closed, as a
   * call that waits does; without one it doesn't.
   *
   * @throws {NameTakenError} The pipe has a receiver that lives.
   * @throws {CapacityMismatchError} The pipe exists, with another capacity.
   * @throws {ParameterMismatchError} … with another size of messages.
   * @throws {CodecMismatchError} … with another codec.
   * @throws {ArgumentError} An option is out of range.
   * @throws {NoSpaceError} There isn't enough memory for its capacity.
   */
  static open<T, V>(
    name: string,
    options: ReceiverOptions<T, V> & { codec: StructCodec<T, V> },
  ): Promise<Receiver<T, V>>;
  /** The same with any other codec. */
  static open<T = unknown>(name: string, options?: ReceiverOptions<T>): Promise<Receiver<T>>;
  // deno-lint-ignore require-await no-explicit-any -- errors of arguments are rejections too
  static async open(name: string, options: ReceiverOptions<any, any> = {}): Promise<any> {
    checkOptions(options, NAMES);
    const { codec = messagePack } = options;
    const shape = shapeOf(options, codec);
    checkHandlers(options, codec);
    return PipeEnd.open(
      name,
      "receiver",
      options,
      shape,
      (end) => new Receiver(end, options),
    );
  }

  /**
   * How many messages ever arrived through this pipe, at this receiver and those
   * before it; it wraps at 2^32. It is the number of the next message.
   */
  get position(): number {
    return this.#reader.position;
  }

  /**
   * Receives a message, waiting for it.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {CodecError} Its bytes aren't what the codec reads; it is dropped.
   * @throws {ClosedError} The receiver was closed meanwhile.
   */
  receive(options: WaitOptions = {}): Promise<T> {
    try {
      this.#checkFree();
      return this.#line.wait(this.#takeOne, this.#what, this.#end.limits(options)).then(valueOf);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Receives a message if there is one, otherwise `undefined`. */
  tryReceive(): T | undefined {
    this.#checkFree();
    return this.#isEmpty() ? undefined : this.#reader.take();
  }

  /**
   * Receives a message, blocking the thread until there is one.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {DeadlockError} The pipe is empty and its sender is in this thread.
   */
  receiveSync(options: { timeout?: number } = {}): T {
    return this.#block(this.#takeOne, options.timeout)[0]!;
  }

  /**
   * Receives all messages that are there, at most `max`; waits for the first. One that
   * the codec can't read ends the list before it, and is the next call's error.
   *
   * @throws {TimeoutError} There was none in time.
   */
  receiveMany(options: ReceiveOptions = {}): Promise<T[]> {
    try {
      const take = this.#takeSome(options.max);
      return this.#line.wait(take, this.#what, this.#end.limits(options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Receives the messages that are there, at most `max`; an empty list if there are none. */
  tryReceiveMany(max = Infinity): T[] {
    const take = this.#takeSome(max);
    return this.#isEmpty() ? [] : take() ?? [];
  }

  /**
   * Reads structs in place: calls `handler` with a view of all that are there, at most
   * `max`, and how many those are; `view.at(i)` goes to each. Nothing is allocated and
   * nothing copied. Where the memory begins again there are two calls. Returns how many
   * they were, 0 if there are none.
   *
   * They have arrived when `handler` returns: if it throws, or this process is killed
   * meanwhile, they are still there, and come again. The view must not be used after it.
   *
   * @throws {ArgumentError} The codec isn't a struct.
   */
  tryRead(handler: (view: V, count: number) => void, max = Infinity): number {
    this.#checkFree();
    checkFunction("handler", handler);
    const view = this.#checkView();
    return this.#isEmpty() ? 0 : this.#reader.read(view, handler as never, checkMax(max));
  }

  /**
   * The same, waiting for the first.
   *
   * @throws {TimeoutError} There was none in time.
   */
  read(handler: (view: V, count: number) => void, options: ReceiveOptions = {}): Promise<number> {
    try {
      const take = this.#reading(handler, options.max);
      const limits = this.#end.limits(options);
      return this.#end.waitInScope(
        take,
        (attempt) => this.#line.wait(attempt, this.#what, limits),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The same, blocking the thread until there is one. */
  readSync(
    handler: (view: V, count: number) => void,
    options: { timeout?: number; max?: number } = {},
  ): number {
    return this.#block(this.#reading(handler, options.max), options.timeout);
  }

  /** Goes through the messages as they come, until this end is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (;;) {
      let message: T;
      try {
        message = await this.receive({ timeout: Infinity });
      } catch (error) {
        if (error instanceof ClosedError && this.isClosed) return;
        throw error;
      }
      yield message;
    }
  }

  // ---------------------------------------------------------------- waiting

  get #what(): string {
    return `waiting for a message in pipe "${this.name}"`;
  }

  #checkFree(): void {
    this.#end.checkOpen();
    if (this.#handler === undefined) return;
    throw new ArgumentError(
      `the receiver of pipe "${this.name}" has a handler, which gets the messages: leave it out to ` +
        "receive them by hand",
    );
  }

  /** Is there nothing for a call that doesn't wait? Those that wait come first. */
  #isEmpty(): boolean {
    return this.#line.length > 0 || this.#reader.available(1) === 0;
  }

  /** In a list, because a message may be `undefined`. */
  readonly #takeOne = (): [T] | undefined =>
    this.#reader.available(1) === 0 ? undefined : [this.#reader.take()];

  #takeSome(max: number | undefined): () => T[] | undefined {
    this.#checkFree();
    const most = checkMax(max);
    return () => this.#reader.available(1) === 0 ? undefined : this.#reader.takeMany(most);
  }

  #reading(handler: (view: V, count: number) => void, max: number | undefined) {
    this.#checkFree();
    checkFunction("handler", handler);
    const view = this.#checkView();
    const most = checkMax(max);
    return (): number | undefined =>
      this.#reader.available(1) === 0
        ? undefined
        : this.#reader.read(view, handler as never, most) || undefined;
  }

  #checkView(): ViewCursor<unknown> {
    if (this.#view !== undefined) return this.#view;
    throw new ArgumentError(
      `pipe "${this.name}" has the codec ${this.#end.shape.codec.name}: only structs are read in place`,
    );
  }

  #block<R>(take: () => R | undefined, timeout: number | undefined): R {
    this.#checkFree();
    const limit = checkTimeout(timeout, this.#end.timeout);
    if (this.#end.isPartnerHere && this.#reader.available(1) === 0) {
      if (!this.#end.handle.reactor.runUntilIdle(() => this.#reader.available(1) > 0)) {
        throw new DeadlockError(
          this.name,
          "the pipe is empty, and its sender is in the same thread, which can't send meanwhile",
        );
      }
    }
    return this.#line.waitSync(take, this.#what, limit);
  }
}

function valueOf<T>([value]: [T]): T {
  return value;
}

function checkMax(max: number | undefined): number {
  return max === undefined || max === Infinity ? Infinity : checkCount(max, 1);
}
