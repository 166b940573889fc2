/**
 * Semaphore: the system's own named one, so that programs in any language take part.
 *
 * Guaranteed: what is released is acquired at most once. Not guaranteed, because the
 * system doesn't: that counts come back which a process holds when it dies; an order.
 *
 * Another program's post can't wake an event loop, so a native thread waits while a call
 * awaits (`csrc/posix/acquirer.c`); what it gets and no call wants any more is posted back.
 *
 * @module
 */
import { checkOptions, checkTimeout, show } from "../options.ts";
import type { WaitOptions } from "../options.ts";
import { ArgumentError, CorruptSegmentError, OwnerError, TimeoutError } from "../errors.ts";
import type { CausewayError } from "../errors.ts";
import { NodeLayout } from "../memory/layout.ts";
import { checkName } from "../memory/names.ts";
import { statusError } from "../memory/status.ts";
import { FOREVER, Status } from "../platform/binding.ts";
import type { Address, Shim } from "../platform/binding.ts";
import { binding } from "../platform/runtime.ts";
import { Handle } from "../wake/handle.ts";
import type { Polled } from "../wake/reactor.ts";
import type { Peer } from "../wake/realm.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import { LOCK_OPTIONS } from "./shared_state.ts";
import type { LockOptions, SyncWaitOptions } from "./shared_state.ts";
import { readClock } from "../timers.ts";

const CREATE = 1;
const LONGEST_NAME = 250;
const MAX_COUNT = 0x7fff_ffff;

/** Options of {@linkcode Semaphore.open}. */
export interface SemaphoreOptions extends LockOptions {
  /** The count that a new one starts with. Default 0. One that exists keeps its own. */
  initial?: number;
}

const OPTIONS = [
  ...LOCK_OPTIONS,
  "initial",
] as const satisfies readonly (keyof SemaphoreOptions)[];

/** The native thread that waits for us. */
interface Acquirer {
  readonly address: Address;
  /** One word: how many it has taken in all. */
  readonly taken: Int32Array<ArrayBuffer>;
  readonly node: Peer;
}

/**
 * A counting semaphore of the system. Its name is the system's, for all programs of
 * this user, whatever the runtime directory: on POSIX systems `sem_open("/" + name)`,
 * on Windows `CreateSemaphore("Local\\" + name)`. On macOS names beyond 29 bytes are
 * hashed, see `csrc/posix/semaphore.c`. It stays until it is removed (Windows: until
 * nobody has it open).
 *
 * @example
 * ```ts
 * import { Semaphore } from "@causeway/ipc";
 *
 * using seats = await Semaphore.open("seats", { initial: 3 });
 * await seats.acquire({ timeout: 1000 });
 * try {
 *   // at most three at a time
 * } finally {
 *   seats.release();
 * }
 * ```
 */
export class Semaphore implements Disposable {
  /** The name it was opened with. */
  readonly name: string;
  readonly #handle: Handle;
  readonly #native: Address;
  readonly #timeout: number;
  readonly #waits: WaitQueue;
  readonly #attempt = (): true | undefined => this.#takeTaken() || undefined;
  #acquirer: Acquirer | undefined;
  /** Of those that the thread has taken, how many were used or posted back. */
  #used = 0;
  #wanted = 0;

