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
import { Polled } from "../wake/reactor.ts";
import type { Source } from "../wake/reactor.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import { PipeEnd } from "./end.ts";
import {
  checkCount,
  checkFunction,
  checkList,
  checkRemoveOptions,
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
}

/** The names of all options; held against the interface by the compiler. */
const OPTIONS: Record<keyof SenderOptions<unknown>, true> = { ...PIPE_OPTIONS, codec: true };
const NAMES = Object.keys(OPTIONS);

/** What a `fill` returns: nothing that is used, and no promise, whose end nobody would wait for. */
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
export class Sender<T = unknown, V = never> implements AsyncDisposable {
  /** The name it was opened with. */
  readonly name: string;
  readonly #end: PipeEnd;
  readonly #slots: SlotWriter;
  readonly #line: WaitQueue;
  readonly #view: ViewCursor<unknown> | undefined;
  /** A codec, or who fills a batch, is at work on the next slots. */
  #filling = false;
  /** A blocking call waits for room. */
  #blocked = 0;

  private constructor(end: PipeEnd) {
    this.name = end.name;
    this.#end = end;
    this.#slots = new SlotWriter(end.slots);
    this.#line = new WaitQueue(end.realm.reactor, end.index, end.setWaiting);
    const { codec } = end.shape;
    if (codec instanceof StructCodec) {
      this.#view = codec.makeView(end.slots.data) as ViewCursor<unknown>;
    }
    const source: Source = { poll: () => this.#poll(), arm: () => this.#arm() };
    end.start(source, this.#line);
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
    return PipeEnd.open(name, "sender", options, shape, (end) => new Sender(end));
  }

  /**
   * Throws away a pipe that nobody uses, with what is queued in it; false if there is
   * none, or somebody uses it.
   */
  // deno-lint-ignore require-await -- errors of arguments are rejections too
  static async remove(name: string, options: { directory?: string } = {}): Promise<boolean> {
    checkRemoveOptions(options);
    return PipeEnd.remove(name, options.directory);
  }

  /** Messages that can wait. */
  get capacity(): number {
    return this.#end.slots.capacity;
  }

  /** The most bytes of a message. */
  get messageBytes(): number {
    return this.#end.slots.messageBytes;
  }

  /** Messages that wait in the pipe, of this sender and those before it. */
  get queued(): number {
    this.#end.checkOpen();
    try {
      return this.#end.slots.queued;
    } catch (error) {
      throw this.#end.fail(error);
    }
  }

  /**
   * How many messages were ever sent through this pipe, of this sender and those
   * before it; it wraps at 2^32. It is the number of the next message.
   */
  get position(): number {
    return this.#slots.position;
  }

  /** Is a receiver there? */
  get isConnected(): boolean {
    return this.#end.isConnected;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#end.isClosed;
  }

  /**
   * Resolves when a receiver is there.
   *
   * @throws {TimeoutError} Nobody came in time.
   */
  whenConnected(options?: WaitOptions): Promise<void> {
    return this.#end.whenConnected(options);
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
      return Promise.reject(error);
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
      return Promise.reject(error);
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
      return this.#line.wait(
        () => {
          if (this.#roomNow(count) < count) return undefined;
          this.#writeFirst(count, fill);
          return true;
        },
        this.#what(count),
        this.#end.limits(options),
      ).then(() => {});
    } catch (error) {
      return Promise.reject(error);
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

  /** Keeps the process alive until the sender is closed. */
  ref(): void {
    this.#end.ref();
  }

  /** Lets the process end though it is open, as it does from the start. */
  unref(): void {
    this.#end.unref();
  }

  /**
   * Closes this end. What is in the pipe stays there, for the receiver of now or later;
   * calls that wait for room are rejected with {@linkcode ClosedError}, their messages
   * not sent. Calling it again does nothing.
   */
  // deno-lint-ignore require-await -- like the other patterns
  async close(): Promise<void> {
    this.#end.close();
  }

  /** The same as {@linkcode Sender.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What is in the pipe is sent: settled at once, or after a turn of the event loop. */
  #pause(): Promise<void> {
    return this.#end.realm.reactor.yielder.pause();
  }

  // ------------------------------------------------------------------ room

  /** Free slots; 0 while others wait, who come first. */
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
    return this.#line.wait(
      () => {
        if (this.#roomNow(all.length) < all.length) return undefined;
        const { position } = this.#slots;
        for (let i = 0; i < all.length; i++) this.#put(all[i]!, (position + i) >>> 0);
        this.#publish(all.length);
        return true;
      },
      this.#what(all.length),
      this.#end.limits(options),
    ).then(() => {});
  }

  #block(count: number, timeout: number | undefined): void {
    const limit = checkTimeout(timeout, this.#end.timeout);
    const hasRoom = (): boolean => this.#hasRoom(count);
    const { reactor } = this.#end.realm;
    if (this.#end.isPartnerHere) {
      if (reactor.runUntilIdle(hasRoom)) return;
      throw new DeadlockError(
        this.name,
        "the pipe is full, and its receiver is in the same thread, which can't receive meanwhile",
      );
    }
    this.#blocked = count;
    try {
      if (!reactor.block(this.#end.index, hasRoom, limit)) {
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
    // A codec, or who filled the batch, may have closed it.
    this.#end.checkOpen();
    this.#slots.publish(count);
    this.#end.tell();
  }

  // --------------------------------------------------------------- reactor

  #poll(): Polled {
    this.#end.watch();
    return this.#end.isClosed ? Polled.nothing : this.#line.poll();
  }

  #arm(): boolean {
    if (!this.#end.isSettled()) return false;
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
