/**
 * Hands a pipe's messages to the receiver's handler.
 *
 * @module
 */
import type { Codec } from "../codec/codec.ts";
import { StructCodec } from "../codec/struct.ts";
import type { ViewCursor } from "../codec/struct.ts";
import { isPromiseLike } from "../failures.ts";
import { checkFlag } from "../options.ts";
import { ArgumentError, CorruptSegmentError } from "../errors.ts";
import { Polled } from "../wake/reactor.ts";
import type { PipeEnd } from "./end.ts";
import type { MessageReader } from "./message_reader.ts";

/** What a receiver can be given to handle messages: one of the three. */
export interface Handlers<T, V = never> {
  /**
   * Called with each message. If it is asynchronous, the next one doesn't wait for it,
   * unless `acknowledge` is set.
   */
  onMessage?: (message: T) => void | Promise<void>;
  /** Called with all messages that are there, at most 1024: more messages per second. */
  onMessages?: (messages: T[]) => void | Promise<void>;
  /**
   * Called with a view of the structs that are there, at most 1024, and how many; as
   * {@linkcode Receiver.read}, the fastest of the three.
   */
  onRead?: (view: V, count: number) => void;
  /**
   * The pipe forgets messages only when the handler has ended, or its promise is
   * settled; the next ones wait for that. So a message whose handler was cut off by the
   * end of its process, or by {@linkcode Receiver.close}, comes again to the next
   * receiver: each at least once, instead of at most once. A handler that fails has had
   * its message. Default false; `onRead` always works so.
   */
  acknowledge?: boolean;
}

/** Messages in one poll, so that others get their turns. */
const MAX_MESSAGES = 1024;

/** Checks what a user gives. */
export function checkHandlers(handlers: Handlers<never, never>, codec: Codec): void {
  const { onMessage, onMessages, onRead, acknowledge } = handlers;
  const given = [onMessage, onMessages, onRead].filter((each) => each !== undefined).length;
  if (given > 1) {
    throw new ArgumentError("a receiver has one handler: onMessage, onMessages or onRead");
  }
  checkFlag("acknowledge", acknowledge);
  if (acknowledge === true && given === 0) {
    throw new ArgumentError("`acknowledge` needs a handler, whose end acknowledges a message");
  }
  if (onRead !== undefined && !(codec instanceof StructCodec)) {
    throw new ArgumentError(
      `\`onRead\` reads structs in place, which the codec ${codec.name} isn't`,
    );
  }
}

/** See the module. */
export class MessageHandler<T, V> {
  readonly #end: PipeEnd;
  readonly #reader: MessageReader<T>;
  readonly #handlers: Handlers<T, V>;
  readonly #view: ViewCursor<unknown> | undefined;
  /** A handler that acknowledges is at work. */
  #busy = false;

  constructor(
    end: PipeEnd,
    inbox: MessageReader<T>,
    handlers: Handlers<T, V>,
    view: ViewCursor<unknown> | undefined,
  ) {
    this.#end = end;
    this.#reader = inbox;
    this.#handlers = handlers;
    this.#view = view;
  }

  /** Delivers messages, for a bounded time. @throws {CorruptSegmentError} */
  poll(): Polled {
    if (this.#busy || this.#reader.available(1) === 0) return Polled.nothing;
    return this.#end.inScope(this.#deliverAll);
  }

  readonly #deliverAll = (): Polled => {
    const { yielder } = this.#end.handle.reactor;
    let polled: Polled = Polled.done;
    for (let i = 0; i < MAX_MESSAGES && polled === Polled.done; i++) {
      polled = this.#deliverNext();
      // Handlers can take long: then the event loop has its turn before the next one.
      if (yielder.isDue()) return Polled.resolved;
      if (this.#busy || this.#end.isClosed || this.#reader.available(1) === 0) break;
    }
    return polled;
  };

  #deliverNext(): Polled {
    const { onMessage, onMessages, onRead } = this.#handlers;
    if (onRead !== undefined) return this.#read(onRead);
    if (onMessages !== undefined) return this.#deliver(onMessages, MAX_MESSAGES);
    return this.#deliver(onMessage!, 0);
  }

  /** Asks to be rung; true if there is still nothing. @throws {CorruptSegmentError} */
  arm(): boolean {
    if (this.#busy) return true;
    this.#end.setWaiting();
    return this.#reader.available(1) === 0;
  }

  #read(onRead: (view: V, count: number) => void): Polled {
    try {
      this.#reader.read(this.#view!, onRead as never, MAX_MESSAGES);
    } catch (error) {
      if (error instanceof CorruptSegmentError) throw error;
      // Those it was called with would come again at once, and for ever.
      this.#reader.release(this.#reader.shown);
      this.#end.handle.report(error, "onRead");
    }
    return Polled.done;
  }

  /** `max` 0: one message, by itself. */
  #deliver(handler: (messages: never) => unknown, max: number): Polled {
    const acknowledges = this.#handlers.acknowledge === true;
    let messages: T | T[];
    let count = 1;
    try {
      if (max > 0) {
        const all: T[] = acknowledges ? this.#reader.peekMany(max) : this.#reader.takeMany(max);
        count = all.length;
        messages = all;
      } else {
        messages = acknowledges ? this.#reader.peek(0) : this.#reader.take();
      }
    } catch (error) {
      if (error instanceof CorruptSegmentError) throw error;
      if (acknowledges && max === 0) this.#reader.release(1);
      this.#end.handle.reportPeer(error);
      return Polled.done;
    }
    this.#busy = acknowledges;
    try {
      const result = handler(messages as never);
      if (isPromiseLike(result)) return this.#follow(result, acknowledges ? count : 0);
    } catch (error) {
      this.#end.handle.report(error, "onMessage");
    }
    if (acknowledges) this.#acknowledge(count);
    return Polled.done;
  }

  #follow(result: PromiseLike<unknown>, count: number): Polled {
    const settle = (): void => {
      if (count === 0) return;
      this.#acknowledge(count);
      this.#end.handle.heat();
    };
    Promise.resolve(result).then(settle, (error) => {
      this.#end.handle.report(error, "onMessage");
      settle();
    });
    return Polled.resolved;
  }

  #acknowledge(count: number): void {
    this.#busy = false;
    this.#reader.release(count);
  }
}
