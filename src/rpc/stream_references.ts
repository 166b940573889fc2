/**
 * Streams as values: the types of objects that cross by reference and are streams
 * on the other side.
 *
 * | tag | what                  | there                            | stands for it |
 * | --- | --------------------- | -------------------------------- | ------------- |
 * | 1   | `ReadableStream`      | a `ReadableStream`               | id            |
 * | 2   | the same, of bytes    | the same, for BYOB readers too   | id            |
 * | 3   | `WritableStream`      | a `WritableStream`               | [id, credit]  |
 * | 4   | an async iterable     | an async iterator                | id            |
 *
 * @module
 */
import { show } from "../options.ts";
import type { ReferenceType } from "../codec/codec.ts";
import type { StreamReceiver } from "../connection/stream_receiver.ts";
import type { StreamSender } from "../connection/stream_sender.ts";
import type { Streams } from "../connection/streams.ts";
import { CodecError } from "../errors.ts";
import { drain, pump, readableOf, RemoteIterator, writableOf } from "./stream_ends.ts";
import type { EncodeValue, Source } from "./stream_ends.ts";

/** An end of a stream that a call brought. */
export type StreamEnd = StreamSender | StreamReceiver;

/** Tags in messages. */
const Tag = { readable: 1, bytes: 2, writable: 3, iterable: 4 } as const;

/** Runs the code of a source, which belongs to a call. */
export type RunSource = <T>(task: () => T) => T;

/** What there is about the value that is being encoded or decoded. */
export interface Scope {
  /** The ends that it brought. */
  readonly ends: StreamEnd[];
  /** How to run what gives the data; by default as it is. */
  readonly run?: RunSource;
}

/** See the module. */
export class StreamReferences {
  readonly types: readonly ReferenceType[];
  readonly #streams: () => Streams;
  readonly #encode: EncodeValue;
  #scope: Scope | undefined;

  /** `encode` makes bytes of the values that leave. */
  constructor(streams: () => Streams, encode: EncodeValue) {
    this.#streams = streams;
    this.#encode = encode;
    this.types = [
      this.#readable(Tag.bytes, true),
      this.#readable(Tag.readable, false),
      this.#writable(),
      this.#iterable(),
    ];
  }

  /** Runs a task that encodes or decodes one value; the ends of its streams are added to `scope`. */
  within<T>(scope: Scope, task: () => T): T {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return task();
    } finally {
      this.#scope = outer;
    }
  }

  /** Encodes what a stream gives later: streams in it belong to the call that this one came with. */
  #encodeHere(): EncodeValue {
    const run = this.#scope?.run;
    if (run === undefined) return this.#encode;
    const scope: Scope = { ends: [], run };
    return (value) => {
      scope.ends.length = 0;
      return this.within(scope, () => this.#encode(value));
    };
  }

  #track<End extends StreamEnd>(end: End): End {
    this.#scope?.ends.push(end);
    return end;
  }

  #readable(tag: number, isBytes: boolean): ReferenceType {
    return {
      tag,
      matches: (value) =>
        value instanceof ReadableStream && (!isBytes || value.locked || isByteStream(value)),
      exportObject: (value) => {
        const stream = value as ReadableStream<unknown>;
        checkUnlocked(stream.locked, "ReadableStream", "read");
        const sender = this.#track(this.#streams().offerReading(false));
        void pump(sender, sourceOf(stream), this.#encodeHere());
        return sender.id;
      },
      importObject: (id) => readableOf(this.#track(this.#streams().read(id, false)), isBytes),
    };
  }

  #writable(): ReferenceType {
    return {
      tag: Tag.writable,
      matches: (value) => value instanceof WritableStream,
      exportObject: (value) => {
        const stream = value as WritableStream<unknown>;
        checkUnlocked(stream.locked, "WritableStream", "written");
        const receiver = this.#track(this.#streams().offerWriting());
        const credit = receiver.preGrant();
        void drain(receiver, stream.getWriter());
        return [receiver.id, credit];
      },
      importObject: (reference) => {
        const [id, credit] = Array.isArray(reference) ? reference as unknown[] : [];
        if (typeof credit !== "number" || credit >>> 0 !== credit) {
          throw new CodecError(`${show(credit)} is no credit of a stream`);
        }
        const sender = this.#track(this.#streams().write(id));
        const stream = writableOf(sender, this.#encode);
        sender.onCredit(credit);
        return stream;
      },
    };
  }

  #iterable(): ReferenceType {
    return {
      tag: Tag.iterable,
      matches: isAsyncIterable,
      exportObject: (value) => {
        const sender = this.#track(this.#streams().offerReading(true));
        const run = this.#scope?.run ?? ((task) => task());
        const source = iteratorSource(value as AsyncIterable<unknown>, run);
        void pump(sender, source, this.#encodeHere());
        return sender.id;
      },
      importObject: (id) => new RemoteIterator(this.#track(this.#streams().read(id, true))),
    };
  }

  /**
   * The object itself, or something in its place that the codec can tell from a plain
   * object: an iterable may be one.
   */
  wrap(value: unknown): unknown {
    if (typeof value !== "object" || value === null || !isAsyncIterable(value)) return value;
    if (value instanceof ReadableStream) return value;
    return new Iterable(value);
  }
}

/** See {@linkcode StreamReferences.wrap}. */
class Iterable {
  readonly #value: AsyncIterable<unknown>;

  constructor(value: AsyncIterable<unknown>) {
    this.#value = value;
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return this.#value[Symbol.asyncIterator]();
  }
}

/** Can `for await` go through it? */
export function isAsyncIterable(value: object): value is AsyncIterable<unknown> {
  return typeof (value as { [Symbol.asyncIterator]?: unknown })[Symbol.asyncIterator] ===
    "function";
}

function isByteStream(stream: ReadableStream): boolean {
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

function checkUnlocked(locked: boolean, what: string, done: string): void {
  if (!locked) return;
  throw new CodecError(`this ${what} is locked: it is being ${done} by somebody already`);
}

/** What a stream gives. */
export function sourceOf(stream: ReadableStream<unknown>): Source {
  const reader = stream.getReader();
  return {
    next: () => reader.read(),
    cancel: (reason) => reader.cancel(reason),
  };
}

/** What an iterable gives. Its code begins with the first read. */
export function iteratorSource(iterable: AsyncIterable<unknown>, run: RunSource): Source {
  let iterator: AsyncIterator<unknown> | undefined;
  const start = (): AsyncIterator<unknown> => iterator ??= iterable[Symbol.asyncIterator]();
  return {
    next: () => run(() => Promise.resolve(start().next())),
    cancel: () => run(() => start().return?.()),
  };
}
