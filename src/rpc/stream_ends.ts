/**
 * Between the ends of a connection's streams and what users have: web streams and
 * async iterators.
 *
 * An end that the other side offered, and that the user lets go of without
 * finishing, is stopped when its object is garbage.
 *
 * @module
 */
import type { StreamReceiver } from "../connection/stream_receiver.ts";
import type { StreamSender } from "../connection/stream_sender.ts";
import { StreamAbortedError } from "../errors.ts";

/** Values that leave one after the other, and can be told to stop. */
export interface Source {
  next(): Promise<{ done?: boolean | undefined; value?: unknown }>;
  /** Nobody wants more. */
  cancel(reason: unknown): unknown;
}

/** Makes the bytes of a value that isn't bytes itself. */
export type EncodeValue = (value: unknown) => Uint8Array;

/** What becomes of ends that nobody holds any more. It must not hold the objects. */
const forgotten = new FinalizationRegistry<StreamReceiver | StreamSender>((end) => {
  const error = new StreamAbortedError();
  if ("stop" in end) end.stop(error);
  else end.fail(error);
});

/** Sends what a source gives, until one of both is over. Never rejects. */
export async function pump(
  sender: StreamSender,
  source: Source,
  encode: EncodeValue,
): Promise<void> {
  sender.onStop = (reason) => void quietly(() => source.cancel(reason));
  while (!sender.isOver) {
    const ready = sender.ready();
    if (ready !== undefined) await ready;
    if (sender.isOver) return;
    let next: { done?: boolean | undefined; value?: unknown };
    try {
      next = await source.next();
    } catch (error) {
      sender.fail(error);
      return;
    }
    if (next.done) {
      sender.end();
      return;
    }
    try {
      const room = write(sender, next.value, encode) ?? sender.pause();
      if (room !== undefined) await room;
    } catch (error) {
      // A value that can't cross is no fault of the source: it is told, as the reader is.
      sender.abort(error);
    }
  }
}

function write(
  sender: StreamSender,
  value: unknown,
  encode: EncodeValue,
): Promise<void> | undefined {
  if (sender.isOver) return undefined;
  if (!isBytes(value)) return sender.writeValue(value, encode);
  return value.length === 0 && !sender.exact ? undefined : sender.writeBytes(value);
}

/** Raw bytes: not those of a subclass that some runtime has, whose readers expect it. */
function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** Errors of what is thrown away. */
async function quietly(task: () => unknown): Promise<void> {
  try {
    await task();
  } catch {
    // Nobody waits for it.
  }
}

/** Gives what arrives to a writer, and closes it. Never rejects. */
export async function drain(
  receiver: StreamReceiver,
  writer: WritableStreamDefaultWriter<unknown>,
): Promise<void> {
  writer.closed.catch((error: unknown) => receiver.stop(error ?? new StreamAbortedError()));
  // A write that is under way may wait for what its signal tells.
  receiver.onFailure = (error) => void quietly(() => writer.abort(error));
  try {
    for (;;) {
      if (!receiver.has) {
        if (receiver.isOver) break;
        await receiver.wait();
        continue;
      }
      await writer.write(receiver.take());
    }
  } catch {
    return; // `closed` has told it.
  }
  try {
    receiver.throwIfFailed();
  } catch (error) {
    receiver.stop(error);
    await quietly(() => writer.abort(error));
    return;
  }
  try {
    await writer.close();
    receiver.finished();
  } catch (error) {
    receiver.finished({ error });
  }
}

/** A stream of what the other side sends. */
export function readableOf(receiver: StreamReceiver, isBytes: boolean): ReadableStream {
  const source = isBytes ? byteSource(receiver) : valueSource(receiver);
  const stream = new ReadableStream(source as UnderlyingDefaultSource, { highWaterMark: 0 });
  forgotten.register(stream, receiver);
  return stream;
}

function valueSource(receiver: StreamReceiver): UnderlyingDefaultSource<unknown> {
  const give = (controller: ReadableStreamDefaultController<unknown>): void => {
    if (receiver.has) controller.enqueue(receiver.take());
    else {
      receiver.throwIfFailed();
      controller.close();
    }
  };
  return {
    start: (controller) => errorsTo(receiver, controller),
    pull(controller) {
      if (!receiver.has && !receiver.isOver) return receiver.wait().then(() => give(controller));
      const pause = receiver.pause();
      if (pause !== undefined) return pause.then(() => give(controller));
      give(controller);
      return undefined;
    },
    cancel: (reason) => receiver.stop(reason),
  };
}

