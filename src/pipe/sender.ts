/**
 * Sender: the end of a pipe that sends.
 *
 * @module
 */
import type { Codec } from "../codec/codec.ts";
import { keepEncoded } from "../codec/copy.ts";
import { messagePack } from "../codec/messagepack.ts";
import { StructCodec, ViewCursor } from "../codec/struct.ts";
import type { TypedCodec } from "../codec/typed_codec.ts";
import { checkOptions, checkTimeout } from "../options.ts";
import type { WaitOptions } from "../options.ts";
import {
  ArgumentError,
  CodecError,
  DeadlockError,
  MessageTooLargeError,
  TimeoutError,
} from "../errors.ts";
import { checkSendQueueBytes, SendWaits } from "../wake/send_waits.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import { PipeEnd } from "./end.ts";
import { PipeEndpoint } from "./endpoint.ts";
import {
  checkCount,
  checkFunction,
  checkList,
  LENGTH_BYTES,
  PIPE_OPTIONS,
  refusePromise,
  shapeOf,
} from "./options.ts";
import type { PipeOptions } from "./options.ts";
import { SlotWriter } from "./slots.ts";

/** Options of {@linkcode Sender.open}. */
export interface SenderOptions<T> extends PipeOptions {
  /** How values become bytes; the receiver must use the same. Default {@linkcode messagePack}. */
  codec?: TypedCodec<T> | Codec;
  /**
   * The most bytes of messages that may wait for room. A `send` beyond it, which a program that
   * awaits each one never makes, is refused with a {@linkcode BackpressureError}. A message, or a
   * batch, that is alone may be larger. Default 16 MiB. Each message counts 128 bytes more.
   */
  sendQueueBytes?: number;
}

/** The names of all options; held against the interface by the compiler. */
const OPTIONS: Record<keyof SenderOptions<unknown>, true> = {
  ...PIPE_OPTIONS,
  codec: true,
  sendQueueBytes: true,
};
const NAMES = Object.keys(OPTIONS);

/** What a `fill` returns: nothing that is used, and no promise, whose end wouldn't be waited for. */
type Filled = void | undefined | null | boolean | number | bigint | string | { then?: never };

/**
 * The sending end of a pipe. What it sends waits in shared memory until a receiver
 * takes it, also when this process has ended meanwhile.
 *
 * @example
 * ```ts
 * import { f64, Sender, struct, u32 } from "@causeway/ipc";
 *
 * const Reading = struct({ sensor: u32, value: f64 });
 * await using sender = await Sender.open("readings", { codec: Reading, capacity: 4096 });
 * await sender.send({ sensor: 7, value: 21.5 });
 * ```
 */
export class Sender<T = unknown, V = never> extends PipeEndpoint {
  readonly #end: PipeEnd;
  readonly #slots: SlotWriter;
  readonly #line: WaitQueue;
  readonly #waits: SendWaits;
  readonly #view: ViewCursor<unknown> | undefined;
  /** A codec, or a function that fills a batch, is at work on the next slots. */
  #filling = false;
  /** A blocking call waits for room. */
  #blocked = 0;

