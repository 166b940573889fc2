/**
 * A reconnecting connection: it comes, goes, and comes again. Channels and RPC clients
 * both are one. What they share is here; how a partner is found is theirs.
 *
 * While there is no connection, calls wait for one within their own timeout, and
 * messages wait in order within the limit of the send queue. They don't keep the process
 * alive: there is no partner that could receive them.
 *
 * @module
 */
import { isShortage, TimeoutError } from "../errors.ts";
import { harmless } from "../failures.ts";
import type { GoneReason } from "../errors.ts";
import { BUSY } from "../memory/directory.ts";
import type { Handle } from "../wake/handle.ts";
import { Retry } from "../wake/retry.ts";
import { Waiting } from "../wake/waiting.ts";
import { keepPayload, totalBytes } from "../codec/attachments.ts";
import type { Connection } from "./connection.ts";
import type { CallOptions } from "./handler.ts";
import { checkRoom } from "./send_queue.ts";
import { newConnectionCounters, sumOf } from "../statistics.ts";
import type { ConnectionStatistics, Counters } from "../statistics.ts";
import type { WaitOptions } from "../options.ts";
import { checkPayload } from "./options.ts";
import { checkSignal, checkTimeout } from "../options.ts";
import { readClock } from "../timers.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The id of a method on a connection, which may have to be told to the peer first. */
export type MethodOf = (connection: Connection) => number;

/** What a reconnecting connection asks of its pattern. */
export interface ReconnectingParts {
  /** What messages call the partner's side, such as `server "math"`. */
  readonly partner: string;
  /** What a time-out may come from. */
  readonly hint: string;
  /** Milliseconds that calls wait. */
  readonly timeout: number;
  readonly sendQueueBytes: number;
  readonly maxMessageBytes: number;
  /**
   * Looks for a partner: connects, or returns the index of the source at which the answer to
   * an invitation will come, or `BUSY` if another process holds the lock of the folder.
   */
  seek(): number | undefined | typeof BUSY;
  /** There is a connection, and calls go on. */
  onConnect(): void;
  /** The connection is gone. */
  onDisconnect(reason: GoneReason): void;
}

/** The longest time until a search that wasn't possible is tried again, in ms. */
const LONGEST_RETRY = 500;
/** How long a blocking call without a connection sleeps between two searches, in ms. */
const BLOCKING_RETRY = 5;

/** See the module. */
export class ReconnectingConnection {
  readonly #handle: Handle;
  readonly #parts: ReconnectingParts;
  readonly #past: Counters<ConnectionStatistics> = newConnectionCounters();
  readonly #waiting = new Set<Waiting<void>>();
  #pastWaits = 0;
  #connection: Connection | undefined;
  /** One with a peer that left before this side looked: what it wrote is read, and no more. */
  #departed: Connection | undefined;
  #backlog: { method: MethodOf; payload: Bytes | undefined }[] = [];
  #backlogBytes = 0;
  readonly #retry: Retry;
  /** Source index to poll in a blocking wait for a connection: of an invitation, or of `#departed`. */
  #invitation: number | undefined;

