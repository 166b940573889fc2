/**
 * A link: a connection that comes, goes, and comes again. Channel and RPC client
 * both are one: what they share is here, who the partner is they say themselves.
 *
 * While there is no connection, calls wait for one within their own timeout, and
 * messages wait in order within the limit of the send queue.
 *
 * @module
 */
import { copyBytes } from "../codec/copy.ts";
import {
  BackpressureError,
  ClosedError,
  LimitError,
  NoSpaceError,
  TimeoutError,
} from "../errors.ts";
import type { Realm } from "../wake/realm.ts";
import type { Connection } from "./connection.ts";
import type { CallOptions } from "./handler.ts";
import { newStatistics } from "./statistics.ts";
import type { Statistics } from "./statistics.ts";
import type { WaitOptions } from "../options.ts";
import { checkPayload } from "./options.ts";
import { checkSignal, checkTimeout } from "../options.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The id of a method on a connection, which may have to be told to the peer first. */
export type MethodOf = (connection: Connection) => number;

interface Waiting {
  resolve(): void;
  reject(reason: unknown): void;
}

/** Milliseconds until what failed for want of something is tried again. */
const RETRY_MS = 100;

/** See the module. */
export class ReconnectingConnection {
  readonly #what: string;
  readonly #hint: () => string;
  readonly #realm: Realm;
  readonly #timeout: number;
  readonly #sendQueueBytes: number;
  readonly #maxMessageBytes: number;
  readonly #past: Statistics = newStatistics();
  readonly #waiting = new Set<Waiting>();
  #pastWaits = 0;
  #connection: Connection | undefined;
  #backlog: { method: MethodOf; payload: Bytes | undefined }[] = [];
  #backlogBytes = 0;
  #closedBy: unknown;
  /** Source index to poll in a blocking wait for a connection. */
  #invitation: number | undefined;
  #references = 0;

  /** `what` names it in messages; `hint` says what a timeout may come from. */
  constructor(
    realm: Realm,
    what: string,
    hint: () => string,
    options: { timeout: number; sendQueueBytes: number; maxMessageBytes: number },
  ) {
    this.#realm = realm;
    this.#what = what;
    this.#hint = hint;
    this.#timeout = options.timeout;
    this.#sendQueueBytes = options.sendQueueBytes;
    this.#maxMessageBytes = options.maxMessageBytes;
  }

