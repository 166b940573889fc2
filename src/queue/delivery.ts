/**
 * A message that was taken, until it is acknowledged or given back.
 *
 * @module
 */
import { ArgumentError, ClosedError } from "../errors.ts";
import { checkFlag, checkOptions, show } from "../options.ts";
import type { OptionsOf } from "../options.ts";
import type { Holds } from "../share/passing.ts";

/** Options of {@linkcode Delivery.reject}. */
export interface RejectOptions {
  /**
   * Milliseconds until the message is for the next consumer. Until then this side keeps it; if the
   * queue is closed or this process ends before, it is given back then. Default 0.
   */
  delay?: number;
  /** It goes to the queue's dead-letter queue, however often it was delivered. Default false. */
  deadLetter?: boolean;
}

const OPTIONS: OptionsOf<RejectOptions> = { delay: true, deadLetter: true };

/** What a delivery does to its message: it is called once. */
export interface Settling {
  acknowledge(): void;
  /** After `delay` ms. */
  giveBack(delay: number): void;
  /** @throws {ArgumentError} There is no dead-letter queue. */
  moveToDeadLetters(): void;
}

/** What a delivery is made of. */
export interface Contents<T> {
  /** `undefined`: it couldn't be decoded. */
  readonly value: T | undefined;
  readonly error: Error | undefined;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly attempts: number;
  /** What keeps the shared memory in it for the next delivery, until this one is acknowledged. */
  readonly holds: Holds | undefined;
}

/** For the rest of this room: the queue was closed, and the message given back. */
export let lose: (delivery: Delivery) => void;

/**
 * A message of {@linkcode Queue.take}. It belongs to this side until it is acknowledged. If it is
 * rejected or disposed of before that, or this process dies or closes the queue, it is delivered
 * again, with more {@linkcode Delivery.attempts}.
 *
 * @example
 * ```ts ignore
 * using job = await queue.take();
 * await work(job.value);
 * job.ack(); // without it the end of the scope gives the job back
 * ```
 */
export class Delivery<T = unknown> implements Disposable {
  /**
   * What is wrong with the message, if something is: the codec can't read it, or shared memory in
   * it is gone ({@linkcode MemoryGoneError}). Acknowledge such a message, or reject it.
   */
  readonly error: Error | undefined;
  /** The message as it was encoded. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * How often the message was delivered, this time included. Each earlier delivery was rejected,
   * or its consumer died or closed the queue; it may have done some of the work, or all of it.
   */
  readonly attempts: number;
  readonly #value: T | undefined;
  readonly #settling: Settling;
  readonly #holds: Holds | undefined;
  #state: "held" | "done" | "rejected" | "lost" = "held";

  static {
    lose = (delivery) => delivery.#state = "lost";
  }

  /** Made by {@linkcode Queue} only. */
  constructor(contents: Contents<T>, settling: Settling) {
    this.error = contents.error;
    this.bytes = contents.bytes;
    this.attempts = contents.attempts;
    this.#value = contents.value;
    this.#holds = contents.holds;
    this.#settling = settling;
  }

  /**
   * The message. Views of shared memory that is gone throw {@linkcode MemoryGoneError}; the rest
   * of such a message is there.
   *
   * @throws {CodecError} The codec can't read it: {@linkcode Delivery.error}.
   */
  get value(): T {
    if (this.#value === undefined) throw this.error;
    return this.#value;
  }

  /** Was it delivered before? See {@linkcode Delivery.attempts}. */
  get redelivered(): boolean {
    return this.attempts > 1;
  }

  /**
   * The message is done: it isn't delivered again. A second time does nothing.
   *
   * @throws {ClosedError} It was given back before, by {@linkcode Delivery.reject} or
   * because the queue was closed.
   */
  ack(): void {
    if (this.#state === "done") return;
    if (this.#state !== "held") this.#refuse();
    this.#state = "done";
    this.#settling.acknowledge();
    this.#holds?.release();
  }

  /**
   * Gives the message back, to the next consumer: before all that were enqueued after it, unless
   * there is a `delay`. If it was delivered as often as the queue's `maxAttempts` say, it goes to
   * the dead-letter queue instead. Does nothing if it was acknowledged or given back.
   *
   * @throws {ArgumentError} An option is out of range, or the queue has no dead-letter queue.
   */
  reject(options: RejectOptions = {}): void {
    if (this.#state !== "held") return;
    const { delay, deadLetter } = checkReject(options);
    // First, because it is refused where there is no such queue.
    if (deadLetter) this.#settling.moveToDeadLetters();
    this.#state = "rejected";
    if (!deadLetter) this.#settling.giveBack(delay);
  }

  #refuse(): never {
    const why = this.#state === "rejected"
      ? "it was rejected or disposed of"
      : "the queue was closed";
    throw new ClosedError(
      "delivery",
      `a message can't be acknowledged after ${why}: it was given back, and is delivered again; ` +
        "acknowledge it before",
    );
  }

  /** The same as {@linkcode Delivery.reject}. */
  [Symbol.dispose](): void {
    this.reject();
  }
}

function checkReject(options: RejectOptions): { delay: number; deadLetter: boolean } {
  checkOptions(options, Object.keys(OPTIONS));
  const { delay = 0 } = options;
  const deadLetter = checkFlag("deadLetter", options.deadLetter) === true;
  if (typeof delay !== "number" || !(delay >= 0 && delay < Infinity)) {
    throw new ArgumentError(`\`delay\` is a number of milliseconds from 0, got ${show(delay)}`);
  }
  if (deadLetter && delay > 0) {
    throw new ArgumentError("a message goes to the dead-letter queue at once: leave `delay` out");
  }
  return { delay, deadLetter };
}