  constructor(handle: Handle, parts: ReconnectingParts) {
    this.#handle = handle;
    this.#parts = parts;
    this.#retry = new Retry(
      handle,
      this.seek,
      LONGEST_RETRY,
    );
    handle.onClose(() => this.#close());
    // Connections need no files. Without one, no partner can be found any more.
    handle.onCutOff(() => {
      if (!this.#hasPeer) handle.fail(handle.filesRemoved());
    });
  }

  /** The connection, if there is one. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Counters over all connections so far. */
  get statistics(): ConnectionStatistics {
    const now = (this.#connection ?? this.#departed)?.statistics;
    return now === undefined ? { ...this.#past } : sumOf(this.#past, now);
  }

  /** How often a message had to wait for room. */
  get waits(): number {
    return this.#pastWaits + (this.#connection?.waits ?? 0);
  }

  /** Bytes that wait to be sent. */
  get queuedBytes(): number {
    return this.#backlogBytes + (this.#connection?.queuedBytes ?? 0);
  }

  /** Messages that wait to be sent. */
  get queuedMessages(): number {
    return this.#backlog.length + (this.#connection?.queuedMessages ?? 0);
  }

  /**
   * Looks for a partner. What isn't possible now, because a folder's lock is held, or for want
   * of memory or descriptors, is tried again soon. Any other error ends the handle.
   */
  readonly seek = (): void => {
    if (this.#handle.isClosed || this.#hasPeer) return;
    try {
      if (this.#seekOnce()) {
        this.#retry.succeeded();
        return;
      }
    } catch (error) {
      if (!isShortage(error)) {
        this.#handle.fail(error);
        return;
      }
      this.#handle.reportPeer(error);
    }
    this.#retry.later();
  };

  /** Looks for the first partner. @throws what `seek` would try again for. */
  open(): void {
    if (!this.#seekOnce()) this.seek();
  }

  /** False if it has to be tried again. */
  #seekOnce(): boolean {
    // The partner of before may be gone since all files are: a new one can't answer this realm.
    if (!this.#handle.realm.checkFiles()) throw this.#handle.filesRemoved();
    const found = this.#parts.seek();
    if (found === BUSY) return false;
    if (!this.#hasPeer) this.#invitation = found;
    return true;
  }

  /** Waits for the answer to an invitation at this source. */
  invited(index: number): void {
    this.#invitation = index;
  }

  /** Is there a peer that writes, or what one has written? */
  get #hasPeer(): boolean {
    return this.#connection !== undefined || this.#departed !== undefined;
  }

  /**
   * There is a connection: everything that waits goes on. If the peer closed or died before
   * this side looked, what it wrote is read; what waits to be sent waits for the next one.
   */
  connected(connection: Connection): void {
    if (!connection.isPeerThere) {
      this.#departed = connection;
      this.#invitation = connection.index;
      this.#parts.onConnect();
      return;
    }
    this.#connection = connection;
    this.#invitation = undefined;
    this.#sendBacklog(connection);
    if (this.#connection !== connection) return;
    for (const waiting of [...this.#waiting]) this.#settled(waiting).resolve();
    this.#parts.onConnect();
  }

  /** Sends what waits. If the connection ends meanwhile, the rest waits for the next. */
  #sendBacklog(connection: Connection): void {
    const backlog = this.#backlog;
    let sent = 0;
    try {
      for (; sent < backlog.length; sent++) {
        const { method, payload } = backlog[sent]!;
        connection.send(method(connection), payload);
      }
    } catch (error) {
      if (connection.isOpen) throw error;
    } finally {
      // Its end may have closed the handle, which drops what waits.
      if (sent > 0 && this.#backlog === backlog) {
        for (const { payload } of backlog.splice(0, sent)) {
          this.#backlogBytes -= totalBytes(payload);
        }
      }
    }
  }

  /** The connection is gone; looks for the next one if there is to be one. */
  gone(reason: GoneReason, cause: unknown, reconnect: boolean): void {
    this.#disconnected();
    this.#parts.onDisconnect(reason);
    if (cause !== undefined) this.#handle.reportPeer(cause);
    if (reconnect) this.seek();
  }

  #disconnected(): void {
    const connection = this.#connection ?? this.#departed;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#departed = undefined;
    this.#invitation = undefined;
    Object.assign(this.#past, sumOf(this.#past, connection.statistics));
    this.#pastWaits += connection.waits;
  }

  /** Forgets what waits to be sent, and returns how many messages that were. */
  #dropBacklog(): number {
    const { length } = this.#backlog;
    this.#backlog = [];
    this.#backlogBytes = 0;
    return length;
  }

  #settled(waiting: Waiting<void>): Waiting<void> {
    this.#waiting.delete(waiting);
    return waiting;
  }

  /** What waits is rejected with the handle's reason. */
  #close(): void {
    const { reason } = this.#handle;
    (this.#connection ?? this.#departed)?.close();
    this.#disconnected();
    this.#past.dropped += this.#dropBacklog();
    for (const waiting of [...this.#waiting]) this.#settled(waiting).reject(reason);
  }

  /**
   * Sends what is queued, for so many milliseconds at most; while there is no partner there
   * is none to send it to.
   */
  async drained(timeout: number): Promise<void> {
    await this.#connection?.drained(timeout);
  }

  /** Resolves when there is a connection. */
  whenConnected(options: WaitOptions = {}): Promise<void> {
    if (this.#handle.isClosed) return Promise.reject(this.#handle.reason);
    if (this.#connection !== undefined) return Promise.resolve();
    const timeout = checkTimeout(options.timeout, this.#parts.timeout);
    const { signal } = options;
    if (signal !== undefined) checkSignal(signal);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const limits = { timeout, signal };
    const waiting = new Waiting<void>(this.#handle.reactor, this.#what, limits, {
      onGivenUp: () => void this.#waiting.delete(waiting),
      hint: () => this.#parts.hint,
    });
    this.#waiting.add(waiting);
    return waiting.promise;
  }

  get #what(): string {
    return `waiting for ${this.#parts.partner} to be connected`;
  }

  /** Blocks until there is a connection; returns the milliseconds that are left. */
  connectSync(timeout: number): number {
    const start = readClock();
    const left = (): number => timeout - (readClock() - start);
    const { reactor, index: own } = this.#handle;
    while (this.#connection === undefined) {
      this.#handle.checkOpen();
      if (left() <= 0) throw new TimeoutError(this.#what, timeout, this.#parts.hint);
      // Timers don't run meanwhile: a search that they would repeat is repeated here.
      if (this.#invitation === undefined) this.#trySeek();
      const index = this.#invitation;
      // Another invitation has another source: then it goes on there.
      const isDone = (): boolean =>
        this.#connection !== undefined || this.#handle.isClosed || this.#invitation !== index;
      if (isDone()) continue;
      reactor.block(index ?? own, isDone, index === undefined ? BLOCKING_RETRY : left());
    }
    return Math.max(0, left());
  }

  #trySeek(): void {
    try {
      this.#seekOnce();
    } catch (error) {
      if (!isShortage(error)) throw error;
    }
  }

  /** Makes a call, on the connection there is or the next one. */
  request(
    method: MethodOf,
    payload: Uint8Array | undefined,
    options: WaitOptions | undefined,
  ): Promise<Bytes | undefined> {
    const timeout = checkTimeout(options?.timeout, this.#parts.timeout);
    const signal = options?.signal;
    if (signal !== undefined) checkSignal(signal);
    const connection = this.#connection;
    if (connection !== undefined) {
      return connection.request(method(connection), payload, { timeout, signal });
    }
    return harmless(this.#requestLater(method, payload, timeout, signal));
  }

  async #requestLater(
    method: MethodOf,
    payload: Uint8Array | undefined,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Bytes | undefined> {
    const start = readClock();
    await this.whenConnected(signal === undefined ? { timeout } : { timeout, signal });
    const left = timeout === Infinity ? Infinity : Math.max(0, timeout - (readClock() - start));
    const connection = this.#connection;
    if (connection === undefined) return this.#requestLater(method, payload, left, signal);
    return connection.request(method(connection), payload, { timeout: left, signal });
  }

  /** Does something on the connection there is or the next one, with the time that is left. */
  async requestOn<Result>(
    task: (connection: Connection, options: CallOptions) => Promise<Result>,
    options: WaitOptions | undefined,
  ): Promise<Result> {
    const start = readClock();
    const timeout = checkTimeout(options?.timeout, this.#parts.timeout);
    const signal = options?.signal;
    if (signal !== undefined) checkSignal(signal);
    while (this.#connection === undefined) {
      await this.whenConnected(signal === undefined ? { timeout } : { timeout, signal });
    }
    const left = Math.max(0, timeout - (readClock() - start));
    return task(this.#connection, { timeout: left, signal });
  }

  /** Makes a blocking call. */
  requestSync(
    method: MethodOf,
    payload: Uint8Array | undefined,
    timeout: number | undefined,
  ): Bytes | undefined {
    let left = checkTimeout(timeout, this.#parts.timeout);
    if (this.#connection === undefined) left = this.connectSync(left);
    const connection = this.#connection!;
    return connection.requestSync(method(connection), payload, left);
  }

  /** Sends a message; false if it waits. */
  send(method: MethodOf, payload: Uint8Array | undefined): boolean {
    const connection = this.#connection;
    if (connection !== undefined) return connection.send(method(connection), payload);
    this.#handle.checkOpen();
    checkPayload(payload, this.#parts.maxMessageBytes);
    const size = totalBytes(payload);
    this.#checkRoom(size);
    this.#backlog.push({ method, payload: payload && keepPayload(payload) });
    this.#backlogBytes += size;
    return false;
  }

  /** As strict as a connection's send queue, which takes the backlog later. */
  #checkRoom(size: number): void {
    const { length } = this.#backlog;
    if (length === 0) return;
    try {
      checkRoom({ queuedBytes: this.#backlogBytes, length }, size, this.#parts.sendQueueBytes);
    } catch (error) {
      this.#past.overflows++;
      throw error;
    }
  }

  /** Resolves when nothing waits to be sent. */
  async writable(): Promise<void> {
    if (this.#connection === undefined && this.#backlog.length > 0) {
      await this.whenConnected({ timeout: Infinity });
    }
    this.#handle.checkOpen();
    await this.#connection?.writable;
  }
}