  /** The connection, if there is one. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#closedBy !== undefined;
  }

  /** Counters over all connections so far. */
  get statistics(): Statistics {
    const now = this.#connection?.statistics;
    return now === undefined ? { ...this.#past } : sum(this.#past, now);
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

  /** Waits for a connection behind this invitation. */
  invited(index: number): void {
    this.#invitation = index;
  }

  /** There is a connection: everything that waits goes on. */
  connected(connection: Connection): void {
    this.#connection = connection;
    this.#invitation = undefined;
    const backlog = this.#backlog;
    this.#backlog = [];
    this.#backlogBytes = 0;
    try {
      for (const { method, payload } of backlog) connection.send(method(connection), payload);
    } catch (error) {
      // It may be gone already; whoever waits then waits for the next.
      if (connection.isOpen) throw error;
    }
    for (const waiting of [...this.#waiting]) waiting.resolve();
  }

  /**
   * Looks for the next partner by `attempt`. Where that fails for want of memory or
   * descriptors, which may still be those of a dead partner, it tells so and tries
   * again soon, until the link is closed; otherwise it calls `giveUp`.
   */
  retry(
    attempt: () => void,
    tell: (error: unknown) => void,
    giveUp: (error: unknown) => void,
  ): void {
    try {
      attempt();
    } catch (error) {
      if (!isPassing(error)) {
        giveUp(error);
        return;
      }
      tell(error);
      this.#realm.reactor.startTimer(() => {
        if (!this.isClosed) this.retry(attempt, tell, giveUp);
      }, RETRY_MS);
    }
  }

  /** The connection is gone. */
  disconnected(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    Object.assign(this.#past, sum(this.#past, connection.statistics));
    this.#pastWaits += connection.waits;
  }

  /** Ends it: what waits is rejected with `reason`, by default that it is closed. */
  close(reason?: unknown): void {
    if (this.isClosed) return;
    this.#closedBy = reason ?? new ClosedError(this.#what);
    this.#connection?.close();
    this.disconnected();
    this.#past.dropped += this.#backlog.length;
    this.#backlog = [];
    this.#backlogBytes = 0;
    for (const waiting of [...this.#waiting]) waiting.reject(this.#closedBy);
    while (this.#references > 0) this.unref();
  }

  /** Resolves when there is a connection. */
  whenConnected(options: WaitOptions = {}): Promise<void> {
    if (this.isClosed) return Promise.reject(this.#closedBy);
    if (this.#connection !== undefined) return Promise.resolve();
    const timeout = checkTimeout(options.timeout, this.#timeout);
    const { signal } = options;
    if (signal !== undefined) checkSignal(signal);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const { reactor } = this.#realm;
      const timer = reactor.startLongTimer(
        () => waiting.reject(this.#timeoutError(timeout)),
        timeout,
      );
      const onAbort = (): void => waiting.reject(signal!.reason);
      const settle = (): void => {
        this.#waiting.delete(waiting);
        timer.stop();
        signal?.removeEventListener("abort", onAbort);
        reactor.unref();
      };
      const waiting: Waiting = {
        resolve: () => (settle(), resolve()),
        reject: (reason) => (settle(), reject(reason)),
      };
      reactor.ref();
      this.#waiting.add(waiting);
      signal?.addEventListener("abort", onAbort);
    });
  }

  #timeoutError(timeout: number): TimeoutError {
    return new TimeoutError(`waiting for ${this.#what} to be connected`, timeout, this.#hint());
  }

  /** Blocks until there is a connection; returns the milliseconds that are left. */
  connectSync(timeout: number): number {
    const start = performance.now();
    while (this.#connection === undefined) {
      if (this.isClosed) throw this.#closedBy;
      const left = timeout - (performance.now() - start);
      const index = this.#invitation;
      if (left <= 0 || index === undefined) throw this.#timeoutError(timeout);
      // Another invitation has another source: then it goes on there.
      const isDone = (): boolean =>
        this.#connection !== undefined || this.isClosed || this.#invitation !== index;
      if (!this.#realm.reactor.block(index, isDone, left)) throw this.#timeoutError(timeout);
    }
    return timeout === Infinity ? Infinity : Math.max(0, timeout - (performance.now() - start));
  }

  /** Makes a call, on the connection there is or the next one. */
  request(
    method: MethodOf,
    payload: Uint8Array | undefined,
    options: WaitOptions | undefined,
  ): Promise<Bytes | undefined> {
    const timeout = checkTimeout(options?.timeout, this.#timeout);
    const signal = options?.signal;
    if (signal !== undefined) checkSignal(signal);
    const connection = this.#connection;
    if (connection !== undefined) {
      return connection.request(method(connection), payload, { timeout, signal });
    }
    return this.#requestLater(method, payload, timeout, signal);
  }

  async #requestLater(
    method: MethodOf,
    payload: Uint8Array | undefined,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Bytes | undefined> {
    const start = performance.now();
    await this.whenConnected(signal === undefined ? { timeout } : { timeout, signal });
    const left = timeout === Infinity
      ? Infinity
      : Math.max(0, timeout - (performance.now() - start));
    const connection = this.#connection;
    if (connection === undefined) return this.#requestLater(method, payload, left, signal);
    return connection.request(method(connection), payload, { timeout: left, signal });
  }

  /** Does something on the connection there is or the next one, with the time that is left. */
  async requestOn<Result>(
    task: (connection: Connection, options: CallOptions) => Promise<Result>,
    options: WaitOptions | undefined,
  ): Promise<Result> {
    const start = performance.now();
    const timeout = checkTimeout(options?.timeout, this.#timeout);
    const signal = options?.signal;
    if (signal !== undefined) checkSignal(signal);
    while (this.#connection === undefined) {
      await this.whenConnected(signal === undefined ? { timeout } : { timeout, signal });
    }
    const left = Math.max(0, timeout - (performance.now() - start));
    return task(this.#connection, { timeout: left, signal });
  }

  /** Makes a blocking call. */
  requestSync(
    method: MethodOf,
    payload: Uint8Array | undefined,
    timeout: number | undefined,
  ): Bytes | undefined {
    let left = checkTimeout(timeout, this.#timeout);
    if (this.#connection === undefined) left = this.connectSync(left);
    const connection = this.#connection!;
    return connection.requestSync(method(connection), payload, left);
  }

  /** Sends a message; false if it waits. */
  send(method: MethodOf, payload: Uint8Array | undefined): boolean {
    const connection = this.#connection;
    if (connection !== undefined) return connection.send(method(connection), payload);
    if (this.isClosed) throw this.#closedBy;
    checkPayload(payload, this.#maxMessageBytes);
    const size = payload?.length ?? 0;
    if (this.#backlog.length > 0 && this.#backlogBytes + size > this.#sendQueueBytes) {
      this.#past.overflows++;
      throw new BackpressureError(this.#backlogBytes, size, this.#sendQueueBytes);
    }
    this.#backlog.push({ method, payload: payload && copyBytes(payload) });
    this.#backlogBytes += size;
    return false;
  }

  /** Resolves when nothing waits to be sent. */
  async writable(): Promise<void> {
    if (this.#connection === undefined && this.#backlog.length > 0) {
      await this.whenConnected({ timeout: Infinity });
    }
    if (this.isClosed) throw this.#closedBy;
    await this.#connection?.writable;
  }

  /** Keeps the process alive while it is open. */
  ref(): void {
    if (this.isClosed || this.#references > 0) return;
    this.#references = 1;
    this.#realm.reactor.ref();
  }

  /** Lets the process end. */
  unref(): void {
    if (this.#references === 0) return;
    this.#references = 0;
    this.#realm.reactor.unref();
  }
}

function sum(a: Statistics, b: Statistics): Statistics {
  const total = newStatistics();
  for (const key of Object.keys(total) as (keyof Statistics)[]) total[key] = a[key] + b[key];
  return total;
}

/** Is it a want that may pass: of memory, or of descriptors? */
function isPassing(error: unknown): boolean {
  return error instanceof NoSpaceError || error instanceof LimitError;
}
