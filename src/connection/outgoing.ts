/**
 * The requests that this side makes, from the call to its answer, time-out or abort.
 *
 * @module
 */
import { DeadlockError, LimitError, TimeoutError } from "../errors.ts";
import { harmless } from "../failures.ts";
import type { Timer } from "../platform/binding.ts";
import { RecordHeader, RecordKind } from "../ring/record.ts";
import type { Polled, Reactor } from "../wake/reactor.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import { readClock } from "../timers.ts";
import { keepPayload, totalBytes } from "../codec/attachments.ts";
import type { CallTable, Waiter } from "./calls.ts";
import type { CallOptions } from "./handler.ts";
import { MAX_CALLS, MAX_WAITING_CALLS } from "./limits.ts";
import { inPortions, PORTION } from "./portions.ts";
import { checkCall } from "./send_queue.ts";
import { AsyncWaiter, BlockingWaiter } from "./waiters.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The longest time of a runtime's timer, in ms. */
const LONGEST_TIMER = 0x7fff_ffff;

/** What the calls need of their connection. */
export interface CallHost {
  /** The name of the connection, for messages. */
  readonly name: string;
  readonly reactor: Reactor;
  /** Of the connection's source. */
  readonly index: number;
  isOpen(): boolean;
  /** The most bytes of calls that wait to be made. */
  readonly mostBytes: number;
  /** Is the other end in this thread? */
  readonly isOwnPeer: boolean;
  /** @throws It is closed, or the payload is too large. */
  checkSend(payload: Uint8Array | undefined): void;
  /** Sends a record, or queues it. */
  post(header: RecordHeader, payload: Uint8Array | undefined): void;
  /** The same, where no caller waits for an error. */
  tell(header: RecordHeader): void;
  /** Takes a request back; false if some of it was sent. */
  withdraw(id: number): boolean;
  /** Reads what the peer has sent until now. */
  readAll(): void;
  /** A call wasn't answered in time. */
  countTimeout(): void;
}

/** See the module. */
export class OutgoingCalls {
  readonly #host: CallHost;
  readonly #calls: CallTable;
  /** Calls for which there is no id free. */
  readonly #slots: WaitQueue;
  /** Bytes of their payloads. */
  #keptBytes = 0;
  /** Of the record that is written now. */
  readonly #header = new RecordHeader();
  readonly #onSettled = (): void => this.#host.reactor.unexpect();
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(host: CallHost, calls: CallTable) {
    this.#host = host;
    this.#calls = calls;
    this.#slots = new WaitQueue(host.reactor, host.index, () => {});
  }

