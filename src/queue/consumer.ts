/**
 * The consuming side of a {@linkcode Queue}: takes messages, decodes them, and decides what becomes
 * of those that can't be decoded or were delivered too often.
 *
 * @module
 */
import { textOf } from "../options.ts";
import { ArgumentError, CodecError, isShortage } from "../errors.ts";
import type { PassingCodec } from "../share/passing.ts";
import type { QueueCore } from "./core.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { Delivery, lose } from "./delivery.ts";
import type { Settling } from "./delivery.ts";
import type { Taken } from "./reader.ts";

/** What becomes of messages that can't be processed. */
export interface FailurePolicy {
  /** After so many deliveries a message goes to the dead-letter queue; `Infinity`: never. */
  readonly maxAttempts: number;
  readonly deadLetters: DeadLetters | undefined;
  /** Told of a message that was dropped. */
  readonly report: (error: unknown) => void;
}

/** See the module. */
export class QueueConsumer<T> {
  readonly #core: QueueCore;
  readonly #codec: PassingCodec;
  readonly #policy: FailurePolicy;
  /**
   * Messages are taken, decoded, and done then, where one that can't be decoded isn't to be lost:
   * it goes to the dead-letter queue, or there may be shared memory in it, for which descriptors
   * can be short for a while.
   */
  readonly #takesFirst: boolean;
  /** Why the last message couldn't be decoded, or what of it is gone. */
  #failure: Error | undefined;

  constructor(core: QueueCore, codec: PassingCodec, policy: FailurePolicy) {
    this.#core = core;
    this.#codec = codec;
    this.#policy = policy;
    this.#takesFirst = policy.deadLetters !== undefined || codec.carriesReferences !== false;
  }

  /** Takes the next message that can be decoded; it is done. */
  dequeue(): T | undefined {
    if (this.#takesFirst) return this.#takeAndFinish();
    for (;;) {
      const payload = this.#core.dequeue();
      if (payload === undefined) return undefined;
      const value = this.#decodeOrDrop(payload);
      if (value !== undefined) return value;
    }
  }

  /** The same for at most so many. */
  dequeueMany(most: number): T[] {
    const values: T[] = [];
    while (values.length < most) {
      const had = values.length;
      if (this.#takesFirst) {
        const value = this.#takeNext(values.length > 0);
        if (value === undefined) break;
        values.push(value);
        continue;
      }
      const payloads = this.#core.dequeueMany(most - had);
      if (payloads.length === 0) break;
      for (const payload of payloads) {
        const value = this.#decodeOrDrop(payload);
        if (value !== undefined) values.push(value);
      }
    }
    return values;
  }

  /** Takes the next message until it is acknowledged or given back. */
  take(): Delivery<T> | undefined {
    if (!this.#take()) return undefined;
    const { reader } = this.#core;
    const { payload, returns } = reader;
    // Before it is decoded: a codec may use the queue, and the reader with it.
    const held = new Held(this.#core, this.#policy, reader, payload, returns + 1);
    const value = this.#decode(payload);
    const delivery = new Delivery<T>({
      value,
      error: this.#failure,
      bytes: payload,
      attempts: returns + 1,
      holds: this.#codec.memory.takeReceived(),
    }, held);
    held.delivery = delivery;
    this.#core.hold(held);
    return delivery;
  }

  /** Takes the next message that wasn't delivered too often; the core's reader has it then. */
  #take(): boolean {
    const { maxAttempts, deadLetters } = this.#policy;
    while (this.#core.take()) {
      const { reader } = this.#core;
      if (reader.returns < maxAttempts) return true;
      deadLetters!.move(takenBy(reader), reader.payload);
    }
    return false;
  }

  #takeNext(hasSome: boolean): T | undefined {
    try {
      return this.#takeAndFinish();
    } catch (error) {
      // What was taken before is handed over; the next call meets the same.
      if (hasSome) return undefined;
      throw error;
    }
  }

  #takeAndFinish(): T | undefined {
    while (this.#take()) {
      const { reader } = this.#core;
      const { payload } = reader;
      // A codec may use the queue, and the reader with it.
      const taken = takenBy(reader);
      const value = this.#decode(payload);
      const holds = this.#codec.memory.takeReceived();
      if (value === undefined && isShortage(this.#failure)) {
        this.#core.giveBack(taken);
        throw this.#failure;
      }
      if (value === undefined && this.#policy.deadLetters !== undefined) {
        this.#policy.deadLetters.move(taken, payload);
        continue;
      }
      this.#core.finish(taken);
      holds?.release();
      if (value !== undefined) return value;
      this.#policy.report(this.#failure);
    }
    return undefined;
  }

  #decodeOrDrop(payload: Uint8Array<ArrayBuffer>): T | undefined {
    const value = this.#decode(payload);
    this.#codec.memory.takeReceived()?.release();
    if (value === undefined) this.#policy.report(this.#failure);
    return value;
  }

  #decode(payload: Uint8Array<ArrayBuffer>): T | undefined {
    const { name, memory } = this.#codec;
    try {
      const value = this.#codec.decode(payload) as T | undefined;
      this.#failure = value !== undefined
        ? memory.takeGone()
        : new CodecError(`the codec "${name}" read undefined, which no message can be`);
      return value;
    } catch (error) {
      memory.takeGone();
      this.#failure = error instanceof Error
        ? error
        : new CodecError(`the codec "${name}" threw ${textOf(error)}`, { cause: error });
      return undefined;
    }
  }
}

/** The message that a reader has claimed, for later. */
function takenBy({ chunk, position, word }: Taken): Taken {
  return { chunk, position, word };
}

/** A message that a {@linkcode Delivery} stands for. */
class Held implements Taken, Settling {
  readonly chunk: number;
  readonly position: number;
  readonly word: number;
  delivery: Delivery | undefined;
  readonly #core: QueueCore;
  readonly #policy: FailurePolicy;
  readonly #payload: Uint8Array;
  readonly #attempts: number;

  constructor(
    core: QueueCore,
    policy: FailurePolicy,
    taken: Taken,
    payload: Uint8Array,
    attempts: number,
  ) {
    this.chunk = taken.chunk;
    this.position = taken.position;
    this.word = taken.word;
    this.#core = core;
    this.#policy = policy;
    this.#payload = payload;
    this.#attempts = attempts;
  }

  acknowledge(): void {
    this.#core.acknowledge(this);
  }

  giveBack(delay: number): void {
    const { maxAttempts } = this.#policy;
    if (this.#attempts >= maxAttempts) this.#move();
    else {
      this.#core.letGo(this);
      this.#core.giveBack(this, delay);
    }
  }

  moveToDeadLetters(): void {
    if (this.#policy.deadLetters === undefined) {
      throw new ArgumentError(
        `${this.#core.what} has no dead-letter queue: open it with \`deadLetter\`, its name`,
      );
    }
    this.#move();
  }

  #move(): void {
    this.#core.letGo(this);
    this.#policy.deadLetters!.move(this, this.#payload);
  }

  /** The queue was closed, and gave it back. */
  onLost(): void {
    lose(this.delivery!);
  }
}
