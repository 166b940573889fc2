/**
 * Messages that wait for room: bounded, in order, and harmless if their promises are forgotten.
 *
 * @module
 */
import { AttendedPromise } from "../attended.ts";
import { BackpressureError } from "../errors.ts";
import { checkCount } from "../options.ts";
import type { WaitQueue } from "./wait_queue.ts";
import type { WaitLimits } from "./waiting.ts";

/** The most bytes that wait, if the user says nothing. */
const DEFAULT_LIMIT = 16 << 20;
/** What a message counts for, beside its bytes. */
const MESSAGE_COST = 128;

/** What waits: how much it is, and what to do with it. */
export interface SendWait {
  /** Bytes of all messages. */
  readonly bytes: number;
  readonly messages: number;
  /** Sends what there is room for; true when all is sent. */
  attempt(): true | undefined;
  /** What is waited for, for the error. */
  readonly what: string;
  /** It isn't sent. May throw another error. */
  onFailure?(error: unknown): void;
}

/** See the module. */
export class SendWaits {
  readonly #queue: WaitQueue;
  readonly #limit: number;
  readonly #report: (error: unknown) => void;
  readonly #advice: string;
  #waiting = 0;

  /**
   * `limit`: the user's `sendQueueBytes`; `report` is told of failures of forgotten promises;
   * `advice` is what a program does that meets the limit.
   */
  constructor(
    queue: WaitQueue,
    limit: number | undefined,
    report: (error: unknown) => void,
    advice = "await each call, or raise `sendQueueBytes`",
  ) {
    this.#queue = queue;
    this.#limit = checkSendQueueBytes(limit);
    this.#report = report;
    this.#advice = advice;
  }

  /**
   * Waits for room.
   *
   * @throws {BackpressureError} Too much waits already. A message that is alone is never refused,
   *   so that a program that awaits each one isn't.
   */
  wait(send: SendWait, limits: WaitLimits): Promise<void> {
    return AttendedPromise.of(this.#wait(send, limits), this.#report);
  }

  async #wait(send: SendWait, limits: WaitLimits): Promise<void> {
    const size = send.bytes + send.messages * MESSAGE_COST;
    try {
      if (this.#waiting > 0 && this.#waiting + size > this.#limit) {
        throw new BackpressureError(this.#waiting, size, this.#limit, this.#advice);
      }
      this.#waiting += size;
      try {
        await this.#queue.wait(() => send.attempt(), send.what, limits);
      } finally {
        this.#waiting -= size;
      }
    } catch (error) {
      send.onFailure?.(error);
      throw error;
    }
  }

  /** A call that failed at once: harmless, too, if its promise is forgotten. */
  refuse(error: unknown): Promise<never> {
    return AttendedPromise.of(Promise.reject(error), this.#report);
  }
}

/** Checks the option, and says its default. @throws {ArgumentError} */
export function checkSendQueueBytes(limit: number = DEFAULT_LIMIT): number {
  return checkCount("sendQueueBytes", limit, 0, Infinity);
}
