/**
 * The producing side of a {@linkcode Queue}: encodes messages, enqueues them, and keeps those
 * that wait for room.
 *
 * @module
 */
import { keepBetween, keepEncoded } from "../codec/copy.ts";
import { ArgumentError, MessageTooLargeError, TimeoutError } from "../errors.ts";
import { show } from "../options.ts";
import type { Holds, PassingCodec } from "../share/passing.ts";
import { SendWaits } from "../wake/send_waits.ts";
import type { WaitLimits } from "../wake/waiting.ts";
import type { Yielder } from "../wake/yielder.ts";
import type { QueueCore } from "./core.ts";

/** What a {@linkcode QueueProducer} needs of its queue. */
export interface ProducerParameters {
  readonly core: QueueCore;
  readonly codec: PassingCodec;
  readonly yielder: Yielder;
  /** The user's limit of bytes that wait for room. */
  readonly sendQueueBytes: number | undefined;
  /** Told of a failure whose promise was forgotten. */
  readonly report: (error: unknown) => void;
}

/** Encoded messages, with what holds the memory in them, by their index; mostly there is none. */
interface Encoded {
  readonly payloads: Uint8Array[];
  readonly holds: Map<number, Holds>;
}

/** See the module. */
export class QueueProducer<T> {
  readonly #core: QueueCore;
  readonly #codec: PassingCodec;
  readonly #yielder: Yielder;
  readonly #waits: SendWaits;

  constructor({ core, codec, yielder, sendQueueBytes, report }: ProducerParameters) {
    this.#core = core;
    this.#codec = codec;
    this.#yielder = yielder;
    this.#waits = new SendWaits(core.room, sendQueueBytes, report);
  }

  /** What a wait for room is called. */
  get what(): string {
    return `waiting for room in ${this.#core.what}`;
  }

  /** A failure that is harmless if the promise is forgotten. */
  refuse(error: unknown): Promise<never> {
    return this.#waits.refuse(error);
  }

  /** Enqueues a message, when there is room. */
  enqueue(value: T, limits: WaitLimits): Promise<void> {
    const core = this.#core;
    const payload = this.#encode(value);
    if (core.room.length === 0 && core.put(payload)) return this.#yielder.pause();
    const holds = this.#codec.memory.watch();
    const kept = keepEncoded(this.#codec, payload);
    return this.#waits.wait({
      bytes: kept.length,
      messages: 1,
      attempt: () => core.put(kept) || undefined,
      what: this.what,
      onFailure: () => holds?.release(),
    }, limits);
  }

  /** Enqueues a message if there is room, and no other waits for it. */
  tryEnqueue(value: T): boolean {
    const payload = this.#encode(value);
    if (this.#core.room.length === 0 && this.#core.put(payload)) return true;
    this.#codec.memory.take()?.release();
    return false;
  }

  /** Enqueues a message with the help of `block`, which attempts it until there is room. */
  enqueueSync(value: T, block: (attempt: () => true | undefined) => void): void {
    const core = this.#core;
    const payload = this.#encode(value);
    const holds = this.#codec.memory.watch();
    try {
      if (core.room.length === 0 && core.put(payload)) return;
      // Handlers in this thread may run while it waits, and use the codec.
      const kept = keepEncoded(this.#codec, payload);
      block(() => core.put(kept) || undefined);
    } catch (error) {
      holds?.release();
      throw error;
    }
  }

  /** Enqueues messages one after the other. */
  enqueueMany(values: Iterable<T>, limits: WaitLimits): Promise<void> {
    const core = this.#core;
    const { payloads, holds } = this.#encodeAll(values);
    const from = core.room.length === 0 ? core.putMany(payloads, 0) : 0;
    if (from === payloads.length) return this.#yielder.pause();
    let next = 0;
    const rest = payloads.slice(from).map((payload) => keepEncoded(this.#codec, payload));
    return this.#waits.wait({
      bytes: rest.reduce((sum, { length }) => sum + length, 0),
      messages: rest.length,
      attempt: () => {
        next = core.putMany(rest, next);
        return next === rest.length || undefined;
      },
      what: this.what,
      onFailure: (error) => {
        releaseFrom(holds, from + next);
        if (!(error instanceof TimeoutError)) return;
        const what = `enqueueing ${payloads.length} messages in ${core.what}`;
        throw new TimeoutError(what, limits.timeout, `${from + next} of them are in the queue`);
      },
    }, limits);
  }

  /** Enqueues as many messages as there is room for, from the first on; how many. */
  tryEnqueueMany(values: Iterable<T>): number {
    const { payloads, holds } = this.#encodeAll(values);
    const next = this.#core.room.length > 0 ? 0 : this.#core.putMany(payloads, 0);
    if (next < payloads.length) releaseFrom(holds, next);
    return next;
  }

  /** Encodes a message, and checks its size. */
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
      this.#core.what,
      "raise `capacity`, of which a message can take a thirty-second, or send it in parts",
    );
  }

  #encodeAll(values: Iterable<T>): Encoded {
    checkIterable(values);
    const holds = new Map<number, Holds>();
    const payloads: Uint8Array[] = [];
    const isLazy = !Array.isArray(values);
    try {
      for (const value of values) {
        const payload = this.#encode(value);
        const held = this.#codec.memory.watch();
        if (held !== undefined) holds.set(payloads.length, held);
        payloads.push(keepBetween(this.#codec, payload, isLazy));
      }
    } catch (error) {
      releaseFrom(holds, 0);
      throw error;
    }
    return { payloads, holds };
  }
}

function checkIterable(values: unknown): void {
  if (typeof (values as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] === "function") {
    return;
  }
  throw new ArgumentError(
    `messages are a list, or something else that \`for of\` goes through, got ${show(values)}: ` +
      "one message alone is for `enqueue`",
  );
}

/** The messages from an index on aren't enqueued. */
function releaseFrom(holds: Map<number, Holds>, from: number): void {
  for (const [index, held] of holds) if (index >= from) held.release();
}