  private constructor(end: PipeEnd, sendQueueBytes: number) {
    super(end);
    this.#end = end;
    this.#slots = new SlotWriter(end.slots);
    const { reactor, index, report } = end.handle;
    this.#line = new WaitQueue(reactor, index, end.setWaiting);
    this.#waits = new SendWaits(this.#line, sendQueueBytes, report);
    const { codec } = end.shape;
    if (codec instanceof StructCodec) {
      this.#view = codec.makeView(end.slots.data) as ViewCursor<unknown>;
    }
    end.start({ poll: () => this.#line.poll(), arm: () => this.#arm() }, this.#line);
  }

  /**
   * Opens the sending end. The receiver needn't be there; what was queued by a sender
   * before this one stays in front. It doesn't keep the process alive.
   *
   * @throws {NameTakenError} The pipe has a sender that lives.
   * @throws {CapacityMismatchError} The pipe exists, with another capacity.
   * @throws {ParameterMismatchError} … with another size of messages.
   * @throws {CodecMismatchError} … with another codec.
   * @throws {ArgumentError} An option is out of range.
   * @throws {NoSpaceError} There isn't enough memory for its capacity.
   */
  static open<T, V>(
    name: string,
    options: SenderOptions<T> & { codec: StructCodec<T, V> },
  ): Promise<Sender<T, V>>;
  /** The same with any other codec. */
  static open<T = unknown>(name: string, options?: SenderOptions<T>): Promise<Sender<T>>;
  // deno-lint-ignore require-await no-explicit-any -- errors of arguments are rejections too
  static async open(name: string, options: SenderOptions<any> = {}): Promise<any> {
    checkOptions(options, NAMES);
    const shape = shapeOf(options, options.codec === undefined ? messagePack : options.codec);
    const sendQueueBytes = checkSendQueueBytes(options.sendQueueBytes);
    return PipeEnd.open(name, "sender", options, shape, (end) => new Sender(end, sendQueueBytes));
  }

  /**
   * How many messages were ever sent through this pipe, of this sender and those
   * before it; it wraps at 2^32. It is the number of the next message.
   */
  get position(): number {
    return this.#slots.position;
  }

  /**
   * Sends a message. The promise is resolved at once if there is room, otherwise when
   * the message is in the pipe. Messages arrive in the order of the calls.
   *
   * @throws {TimeoutError} There was no room in time. The message was not sent.
   * @throws {ArgumentError} The value doesn't fit the struct, or is `undefined`. Nothing was sent.
   * @throws {MessageTooLargeError} It is over `messageBytes`. Nothing was sent.
   * @throws {ClosedError} The sender was closed meanwhile. The message was not sent.
   */
  send(value: T, options?: WaitOptions): Promise<void> {
    try {
      if (this.trySend(value)) return this.#pause();
      return this.#wait([value], options ?? {});
    } catch (error) {
      return this.#waits.refuse(error);
    }
  }

  /** Sends a message if there is room, and says whether there was. */
  trySend(value: T): boolean {
    if (!this.#hasRoom(1)) return false;
    this.#filling = true;
    try {
      this.#encode(value, this.#slots.position);
    } finally {
      this.#filling = false;
    }
    this.#publish(1);
    return true;
  }

  /**
   * Sends a message, blocking the thread until there is room.
   *
   * @throws {TimeoutError} There was no room in time. The message was not sent.
   * @throws {DeadlockError} The pipe is full and its receiver is in this thread.
   */
  sendSync(value: T, options: { timeout?: number } = {}): void {
    if (this.trySend(value)) return;
    this.#block(1, options.timeout);
    this.trySend(value);
  }

  /**
   * Sends messages in one step: the receiver finds all of them, or none. Waits until
   * there is room for all.
   *
   * @throws {TimeoutError} There was no room in time. None was sent.
   * @throws {ArgumentError} They are more than the capacity, or a value doesn't fit. None was sent.
   */
  sendMany(values: readonly T[], options?: WaitOptions): Promise<void> {
    try {
      checkList(values);
      this.#checkBatch(values.length);
      if (!this.#hasRoom(values.length)) return this.#wait(values, options ?? {});
      this.#sendFirst(values, values.length);
      return this.#pause();
    } catch (error) {
      return this.#waits.refuse(error);
    }
  }

  /** Sends as many of the messages as there is room for, in one step; returns how many. */
  trySendMany(values: readonly T[]): number {
    checkList(values);
    const count = Math.min(this.#room(values.length), values.length);
    this.#sendFirst(values, count);
    return count;
  }

  /**
   * Sends `count` structs in one step, written in place: `fill` is called for each with
   * a view of it. Nothing is allocated. Fields that it doesn't write are zeros. If it
   * throws, nothing is sent; nor if it returns a promise, because they are sent at once.
   *
   * @throws {TimeoutError} There was no room for all of them in time. None was sent.
   * @throws {ArgumentError} They are more than the capacity, the codec isn't a struct,
   *   or `fill` is asynchronous. None was sent.
   */
  write(
    count: number,
    fill: (view: V, index: number) => Filled,
    options: WaitOptions = {},
  ): Promise<void> {
    try {
      this.#checkBatch(checkCount(count));
      checkFunction("fill", fill);
      if (this.#hasRoom(count)) {
        this.#writeFirst(count, fill);
        return this.#pause();
      }
      const tryWrite = (): true | undefined => {
        if (this.#roomNow(count) < count) return undefined;
        this.#writeFirst(count, fill);
        return true;
      };
      const what = this.#what(count);
      const limits = this.#end.limits(options);
      return this.#end.waitInScope(
        tryWrite,
        (attempt) => this.#waits.wait({ bytes: 0, messages: count, attempt, what }, limits),
      );
    } catch (error) {
      return this.#waits.refuse(error);
    }
  }

  /** The same for as many of them as there is room for; returns how many. */
  tryWrite(count: number, fill: (view: V, index: number) => Filled): number {
    checkFunction("fill", fill);
    const some = Math.min(this.#room(checkCount(count)), count);
    this.#writeFirst(some, fill);
    return some;
  }

  /** The same, blocking the thread until there is room for all. */
  writeSync(
    count: number,
    fill: (view: V, index: number) => Filled,
    options: { timeout?: number } = {},
  ): void {
    this.#checkBatch(checkCount(count));
    checkFunction("fill", fill);
    if (!this.#hasRoom(count)) this.#block(count, options.timeout);
    this.#writeFirst(count, fill);
  }

  /** What is in the pipe is sent: settled at once, or after a turn of the event loop. */
  #pause(): Promise<void> {
    return this.#end.handle.reactor.yielder.pause();
  }

  // ------------------------------------------------------------------ room

  /** Free slots; 0 while other calls wait, which come first. */
  #room(wanted: number): number {
    this.#end.checkOpen();
    return this.#line.length > 0 ? 0 : this.#roomNow(wanted);
  }

  #hasRoom(count: number): boolean {
    return this.#room(count) >= count;
  }

  #roomNow(wanted: number): number {
    if (this.#filling) {
      throw new ArgumentError(
        `pipe "${this.name}" is being written to: don't send from a codec, or from what fills a batch`,
      );
    }
    try {
      return this.#slots.room(wanted);
    } catch (error) {
      throw this.#end.fail(error);
    }
  }

  #checkBatch(count: number): void {
    if (count <= this.capacity) return;
    throw new ArgumentError(
      `${count} messages in one step are more than the capacity of pipe "${this.name}", which is ` +
        `${this.capacity}: send them in parts, or open it with a larger capacity`,
    );
  }

  #what(count: number): string {
    const messages = count === 1 ? "a message" : `${count} messages`;
    return `waiting for room for ${messages} in pipe "${this.name}" (capacity ${this.capacity})`;
  }

  /** Encodes now, so that what is wrong is told now, and sends when there is room. */
  #wait(values: readonly T[], options: WaitOptions): Promise<void> {
    const { codec } = this.#end.shape;
    const all = Array.from(values, (value) => {
      checkValue(value);
      const bytes = codec.encode(value);
      this.#checkSize(bytes);
      return keepEncoded(codec, bytes);
    });
    const attempt = (): true | undefined => {
      if (this.#roomNow(all.length) < all.length) return undefined;
      const { position } = this.#slots;
      for (let i = 0; i < all.length; i++) this.#put(all[i]!, (position + i) >>> 0);
      this.#publish(all.length);
      return true;
    };
    const bytes = all.reduce((sum, { length }) => sum + length, 0);
    const what = this.#what(all.length);
    return this.#waits.wait(
      { bytes, messages: all.length, attempt, what },
      this.#end.limits(options),
    );
  }

