/**
 * What clients on bytes and typed ones share: getting in, getting in again when
 * the server was restarted, and the end.
 *
 * @module
 */
import { hasCallbacks } from "../connection/bytes_handler.ts";
import { Connection } from "../connection/connection.ts";
import type { ConnectionHandler } from "../connection/handler.ts";
import type { ConnectionLimits } from "../connection/options.ts";
import { checkCapacity } from "../memory/capacity.ts";
import { codecId } from "../codec/codec_id.ts";
import { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { checkTimeout } from "../options.ts";
import { limitsOf, OPEN_OPTIONS } from "../connection/options.ts";
import type { OpenOptions } from "../connection/options.ts";
import type { OptionsOf } from "../options.ts";
import { CapacityMismatchError, PeerGoneError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import type { Segment } from "../memory/segment.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { Handle } from "../wake/handle.ts";
import type { Peer } from "../wake/realm.ts";
import type { BaseClient } from "./base_client.ts";
import { Dialer } from "./dialer.ts";

/** Options of every client; `Opened` is the client. */
export interface ClientOptions<Opened = BaseClient> extends OpenOptions {
  /** Milliseconds to wait for the server when opening. Default 10,000. */
  connectTimeout?: number;
  /** Gives up opening. */
  signal?: AbortSignal;
  /** Connect again when the server is gone. Default true. */
  reconnect?: boolean;
  /**
   * Data bytes of each direction's ring: a power of two. Default: what the server wants, or 64 KiB,
   * which grow to 1 MiB when they turn out to be too small.
   */
  capacity?: number;
  /**
   * The server let us in; also after each reconnection. The first time it is called when
   * opening has resolved.
   */
  onConnect?: (client: Opened) => void;
  /** The server is gone. */
  onDisconnect?: (reason: GoneReason) => void;
}

/** The options of {@linkcode ClientOptions}. */
export const CLIENT_OPTIONS: OptionsOf<ClientOptions> = {
  ...OPEN_OPTIONS,
  connectTimeout: true,
  signal: true,
  reconnect: true,
  capacity: true,
  onConnect: true,
  onDisconnect: true,
};

const DEFAULT_CAPACITY = 64 << 10;
const DEFAULT_CONNECT_TIMEOUT = 10_000;
/** How long closing waits for messages that are queued, in ms. */
const CLOSE_TIMEOUT = 5000;

/** Makes the handler of each connection, one after the other. */
export type ClientHandlerFactory = (
  handle: Handle,
  onGone: (reason: GoneReason, cause: unknown) => void,
) => { handler: ConnectionHandler; onOpen(connection: Connection): void };

/** See the module. */
export class ClientCore {
  readonly handle: Handle;
  readonly connection: ReconnectingConnection;
  /** What the user gets, set when it is made. */
  client: BaseClient | undefined;
  readonly #name: string;
  readonly #options: ClientOptions<never>;
  readonly #limits: ConnectionLimits;
  readonly #factory: ClientHandlerFactory;
  readonly #dialer: Dialer;
  /** The rings that we offer. */
  #rings: { capacity: number; grows: boolean };
  /** The capacity is only our default: what the server wants is fine, too. */
  #mayAdopt: boolean;

  private constructor(
    handle: Handle,
    name: string,
    encoded: string,
    options: ClientOptions<never>,
    codec: string,
    factory: ClientHandlerFactory,
  ) {
    this.handle = handle;
    this.#name = name;
    this.#options = options;
    this.#limits = limitsOf(options);
    this.#factory = factory;
    this.#rings = {
      capacity: checkCapacity(options.capacity ?? DEFAULT_CAPACITY),
      grows: options.capacity === undefined,
    };
    this.#mayAdopt = options.capacity === undefined;
    this.connection = new ReconnectingConnection(handle, {
      partner: `server "${name}"`,
      hint: "is it running, in the same directory?",
      timeout: checkTimeout(options.timeout),
      sendQueueBytes: this.#limits.sendQueueBytes,
      maxMessageBytes: this.#limits.maxMessageBytes,
      seek: () => this.#dialer.dial(this.#rings),
      onConnect: () => handle.event("onConnect", () => options.onConnect?.(this.client as never)),
      onDisconnect: (reason) => handle.event("onDisconnect", options.onDisconnect, reason),
    });
    this.#dialer = new Dialer(handle, encoded, { name, codec: codecId(codec) }, {
      onInvited: (index) => this.connection.invited(index),
      onConnected: (segment, index, peer) => this.#onConnected(segment, index, peer),
      onRefused: (error) => this.#onRefused(error),
    });
  }

  /** Connects, within `connectTimeout`. The caller has checked the names of the options. */
  static async open(
    name: string,
    options: ClientOptions<never>,
    codec: string,
    factory: ClientHandlerFactory,
  ): Promise<ClientCore> {
    const encoded = await encodeName(checkName(name));
    const timeout = checkTimeout(options.connectTimeout, DEFAULT_CONNECT_TIMEOUT);
    const { directory, onError, signal } = options;
    const what = `the client of server "${name}"`;
    return await Handle.open(
      { what, directory, onError, hasCallbacks: hasCallbacks(options), signal },
      async (handle) => {
        const core = new ClientCore(handle, name, encoded, options, codec, factory);
        core.connection.open();
        await core.connection.whenConnected(
          signal === undefined ? { timeout } : { timeout, signal },
        );
        return core;
      },
    );
  }

  #onConnected(segment: Segment, index: number, peer: Peer): void {
    const { realm } = this.handle;
    const { handler, onOpen } = this.#factory(this.handle, (reason, cause) => {
      const reconnect = this.#options.reconnect !== false;
      this.connection.gone(reason, cause, reconnect);
      if (!reconnect) this.handle.close(new PeerGoneError(this.#name, reason));
    });
    const connection = new Connection(
      realm,
      segment,
      "a",
      this.#name,
      index,
      peer,
      handler,
      this.#limits,
    );
    onOpen(connection);
    this.#mayAdopt = this.#options.capacity === undefined; // the next server's, once more
    this.connection.connected(connection);
  }

  #onRefused(error: Error): void {
    // The server died before it answered: another one may come.
    if (error instanceof PeerGoneError || this.#adopt(error)) this.connection.seek();
    else this.handle.close(error);
  }

  /** Takes over the capacity that the server wants. False if it isn't that, or was done already. */
  #adopt(error: Error): boolean {
    if (!(error instanceof CapacityMismatchError) || !this.#mayAdopt) return false;
    this.#mayAdopt = false;
    try {
      this.#rings = { capacity: checkCapacity(error.actual), grows: false };
    } catch {
      return false; // the server says what no server can want
    }
    return true;
  }

  /** Sends what is queued, then closes. */
  async close(): Promise<void> {
    await this.connection.drained(CLOSE_TIMEOUT);
    this.handle.close();
  }
}