  /** See {@linkcode Connection.request}. */
  request(
    method: number,
    payload: Uint8Array | undefined,
    options: CallOptions,
    flags: number,
    onUnread: (() => void) | undefined,
  ): Promise<Bytes | undefined> {
    if (this.#calls.isFull || this.#slots.length > 0) {
      return harmless(this.#requestLater(method, payload, options, flags, onUnread));
    }
    return this.#requestNow(method, payload, options, flags, onUnread);
  }

  #requestNow(
    method: number,
    payload: Uint8Array | undefined,
    { timeout, signal }: CallOptions,
    flags: number,
    onUnread: (() => void) | undefined,
  ): Promise<Bytes | undefined> {
    let waiter: AsyncWaiter | undefined;
    const promise = new Promise<Bytes | undefined>((resolve, reject) => {
      const started = new AsyncWaiter(this.#onSettled, timeout, resolve, reject, onUnread);
      try {
        this.#host.checkSend(payload);
        signal?.throwIfAborted();
        this.#startCall(method, payload, flags, signal, started);
      } catch (error) {
        onUnread?.();
        throw error;
      }
      waiter = started;
    });
    if (waiter === undefined) return harmless(promise);
    waiter.promise = promise;
    return promise;
  }

  /** So many calls are under way that this one has to wait until one of them is answered. */
  async #requestLater(
    method: number,
    payload: Uint8Array | undefined,
    { timeout, signal }: CallOptions,
    flags: number,
    onUnread: (() => void) | undefined,
  ): Promise<Bytes | undefined> {
    let begun: { answer: Promise<Bytes | undefined> } | undefined;
    const length = totalBytes(payload);
    let isKept = false;
    try {
      this.#host.checkSend(payload);
      this.#checkWaiting(length);
      const kept = payload === undefined ? undefined : keepPayload(payload);
      isKept = true;
      this.#keptBytes += length;
      const start = readClock();
      const what =
        `one of ${MAX_CALLS} calls on "${this.#host.name}", the most under way at a time`;
      begun = await this.#slots.wait(
        () => {
          if (this.#calls.isFull) return undefined;
          const left = Math.max(0, timeout - (readClock() - start));
          const options = { timeout: left, signal };
          return { answer: this.#requestNow(method, kept, options, flags, onUnread) };
        },
        what,
        { timeout, signal },
      );
    } catch (error) {
      onUnread?.();
      throw error;
    } finally {
      if (isKept) this.#keptBytes -= length;
    }
    return begun.answer;
  }

  /** @throws {LimitError | BackpressureError} Too many calls wait already, or too large ones. */
  #checkWaiting(length: number): void {
    const waiting = this.#slots.length;
    if (waiting >= MAX_WAITING_CALLS) {
      throw new LimitError(
        `${MAX_CALLS} calls wait for an answer on "${this.#host.name}", and ${waiting} more for ` +
          "their turn, the most there can be: await some before making more",
      );
    }
    checkCall({ queuedBytes: this.#keptBytes, length: waiting }, length, this.#host.mostBytes);
  }

  #startCall(
    method: number,
    payload: Uint8Array | undefined,
    flags: number,
    signal: AbortSignal | undefined,
    waiter: AsyncWaiter,
  ): void {
    const { timeout } = waiter;
    const { reactor, index } = this.#host;
    const deadline = timeout === Infinity ? Infinity : readClock() + timeout;
    const id = this.#calls.add(waiter, deadline);
    reactor.expect();
    try {
      this.#post(id, method, payload, flags, timeout);
    } catch (error) {
      if (this.#calls.answer(id) != null) this.#onSettled();
      throw error;
    }
    if (deadline < this.#timerAt) this.#startTimer(deadline);
    if (signal !== undefined) waiter.listen(signal, () => this.#giveUp(id, () => signal.reason));
    reactor.heat(index);
  }

  #post(
    id: number,
    method: number,
    payload: Uint8Array | undefined,
    flags: number,
    timeout: number,
  ): void {
    const header = this.#header.begin(RecordKind.request);
    header.flags = flags;
    header.method = method;
    header.correlation = id;
    header.extra = timeout === Infinity ? 0 : Math.min(Math.ceil(timeout), 0xffff_ffff) || 1;
    this.#host.post(header, payload);
  }

  /** See {@linkcode Connection.requestSync}. */
  requestSync(
    method: number,
    payload: Uint8Array | undefined,
    timeout: number,
    onUnread: (() => void) | undefined,
  ): Bytes | undefined {
    const waiter = new BlockingWaiter(timeout, onUnread);
    let id: number | undefined;
    try {
      this.#host.checkSend(payload);
      id = this.#calls.add(waiter, Infinity);
      this.#post(id, method, payload, 0, timeout);
    } catch (error) {
      if (id !== undefined) this.#calls.answer(id);
      onUnread?.();
      throw error;
    }
    this.#block(id, waiter, timeout);
    if (waiter.failed) throw waiter.reason;
    return waiter.payload;
  }

  #block(id: number, waiter: BlockingWaiter, timeout: number): void {
    const host = this.#host;
    const { reactor } = host;
    const isDone = (): boolean => waiter.done;
    if (host.isOwnPeer) {
      // The answer can only come from this thread: give the other end its turn.
      if (reactor.runUntilIdle(isDone)) return;
      this.#calls.abandon(id);
      throw new DeadlockError(host.name);
    }
    if (reactor.block(host.index, isDone, timeout)) return;
    host.countTimeout();
    const what = `the blocking request on "${host.name}"`;
    this.#giveUp(id, () => new TimeoutError(what, timeout));
  }

  /** Ends waiting for a call, and tells the peer so if the request was sent. */
  #giveUp(id: number, reason: (waiter: Waiter) => unknown): void {
    const waiter = this.#calls.abandon(id);
    if (waiter === undefined) return;
    if (this.#host.withdraw(id)) {
      this.#calls.answer(id);
      waiter.onUnread?.();
    } else {
      const header = this.#header.begin(RecordKind.cancel);
      header.correlation = id;
      this.#host.tell(header);
    }
    waiter.reject(reason(waiter));
  }

  // ------------------------------------------------------------------- deadlines

  #startTimer(deadline: number): void {
    const { reactor } = this.#host;
    this.#stopTimer();
    this.#timerAt = deadline;
    const delay = Math.min(Math.max(0, deadline - readClock()), LONGEST_TIMER);
    this.#timer = reactor.startTimer(() => this.#onTimer(), delay);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#host.reactor.stopTimer(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  #onTimer(): void {
    const host = this.#host;
    this.#timer = undefined;
    this.#timerAt = Infinity;
    // An answer that is there already came in time.
    host.readAll();
    if (!host.isOpen()) return;
    const now = readClock();
    const { ids, next } = this.#calls.expired(now);
    for (const id of ids.slice(0, PORTION)) {
      host.countTimeout();
      const what = `the request on "${host.name}"`;
      this.#giveUp(id, (waiter) => new TimeoutError(what, waiter.timeout));
    }
    if (ids.length > PORTION && host.isOpen()) this.#startTimer(now);
    else if (next < Infinity && host.isOpen()) this.#startTimer(next);
  }

  // -------------------------------------------------------- calls that wait for an id

  /** For the connection's `poll`: starts calls for which there is an id now. */
  poll(): Polled | undefined {
    return this.#slots.length > 0 ? this.#slots.poll() : undefined;
  }

  /** For the connection's `arm`: is there an id for a call that waits for one? */
  get canStart(): boolean {
    return this.#slots.length > 0 && !this.#calls.isFull;
  }

  /**
   * The connection has ended: rejects all calls, very many in several turns of the event loop.
   * `guard` runs a step whatever the others throw.
   */
  end(error: Error, guard: (step: () => void) => void): void {
    guard(() => this.#stopTimer());
    const calls: { reject(reason: unknown): void }[] = this.#calls.drain();
    calls.push(...this.#slots.takeAll());
    inPortions(calls, (call) => guard(() => call.reject(error)), this.#host.reactor.yielder);
  }
}