  #block(count: number, timeout: number | undefined): void {
    const limit = checkTimeout(timeout, this.#end.timeout);
    const hasRoom = (): boolean => this.#hasRoom(count);
    const { reactor, index } = this.#end.handle;
    if (this.#end.isPartnerHere) {
      if (reactor.runUntilIdle(hasRoom)) return;
      throw new DeadlockError(
        this.name,
        "the pipe is full, and its receiver is in the same thread, which can't receive meanwhile",
      );
    }
    this.#blocked = count;
    try {
      if (!reactor.block(index, hasRoom, limit)) {
        throw new TimeoutError(this.#what(count), limit);
      }
    } finally {
      this.#blocked = 0;
    }
  }

  // ----------------------------------------------------------------- slots

  #sendFirst(values: readonly T[], count: number): void {
    if (count === 0) return;
    const { position } = this.#slots;
    this.#filling = true;
    try {
      for (let i = 0; i < count; i++) this.#encode(values[i]!, (position + i) >>> 0);
    } finally {
      this.#filling = false;
    }
    this.#publish(count);
  }

  #writeFirst(count: number, fill: (view: V, index: number) => Filled): void {
    const view = this.#view;
    if (view === undefined) {
      throw new ArgumentError(
        `pipe "${this.name}" has the codec ${this.#end.shape.codec.name}: only structs are written in place`,
      );
    }
    if (count === 0) return;
    const { slots, position } = this.#slots;
    this.#filling = true;
    try {
      slots.clear(position, count);
      for (let i = 0; i < count; i++) {
        ViewCursor.show(view, slots.offset((position + i) >>> 0), 1);
        const filled = fill(view as V, i);
        if (typeof filled === "object" && filled !== null) refusePromise(filled, this.#asyncFill);
      }
    } finally {
      this.#filling = false;
    }
    this.#publish(count);
  }

