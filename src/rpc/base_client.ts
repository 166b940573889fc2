/**
 * The part of a client that has nothing to do with how it calls.
 *
 * @module
 */
import { harmless } from "../failures.ts";
import type { WaitOptions } from "../options.ts";
import type { ConnectionStatistics } from "../statistics.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import type { Handle } from "../wake/handle.ts";

/** What every client is made of; see `client_core.ts`. */
export interface BaseCore {
  readonly handle: Handle;
  readonly connection: ReconnectingConnection;
  /** The client, once there is one. */
  client: BaseClient | undefined;
  close(): Promise<void>;
}

/** What every client has. */
export abstract class BaseClient implements AsyncDisposable {
  /** The name of the server. */
  readonly name: string;
  readonly #core: BaseCore;

  /** Made by the library only. */
  constructor(name: string, core: BaseCore) {
    this.name = name;
    this.#core = core;
    core.client = this;
  }

  /** Is there a connection now? */
  get isConnected(): boolean {
    return this.#core.connection.connection !== undefined;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#core.handle.isClosed;
  }

  /**
   * Resolves when there is a connection (again).
   *
   * @throws {TimeoutError} There was none in time (default: the client's `timeout`).
   * @throws {ClosedError} The client was closed.
   */
  whenConnected(options?: WaitOptions): Promise<void> {
    return harmless(this.#core.connection.whenConnected(options));
  }

  /**
   * Resolves when nothing waits to be sent, and there is room for more.
   *
   * @throws {PeerGoneError} The server died or closed; what waited was dropped.
   */
  get writable(): Promise<void> {
    return harmless(this.#core.connection.writable());
  }

  /** What this client did so far, over all its connections. */
  get stats(): ConnectionStatistics {
    return this.#core.connection.statistics;
  }

  /** Keeps the process alive until the client is closed. */
  ref(): void {
    this.#core.handle.ref();
  }

  /** Takes {@linkcode BaseClient.ref} back. */
  unref(): void {
    this.#core.handle.unref();
  }

  /** Sends what is queued (for 5 s at most), then closes. */
  close(): Promise<void> {
    return this.#core.close();
  }

  /** The same as {@linkcode BaseClient.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
