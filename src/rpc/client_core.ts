/**
 * What clients on bytes and typed ones share: getting in, getting in again when
 * the server was restarted, and the end.
 *
 * @module
 */
import { Connection } from "../connection/connection.ts";
import type { ConnectionHandler } from "../connection/handler.ts";
import type { ConnectionLimits } from "../connection/options.ts";
import { checkCapacity } from "../memory/capacity.ts";
import { codecId } from "../codec/codec_id.ts";
import { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { errorSink, guarded, peerErrorSink } from "../failures.ts";
import type { ErrorSink } from "../failures.ts";
import { checkTimeout } from "../options.ts";
import { limitsOf, OPEN_OPTIONS } from "../connection/options.ts";
import type { OpenOptions } from "../connection/options.ts";
import type { OptionsOf } from "../options.ts";
import { CapacityMismatchError, ClosedError, PeerGoneError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import type { Segment } from "../memory/segment.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { Realm } from "../wake/realm.ts";
import type { Peer } from "../wake/realm.ts";
import { Dialer } from "./dialer.ts";

/** Options of every client. */
export interface ClientOptions extends OpenOptions {
  /** Milliseconds to wait for the server when opening. Default 10,000. */
  connectTimeout?: number;
  /** Gives up opening. */
  signal?: AbortSignal;
  /** Connect again when the server is gone. Default true. */
  reconnect?: boolean;
  /** Data bytes of each direction's ring: a power of two. Default 64 KiB, or what the server wants. */
  capacity?: number;
  /** The server let us in; also after each reconnection. */
  onConnect?: () => void;
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
  onGone: (reason: GoneReason, cause: unknown) => void,
) => { handler: ConnectionHandler; onOpen(connection: Connection): void };

/** See the module. */
export class ClientCore {
  readonly link: ReconnectingConnection;
  readonly #name: string;
  readonly #realm: Realm;
  readonly #options: ClientOptions;
  readonly #limits: ConnectionLimits;
  readonly #factory: ClientHandlerFactory;
  readonly #dialer: Dialer;
  readonly #onFailure: ErrorSink;
  readonly #onPeerError: ErrorSink;
  readonly #closer: () => void;
  /** Bytes of the rings that we offer. */
  #capacity: number;
  /** The capacity is only our default: what the server wants is fine, too. */
  #mayAdopt: boolean;

  private constructor(
    name: string,
    encoded: string,
    options: ClientOptions,
    codec: string,
    factory: ClientHandlerFactory,
    realm: Realm,
    closer: () => void,
  ) {
    this.#name = name;
    this.#realm = realm;
    this.#options = options;
    this.#limits = limitsOf(options);
    this.#factory = factory;
    const what = `the client of server "${name}"`;
    this.#onFailure = errorSink(options.onError, what);
    this.#onPeerError = peerErrorSink(options.onError, what);
    this.#closer = closer;
    this.link = new ReconnectingConnection(
      realm,
      `server "${name}"`,
      () => "is it running, in the same directory?",
      {
        timeout: checkTimeout(options.timeout),
        sendQueueBytes: this.#limits.sendQueueBytes,
        maxMessageBytes: this.#limits.maxMessageBytes,
      },
    );
    this.#capacity = checkCapacity(options.capacity ?? DEFAULT_CAPACITY);
    this.#mayAdopt = options.capacity === undefined;
    this.#dialer = new Dialer(realm, encoded, { name, codec: codecId(codec) }, {
      onConnected: (segment, index, peer) => this.#onConnected(segment, index, peer),
      onRefused: (error) => this.#onRefused(error),
    });
  }

  /** Connects, within `connectTimeout`. Whoever calls it has checked the names of the options. */
  static async open(
    name: string,
    options: ClientOptions,
    codec: string,
    factory: ClientHandlerFactory,
  ): Promise<ClientCore> {
    const encoded = await encodeName(checkName(name));
    const timeout = checkTimeout(options.connectTimeout, DEFAULT_CONNECT_TIMEOUT);
    options.signal?.throwIfAborted();
    let core: ClientCore | undefined;
    const closer = (): void => core?.closeNow();
    const realm = await Realm.acquire(options.directory, closer);
    try {
      core = new ClientCore(name, encoded, options, codec, factory, realm, closer);
      core.#dial();
      const { signal } = options;
      await core.link.whenConnected(signal === undefined ? { timeout } : { timeout, signal });
      return core;
    } catch (error) {
      if (core === undefined) realm.release(closer);
      else core.closeNow();
      throw error;
    }
  }

  #dial(): void {
    this.link.invited(this.#dialer.dial(this.#capacity));
  }

  #onConnected(segment: Segment, index: number, peer: Peer): void {
    const { handler, onOpen } = this.#factory((reason, cause) => this.#onGone(reason, cause));
    const realm = this.#realm;
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
    this.link.connected(connection);
    guarded(() => this.#options.onConnect?.(), this.#onFailure, "onConnect");
  }

  #onRefused(error: Error): void {
    // The server died at the door: another one may come.
    if (error instanceof PeerGoneError || this.#adopt(error)) this.#redial();
    else this.closeNow(error);
  }

  /** Takes over the capacity that the server wants. False if it isn't that, or was done already. */
  #adopt(error: Error): boolean {
    if (!(error instanceof CapacityMismatchError) || !this.#mayAdopt) return false;
    this.#mayAdopt = false;
    try {
      this.#capacity = checkCapacity(error.actual);
    } catch {
      return false; // the server says what no server can want
    }
    return true;
  }

  #onGone(reason: GoneReason, cause: unknown): void {
    this.link.disconnected();
    const { onDisconnect, reconnect } = this.#options;
    guarded(() => onDisconnect?.(reason), this.#onFailure, "onDisconnect");
    if (cause !== undefined) this.#onPeerError(cause);
    if (this.link.isClosed) return;
    if (reconnect === false) this.closeNow(new PeerGoneError(this.#name, reason));
    else this.#redial();
  }

  #redial(): void {
    this.link.retry(
      () => this.#dial(),
      this.#onPeerError,
      (error) => {
        this.closeNow(error);
        this.#onFailure(error, "looking for the next server");
      },
    );
  }

  /** Sends what is queued, then closes. */
  async close(): Promise<void> {
    await this.link.connection?.drained(CLOSE_TIMEOUT);
    this.closeNow();
  }

  /** Closes at once. */
  closeNow(reason?: unknown): void {
    if (this.link.isClosed) return;
    // The server goes on: the link alone would say that it is closed.
    this.link.close(reason ?? new ClosedError(`the client of server "${this.#name}"`));
    this.#dialer.close();
    this.#realm.release(this.#closer);
  }
}