  get #asyncFill(): string {
    return `what fills structs in pipe "${this.name}" returned a promise: they are sent when it ` +
      "returns, so await what you need before, and fill them synchronously";
  }

  #encode(value: T, position: number): void {
    checkValue(value);
    const { shape, slots } = this.#end;
    if (shape.fixed !== undefined) {
      shape.fixed.encodeInto(value, slots.data, slots.offset(position));
      return;
    }
    const bytes = shape.codec.encode(value);
    this.#checkSize(bytes);
    this.#put(bytes, position);
  }

  #checkSize(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) {
      throw new CodecError(`the codec ${this.#end.shape.codec.name} gave no Uint8Array`);
    }
    if (bytes.length <= this.messageBytes) return;
    throw new MessageTooLargeError(
      bytes.length,
      this.messageBytes,
      `pipe "${this.name}"`,
      "open it with larger `messageBytes`, or use a channel or a queue",
    );
  }

  #put(bytes: Uint8Array, position: number): void {
    const { slots, shape } = this.#end;
    let at = slots.offset(position);
    if (shape.fixed === undefined) {
      slots.data.setUint32(at, bytes.length, true);
      at += LENGTH_BYTES;
    }
    slots.bytes.set(bytes, at);
  }

  #publish(count: number): void {
    // A codec, or the function that filled the batch, may have closed it.
    this.#end.checkOpen();
    this.#slots.publish(count);
    this.#end.tell();
  }

  // --------------------------------------------------------------- reactor

  #arm(): boolean {
    if (this.#blocked > 0) {
      this.#end.setWaiting();
      // What is wrong with the memory the call itself will find.
      if (this.#line.length === 0 && !this.#end.isFull(this.#blocked)) return false;
    }
    return this.#line.arm();
  }
}

function checkValue(value: unknown): void {
  if (value !== undefined) return;
  throw new ArgumentError("undefined can't be sent: it would look as if nothing came; send null");
}