function byteSource(receiver: StreamReceiver): UnderlyingByteSource {
  const give = (controller: ReadableByteStreamController, filled: number): void => {
    const request = controller.byobRequest;
    const view = request?.view as Uint8Array | null | undefined;
    if (filled > 0) {
      request!.respond(filled);
    } else if (receiver.has) {
      if (view == null) controller.enqueue(receiver.take() as Uint8Array<ArrayBuffer>);
      else request!.respond(receiver.fill(view));
    } else {
      receiver.throwIfFailed();
      controller.close();
      request?.respond(0);
    }
  };
  return {
    type: "bytes",
    start: (controller) => errorsTo(receiver, controller),
    pull(controller) {
      if (receiver.has || receiver.isOver) {
        const pause = receiver.pause();
        if (pause !== undefined) return pause.then(() => give(controller, 0));
        give(controller, 0);
        return undefined;
      }
      const target = controller.byobRequest?.view as Uint8Array | null | undefined;
      return receiver.wait(target ?? undefined).then((filled) => give(controller, filled));
    },
    cancel: (reason) => receiver.stop(reason),
  };
}

/** Errors the stream when the receiver fails. It must not hold the stream, nor what holds it. */
function errorsTo(receiver: StreamReceiver, controller: { error(reason: unknown): void }): void {
  const held = new WeakRef(controller);
  receiver.onFailure = (error) => held.deref()?.error(error);
}

/** A stream that sends what is written to the other side. */
export function writableOf(sender: StreamSender, encode: EncodeValue): WritableStream {
  const stream = new WritableStream({
    start(controller) {
      const held = new WeakRef(controller);
      sender.onStop = (reason) => held.deref()?.error(reason ?? new StreamAbortedError());
      // `abort` below comes after a write or a close that is under way: it would wait with them.
      const { signal } = controller;
      signal.addEventListener("abort", () => sender.giveUp(signal.reason), { once: true });
    },
    async write(chunk) {
      await sender.ready();
      sender.throwIfStopped();
      try {
        await (write(sender, chunk, encode) ?? sender.pause());
      } catch (error) {
        sender.fail(error); // A value that can't cross: the stream is over on both sides.
        throw error;
      }
      sender.throwIfStopped();
    },
    close: () => sender.finish(),
    abort: (reason) => sender.fail(reason),
  });
  forgotten.register(stream, sender);
  return stream;
}

/** What `for await` goes through on the side that reads. */
export class RemoteIterator implements AsyncIterableIterator<unknown>, AsyncDisposable {
  readonly #receiver: StreamReceiver;
  /** The last read that isn't finished: reads are answered in order. */
  #last: Promise<unknown> | undefined;

  /** Made by the library only. */
  constructor(receiver: StreamReceiver) {
    this.#receiver = receiver;
    forgotten.register(this, receiver);
  }

  /** See {@linkcode AsyncIterator}. */
  next(): Promise<IteratorResult<unknown>> {
    const pause = this.#receiver.pause();
    if (this.#last === undefined && this.#receiver.has && pause === undefined) {
      return Promise.resolve({ done: false, value: this.#receiver.take() });
    }
    const previous = this.#last ?? pause;
    const read = previous === undefined ? this.#read() : previous.then(() => this.#read());
    const settled: Promise<unknown> = read.then(
      () => this.#settle(settled),
      () => this.#settle(settled),
    );
    this.#last = settled;
    return read;
  }

  #settle(read: Promise<unknown>): void {
    if (this.#last === read) this.#last = undefined;
  }

  async #read(): Promise<IteratorResult<unknown>> {
    const receiver = this.#receiver;
    if (!receiver.has) await receiver.wait();
    if (receiver.has) return { done: false, value: receiver.take() };
    receiver.throwIfFailed();
    return { done: true, value: undefined };
  }

  /** Stops the other side. */
  return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#receiver.stop(undefined);
    return Promise.resolve({ done: true, value });
  }

  /** The same, and rejects. */
  throw(error?: unknown): Promise<IteratorResult<unknown>> {
    this.#receiver.stop(error);
    return Promise.reject(error);
  }

  /** The same as {@linkcode RemoteIterator.return}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}
