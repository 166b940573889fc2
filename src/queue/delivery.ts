/**
 * A message that was taken, until it is acknowledged or given back.
 *
 * @module
 */
import { ClosedError } from "../errors.ts";
import type { Holds } from "../share/passing.ts";
import type { Held, QueueCore } from "./core.ts";

/**
 * A message of {@linkcode Queue.take}. It belongs to this side until it is
 * acknowledged. If it is rejected or disposed of before that, or this process dies or
 * closes the queue, somebody gets it again, with `redelivered` set.
 *
 * @example
 * ```ts ignore
 * using job = await queue.take();
 * await work(job.value);
 * job.ack(); // without it the end of the scope gives the job back
 * ```
 */
export class Delivery<T = unknown> implements Disposable {
  /** The message. */
  readonly value: T;
  /**
   * Was it taken before, by somebody who didn't acknowledge it? That one may have done
   * some of the work, or all of it.
   */
  readonly redelivered: boolean;
  readonly #core: QueueCore;
  readonly #held: Held;
  /** What keeps the shared memory in it for the next one, if this one doesn't acknowledge it. */
  readonly #holds: Holds | undefined;
  #state: "held" | "done" | "rejected" | "lost" = "held";

  /** Made by {@linkcode Queue} only. */
  constructor(
    core: QueueCore,
    value: T,
    chunk: number,
    position: number,
    redelivered: boolean,
    holds: Holds | undefined,
  ) {
    this.value = value;
    this.redelivered = redelivered;
    this.#core = core;
    this.#held = { chunk, position, redelivered, onLost: () => this.#state = "lost" };
    this.#holds = holds;
    core.hold(this.#held);
  }

  /**
   * The message is done: nobody gets it again. A second time does nothing.
   *
   * @throws {ClosedError} It was given back before, by {@linkcode Delivery.reject} or
   * because the queue was closed: somebody else gets it, or has it.
   */
  ack(): void {
    if (this.#state === "done") return;
    if (this.#state !== "held") this.#refuse();
    this.#state = "done";
    this.#core.acknowledge(this.#held);
    this.#holds?.release();
  }

  /**
   * Gives the message back, to whoever takes the next one: before all that were
   * enqueued after it. Does nothing if it was acknowledged or given back.
   */
  reject(): void {
    if (this.#state !== "held") return;
    this.#state = "rejected";
    this.#core.giveBack(this.#held);
  }

  #refuse(): never {
    const why = this.#state === "rejected"
      ? "it was rejected or disposed of"
      : "the queue was closed";
    throw new ClosedError(
      "delivery",
      `a message can't be acknowledged after ${why}: it was given back, and somebody gets it ` +
        "again; acknowledge it before",
    );
  }

  /** The same as {@linkcode Delivery.reject}. */
  [Symbol.dispose](): void {
    this.reject();
  }
}
