/**
 * What a sender and a receiver of a pipe have in common.
 *
 * @module
 */
import type { WaitOptions } from "../options.ts";
import { PipeEnd } from "./end.ts";
import { checkRemoveOptions } from "./options.ts";

/** What both ends of a pipe have: {@linkcode Sender} and {@linkcode Receiver}. */
export abstract class PipeEndpoint implements AsyncDisposable {
  /** The name it was opened with. */
  readonly name: string;
  readonly #end: PipeEnd;

  /** Made by the library only. */
  constructor(end: PipeEnd) {
    this.name = end.name;
    this.#end = end;
  }

  /**
   * Throws away a pipe that no process uses, with what is queued in it; false if there is
   * none, or a process uses it.
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

  /**
   * Messages that wait in the pipe, of this sender and those before it.
   *
   * @throws {ClosedError}
   */
  get queued(): number {
    this.#end.checkOpen();
    try {
      return this.#end.slots.queued;
    } catch (error) {
      throw this.#end.fail(error);
    }
  }

  /** Is the other end there? */
  get isConnected(): boolean {
    return this.#end.isConnected;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#end.isClosed;
  }

  /**
   * Resolves when the other end is there.
   *
   * @throws {TimeoutError} It wasn't there in time.
   */
  whenConnected(options?: WaitOptions): Promise<void> {
    return this.#end.whenConnected(options);
  }

  /** Keeps the process alive until this end is closed, as a receiver's handler does. */
  ref(): void {
    this.#end.handle.ref();
  }

  /** Lets the process end though this end is open. */
  unref(): void {
    this.#end.handle.unref();
  }

  /**
   * Closes this end. What is in the pipe stays there, for the next end of this kind or the other;
   * calls that wait are rejected with {@linkcode ClosedError}, their messages not sent, or not
   * received. Calling it again does nothing.
   */
  // deno-lint-ignore require-await -- like the other patterns
  async close(): Promise<void> {
    this.#end.handle.close();
  }

  /** The same as {@linkcode PipeEndpoint.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
