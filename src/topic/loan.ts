/**
 * A loan: room in the ring that is filled in place and then published.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";
import type { Bytes } from "./options.ts";

/**
 * Room for a message in shared memory, from {@linkcode Publisher.loan}. No subscriber sees it
 * before it is published, and nothing is copied then.
 *
 * @example
 * ```ts ignore
 * using loan = await publisher.loan(1920 * 1080);
 * camera.readInto(loan.bytes);
 * loan.publish();
 * ```
 */
export class Loan implements Disposable {
  /**
   * The room. What is in it is whatever was there before: fill all of it. It belongs to the
   * subscribers once it is published; don't touch it then.
   */
  readonly bytes: Bytes;
  #onEnd: ((publish: boolean) => void) | undefined;

  /** Made by the library only. */
  constructor(bytes: Bytes, onEnd: (publish: boolean) => void) {
    this.bytes = bytes;
    this.#onEnd = onEnd;
  }

  /**
   * Publishes what is in {@linkcode Loan.bytes}.
   *
   * @throws {ArgumentError} It was published or given back before, or the publisher closed.
   */
  publish(): void {
    if (this.#onEnd === undefined) {
      throw new ArgumentError(
        "this loan was published or given back before, or its publisher closed",
      );
    }
    this.#end(true);
  }

  /** Gives the room back if it wasn't published. */
  [Symbol.dispose](): void {
    this.#end(false);
  }

  #end(publish: boolean): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    onEnd?.(publish);
  }
}