  private constructor(handle: Handle, name: string, native: Address, timeout: number) {
    this.name = name;
    this.#handle = handle;
    this.#native = native;
    this.#timeout = timeout;
    const giveBack = (): void => handle.guard(() => this.#giveBack());
    this.#waits = new WaitQueue(handle.reactor, handle.index, () => {}, giveBack);
    handle.onClose(() => this.#waits.fail(handle.reason));
    handle.onClose(() => this.#closeAcquirer());
    handle.attach({
      poll: () => this.#poll(),
      arm: () => this.#waits.arm(),
    });
  }

  /**
   * Opens the semaphore of that name, or makes it. An open one doesn't keep the process
   * alive; a wait does.
   *
   * @throws {ArgumentError} The name has more than 250 bytes, a slash or a backslash, or an
   * option is out of range.
   * @throws {OwnerError} It is another user's, or others may write it.
   * @throws {CorruptSegmentError} What has its name in `/dev/shm` is no semaphore.
   */
  static async open(name: string, options: SemaphoreOptions = {}): Promise<Semaphore> {
    checkOptions(options, OPTIONS);
    const { initial = 0, directory, signal } = options;
    if (!Number.isInteger(initial) || initial < 0 || initial > MAX_COUNT) {
      throw new ArgumentError(
        `\`initial\` is a whole number from 0 to ${MAX_COUNT}, got ${show(initial)}`,
      );
    }
    const timeout = checkTimeout(options.timeout, Infinity);
    const native = nativeName(name);
    return await Handle.open({ what: `semaphore "${name}"`, directory, signal }, (handle) => {
      const { binding: loaded } = handle.realm;
      const { shim } = loaded;
      const out = new BigUint64Array(1);
      const status = shim.cw_semaphore_open(native, CREATE, initial, out);
      if (status < 0) throw openError(shim, status, name);
      const address = loaded.address(out[0]!);
      let semaphore: Semaphore;
      try {
        semaphore = new Semaphore(handle, name, address, timeout);
      } catch (error) {
        shim.cw_semaphore_close(address);
        throw error;
      }
      // After what uses it is closed.
      handle.onClose(() => shim.cw_semaphore_close(address));
      return semaphore;
    });
  }

  /** Takes the name away; programs that have it open go on with it. False if there was none. */
  static async remove(name: string): Promise<boolean> {
    const native = nativeName(name);
    const { shim } = await binding();
    const status = shim.cw_semaphore_unlink(native);
    if (status === Status.notFound) return false;
    if (status < 0) throw statusError(shim, status, "remove the semaphore", name);
    return true;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#handle.isClosed;
  }

  /**
   * Takes one, and waits for it if there is none.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {ClosedError} The semaphore was closed.
   */
  acquire(options: WaitOptions = {}): Promise<void> {
    try {
      this.#handle.checkOpen();
      checkOptions(options, ["timeout", "signal"]);
      const { signal } = options;
      const timeout = checkTimeout(options.timeout, this.#timeout);
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (this.#waits.length === 0 && this.#try()) return this.#handle.reactor.yielder.pause();
      if (timeout > 0) this.#want(this.#waits.length + 1);
      const limits = { timeout, signal };
      const waiting = this.#waits.wait(this.#attempt, `acquiring ${this.#handle.what}`, limits);
      return waiting as Promise<unknown> as Promise<void>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The same, blocking the thread: nothing else runs in it meanwhile.
   *
   * @throws {TimeoutError} There was none in time.
   * @throws {ClosedError} The semaphore was closed.
   */
  acquireSync(options: SyncWaitOptions = {}): void {
    this.#handle.checkOpen();
    const timeout = checkTimeout(options.timeout, this.#timeout);
    if (this.#try()) return;
    const { longestSleep } = this.#handle.realm.binding;
    const end = readClock() + timeout;
    for (;;) {
      const left = Math.min(end - readClock(), longestSleep);
      if (left <= 0) throw new TimeoutError(`acquiring ${this.#handle.what}`, timeout);
      const micros = left === Infinity ? FOREVER : Math.min(Math.ceil(left * 1000), FOREVER - 1);
      if (this.#wait(micros)) return;
    }
  }

  /**
   * Takes one if there is one.
   *
   * @throws {ClosedError} The semaphore was closed.
   */
  tryAcquire(): boolean {
    this.#handle.checkOpen();
    return this.#try();
  }

  /**
   * Gives so many back, or in: no matter which program acquired them.
   *
   * @throws {ArgumentError} `count` isn't a whole number from 1.
   * @throws {SystemError} The count would be larger than the system allows.
   * @throws {ClosedError} The semaphore was closed.
   */
  release(count = 1): void {
    this.#handle.checkOpen();
    if (!Number.isInteger(count) || count < 1 || count > MAX_COUNT) {
      throw new ArgumentError(`\`count\` is a whole number from 1, got ${show(count)}`);
    }
    for (let i = 0; i < count; i++) this.#post();
  }

  /** Ends its waits with {@linkcode ClosedError}. Calling it again does nothing. */
  close(): void {
    this.#handle.close();
  }

  /** The same as {@linkcode Semaphore.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #closeAcquirer(): void {
    if (this.#acquirer === undefined) return;
    const { address, taken, node } = this.#acquirer;
    this.#acquirer = undefined;
    taken.buffer.transfer();
    const { realm } = this.#handle;
    realm.binding.shim.cw_acquirer_close(address, this.#used >>> 0);
    realm.releasePeer(node);
  }

  /** One that the thread has taken, or one that is free now. */
  #try(): boolean {
    if (this.#waits.length === 0 && this.#takeTaken()) return true;
    return this.#wait(0);
  }

  #wait(micros: number): boolean {
    const { shim } = this.#handle.realm.binding;
    const status = shim.cw_semaphore_wait(this.#native, micros);
    if (status === Status.ok) return true;
    if (status === Status.timeout) return false;
    throw statusError(shim, status, "wait for the semaphore", this.name);
  }

  #post(): void {
    const { shim } = this.#handle.realm.binding;
    const status = shim.cw_semaphore_post(this.#native);
    if (status < 0) throw statusError(shim, status, "release the semaphore", this.name);
  }

  #takeTaken(): boolean {
    if (this.#acquirer === undefined) return false;
    if ((Atomics.load(this.#acquirer.taken, 0) - this.#used | 0) <= 0) return false;
    this.#used = this.#used + 1 | 0;
    return true;
  }

  #poll(): Polled {
    const polled = this.#waits.poll();
    if (this.#waits.length === 0) this.#giveBack();
    return polled;
  }

  /** There are fewer waits: the thread takes no more, and what it took beyond is posted back. */
  #giveBack(): void {
    if (this.#acquirer === undefined || this.#handle.isClosed) return;
    this.#want(this.#waits.length);
    if (this.#waits.length === 0) { while (this.#takeTaken()) this.#post(); }
  }

  #want(count: number): void {
    const { shim } = this.#handle.realm.binding;
    if (this.#acquirer === undefined) this.#acquirer = this.#openAcquirer();
    const total = this.#used + count | 0;
    if (total === this.#wanted) return;
    const status = shim.cw_acquirer_want(this.#acquirer.address, total >>> 0);
    if (status < 0) throw statusError(shim, status, "wait for the semaphore", this.name);
    this.#wanted = total;
  }

  #openAcquirer(): Acquirer {
    const { realm } = this.#handle;
    const { binding: native, id } = realm;
    const node = realm.acquirePeer(id)!;
    const out = new BigUint64Array(2);
    const status = native.shim.cw_acquirer_open(
      this.#native,
      node.segment.native,
      NodeLayout.bell,
      NodeLayout.block,
      bitsOf(this.#handle.index),
      out,
    );
    if (status < 0) {
      realm.releasePeer(node);
      throw statusError(native.shim, status, "wait for the semaphore", this.name);
    }
    const taken = new Int32Array(native.view(out[1]!, 4));
    return { address: native.address(out[0]!), taken, node };
  }
}

/** Offsets and masks of a source's bits in a node, from the bottom to the top. */
function bitsOf(source: number): Uint8Array {
  const leaf = source >>> 5;
  const summary = source >>> 10;
  const pairs = Uint32Array.of(
    NodeLayout.ready + 4 * leaf,
    1 << (source & 31),
    NodeLayout.summary + 4 * summary,
    1 << (leaf & 31),
    NodeLayout.top,
    1 << summary,
  );
  return new Uint8Array(pairs.buffer);
}

function nativeName(name: string): Uint8Array {
  const bytes = new TextEncoder().encode(`${checkName(name)}\0`);
  if (bytes.length - 1 <= LONGEST_NAME && !/[\0/\\]/.test(name)) return bytes;
  throw new ArgumentError(
    `a semaphore's name is the system's: at most ${LONGEST_NAME} bytes, without /, \\ and NUL, ` +
      `got ${JSON.stringify(name)}`,
  );
}

function openError(shim: Shim, status: number, name: string): CausewayError {
  const subject = `can't open the semaphore "${name}"`;
  switch (status) {
    case Status.notOwner:
      return new OwnerError(
        `${subject}: it belongs to another user, and this user's programs share with each other ` +
          "only; use another name",
      );
    case Status.mode:
      return new OwnerError(
        `${subject}: other users may write it; make it private (chmod go-w /dev/shm/sem.${name})`,
      );
    case Status.link:
    case Status.type:
    case Status.size:
      return new CorruptSegmentError(
        `${subject}: what has its name is no semaphore; remove it (\`Semaphore.remove\`)`,
      );
    default:
      return statusError(shim, status, "open the semaphore", name);
  }
}
