/**
 * Channel: two partners, full duplex, raw bytes.
 *
 * Both sides make the same call. Messages arrive in the order they were sent;
 * requests may be answered out of order; a partner that dies is noticed, what
 * waited for it is rejected, and another can take its place.
 *
 * @module
 */
import { bytesHandler, hasCallbacks } from "../connection/bytes_handler.ts";
import type { BytesHandlers } from "../connection/bytes_handler.ts";
import { Connection } from "../connection/connection.ts";
import type { ConnectionHandler } from "../connection/handler.ts";
import type { ConnectionLimits } from "../connection/options.ts";
import { checkCapacity } from "../memory/capacity.ts";
import { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { harmless } from "../failures.ts";
import { nameCaller } from "../stacks.ts";
import { checkOptions, checkTimeout } from "../options.ts";
import { limitsOf, OPEN_OPTIONS } from "../connection/options.ts";
import type { OpenOptions } from "../connection/options.ts";
import type { OptionsOf, WaitOptions } from "../options.ts";
import type { ConnectionStatistics, SendQueueStatistics } from "../statistics.ts";
import type { GoneReason } from "../errors.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { Handle } from "../wake/handle.ts";
import { Pairing } from "./pairing.ts";
import type { Pair } from "./pairing.ts";

/** Options of {@linkcode Channel.open}. */
export interface ChannelOptions extends OpenOptions, BytesHandlers {
  /**
   * Data bytes of each direction's ring: a power of two. Default: what the other side chose, or
   * 256 KiB, which grow to 1 MiB when they turn out to be too small.
   */
  capacity?: number;
  /** A partner is there. If it was there before, it is told when opening has resolved. */
  onConnect?: (channel: Channel) => void;
  /** The partner is gone. */
  onDisconnect?: (reason: GoneReason) => void;
  /**
   * Give `onMessage` large payloads in place, without a copy: they are valid until
   * the handler returns or makes a blocking request. Default false.
   */
  borrow?: boolean;
}

const KNOWN: OptionsOf<ChannelOptions> = {
  ...OPEN_OPTIONS,
  capacity: true,
  borrow: true,
  onRequest: true,
  onMessage: true,
  onConnect: true,
  onDisconnect: true,
};

/** A snapshot of what a channel did. */
export interface ChannelStatistics extends ConnectionStatistics, SendQueueStatistics {
  /** Bytes that wait to be sent. */
  readonly queuedBytes: number;
  /** Calls of this side that wait for an answer. */
  readonly pendingCalls: number;
}

const DEFAULT_CAPACITY = 256 << 10;
/** How long closing waits for messages that are queued, in ms. */
const CLOSE_TIMEOUT = 5000;

/**
 * One side of a channel.
 *
 * @example
 * ```ts
 * import { Channel } from "@causeway/ipc";
 *
 * await using channel = await Channel.open("prices", {
 *   onRequest: (question) => question,
 * });
 * const answer = await channel.request(new TextEncoder().encode("EURUSD"));
 * ```
 */
export class Channel implements AsyncDisposable {
  /** The name it was opened with. */
  readonly name: string;
  readonly #handle: Handle;
  readonly #connection: ReconnectingConnection;
  readonly #limits: ConnectionLimits;
  readonly #pairing: Pairing;
  readonly #handler: ConnectionHandler;

  private constructor(handle: Handle, name: string, encoded: string, options: ChannelOptions) {
    this.name = name;
    this.#handle = handle;
    this.#limits = limitsOf(options, options.borrow === true);
    this.#connection = new ReconnectingConnection(handle, {
      partner: handle.what,
      hint: "no partner has opened it",
      timeout: checkTimeout(options.timeout),
      sendQueueBytes: this.#limits.sendQueueBytes,
      maxMessageBytes: this.#limits.maxMessageBytes,
      seek: () => this.#pairing.seek(),
      onConnect: () => handle.event("onConnect", options.onConnect, this),
      onDisconnect: (reason) => handle.event("onDisconnect", options.onDisconnect, reason),
    });
    this.#handler = bytesHandler(handle, options, (reason, cause) => {
      this.#pairing.leave();
      this.#connection.gone(reason, cause, true);
    });
    this.#pairing = new Pairing(
      handle,
      name,
      encoded,
      { asked: options.capacity, fallback: DEFAULT_CAPACITY },
      (pair) => this.#onPair(pair),
      this.#connection.seek,
    );
    if (options.onRequest !== undefined || options.onMessage !== undefined) handle.ref();
  }

  /**
   * Opens a channel. The other side makes the same call; who is first doesn't
   * matter. Returns at once: calls and messages wait for the partner.
   *
   * A channel with a handler keeps the process alive until it is closed, one
   * without doesn't; see {@linkcode Channel.ref}.
   *
   * @throws {NameTakenError} Two others are connected under this name.
   * @throws {CapacityMismatchError} The partner chose another capacity.
   * @throws {ArgumentError} An option is out of range, or there is none of that name.
   */
  static async open(name: string, options: ChannelOptions = {}): Promise<Channel> {
    checkOptions(options, Object.keys(KNOWN));
    const encoded = await encodeName(checkName(name));
    if (options.capacity !== undefined) checkCapacity(options.capacity);
    checkTimeout(options.timeout);
    limitsOf(options);
    const { directory, onError, signal } = options;
    return await Handle.open(
      {
        what: `channel "${name}"`,
        directory,
        onError,
        hasCallbacks: hasCallbacks(options),
        signal,
      },
      async (handle) => {
        const channel = new Channel(handle, name, encoded, options);
        const invitation = await channel.#pairing.open(signal);
        if (invitation !== undefined) channel.#connection.invited(invitation);
        return channel;
      },
    );
  }

  /** Is a partner there? */
  get isConnected(): boolean {
    return this.#connection.connection !== undefined;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#handle.isClosed;
  }

  /**
   * Resolves when a partner is there.
   *
   * @throws {TimeoutError} Nobody came in time (default: the channel's timeout).
   */
  whenConnected(options?: WaitOptions): Promise<void> {
    return harmless(this.#connection.whenConnected(options));
  }

  /**
   * Sends a request and returns its answer; `undefined` if the partner answered
   * that there is nothing.
   *
   * @throws {TimeoutError} There was no answer in time.
   * @throws {PeerGoneError} The partner died or closed.
   * @throws {MessageTooLargeError} It is over `maxMessageBytes` of either side.
   */
  request(payload?: Uint8Array, options?: WaitOptions): Promise<Uint8Array | undefined> {
    return this.#connection.request(noMethod, payload, options);
  }

  /**
   * The same, blocking the thread. Requests and messages of the partner are
   * handled meanwhile; handlers that answer later can't.
   *
   * @throws {TimeoutError} There was no answer in time.
   * @throws {PeerGoneError} The partner died or closed.
   * @throws {DeadlockError} The partner lives in this thread and didn't answer at once.
   */
  requestSync(payload?: Uint8Array, options?: { timeout?: number }): Uint8Array | undefined {
    try {
      return this.#connection.requestSync(noMethod, payload, options?.timeout);
    } catch (error) {
      throw nameCaller(error, this.requestSync, `"${this.name}"`);
    }
  }

  /**
   * Sends a message. True: it is in the ring. False: it waits for room or for a
   * partner; await {@linkcode Channel.writable} before sending more.
   *
   * @throws {BackpressureError} Too much waits to be sent; this message was not queued.
   */
  send(payload?: Uint8Array): boolean {
    return this.#connection.send(noMethod, payload);
  }

  /**
   * Resolves when nothing waits to be sent, and there is room for more. Without a
   * partner it waits for one, for as long as it takes.
   *
   * @throws {PeerGoneError} The partner died or closed; what waited was dropped.
   * @throws {ClosedError} This side was closed.
   *
   * @example
   * ```ts ignore
   * for (const part of parts) if (!channel.send(part)) await channel.writable;
   * ```
   */
  get writable(): Promise<void> {
    return harmless(this.#connection.writable());
  }

  /** What the channel did so far. */
  get stats(): ChannelStatistics {
    const link = this.#connection;
    return {
      ...link.statistics,
      queuedBytes: link.queuedBytes,
      queuedMessages: link.queuedMessages,
      waits: link.waits,
      pendingCalls: link.connection?.pendingCalls ?? 0,
    };
  }

  /** Keeps the process alive until the channel is closed. */
  ref(): void {
    this.#handle.ref();
  }

  /** Lets the process end though the channel is open. */
  unref(): void {
    this.#handle.unref();
  }

  /**
   * Sends what is queued (for 5 s at most), then closes. Calls that wait are
   * rejected with {@linkcode ClosedError}. Calling it again does nothing.
   */
  async close(): Promise<void> {
    await this.#connection.drained(CLOSE_TIMEOUT);
    this.#handle.close();
  }

  /** The same as {@linkcode Channel.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onPair({ segment, side, index, peer }: Pair): void {
    const { realm } = this.#handle;
    this.#connection.connected(
      new Connection(realm, segment, side, this.name, index, peer, this.#handler, this.#limits),
    );
  }
}

function noMethod(): number {
  return 0;
}
