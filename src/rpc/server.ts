/**
 * RpcServer: one server, many clients. On bytes here; {@linkcode serve} puts
 * methods on it.
 *
 * @module
 */
import { bytesHandler } from "../connection/bytes_handler.ts";
import type { CallContext } from "../connection/bytes_handler.ts";
import type { Connection } from "../connection/connection.ts";
import type { ConnectionHandler } from "../connection/handler.ts";
import { checkCapacity } from "../memory/capacity.ts";
import { errorSink, guarded, peerErrorSink } from "../failures.ts";
import { checkOptions, checkTimeout } from "../options.ts";
import { limitsOf, OPEN_OPTIONS } from "../connection/options.ts";
import type { OpenOptions } from "../connection/options.ts";
import type { OptionsOf } from "../options.ts";
import { ArgumentError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { Realm } from "../wake/realm.ts";
import { ConnectionByteStreams } from "./byte_streams.ts";
import type { BytesSource } from "./byte_streams.ts";
import { Listener } from "./listener.ts";

/** Options of every server. */
export interface ServerOptions extends OpenOptions {
  /** Connections to accept at a time; more are refused at the door. Default 16,384. */
  maxConnections?: number;
  /** The only ring capacity to accept, in bytes. Default: what the client chooses. */
  capacity?: number;
  /** A client was let in. `connections` counts it. */
  onConnect?: (connections: number) => void;
  /** A client is gone. `connections` doesn't count it any longer. */
  onDisconnect?: (connections: number) => void;
}

/** The options of {@linkcode ServerOptions}. */
export const SERVER_OPTIONS: OptionsOf<ServerOptions> = {
  ...OPEN_OPTIONS,
  maxConnections: true,
  capacity: true,
  onConnect: true,
  onDisconnect: true,
};

/** What a handler may answer: bytes, that there is nothing, or a stream of bytes; now or later. */
export type StreamAnswer =
  | Uint8Array
  | BytesSource
  | undefined
  | void
  | Promise<Uint8Array | BytesSource | undefined | void>;

/** Options of {@linkcode RpcServer.open}. */
export interface RpcServerOptions extends ServerOptions {
  /** Answers a request. Throwing, or rejecting, answers with that error. */
  onRequest?: (payload: Uint8Array | undefined, context: CallContext) => StreamAnswer;
  /** Answers a request that is a stream, of any length. The same. */
  onStream?: (stream: ReadableStream<Uint8Array>, context: CallContext) => StreamAnswer;
  /** Takes a message that has no answer. */
  onMessage?: (payload: Uint8Array | undefined) => void;
}

const KNOWN: OptionsOf<RpcServerOptions> = {
  ...SERVER_OPTIONS,
  onRequest: true,
  onStream: true,
  onMessage: true,
};

/** Makes what serves one connection. `onGone` must be called when it is gone. */
export type HandlerFactory = (onGone: (reason: GoneReason, cause: unknown) => void) => {
  handler: ConnectionHandler;
  onOpen(connection: Connection): void;
};

const DEFAULT_MAX_CONNECTIONS = 16384;
/** How long closing waits for answers that are queued, in ms. */
const CLOSE_TIMEOUT = 5000;

/**
 * A server. It keeps the process alive until it is closed.
 *
 * @example
 * ```ts
 * import { RpcServer } from "@causeway/ipc";
 *
 * await using server = await RpcServer.open("echo", { onRequest: (bytes) => bytes });
 * ```
 */
export class RpcServer implements AsyncDisposable {
  /** The name it was opened with. */
  readonly name: string;
  readonly #realm: Realm;
  readonly #listener: Listener;
  readonly #closer: () => void;
  #closed = false;
  #referenced = false;

  /** Made by {@linkcode RpcServer.open} and {@linkcode serve} only. */
  constructor(name: string, realm: Realm, listener: Listener, closer: () => void) {
    this.name = name;
    this.#realm = realm;
    this.#listener = listener;
    this.#closer = closer;
    this.ref();
  }

  /**
   * Opens a server under a name.
   *
   * @throws {NameTakenError} A living server has the name.
   * @throws {ArgumentError} An option is out of range, or there is none of that name.
   */
  static async open(name: string, options: RpcServerOptions = {}): Promise<RpcServer> {
    checkOptions(options, Object.keys(KNOWN));
    return await startServer(name, options, "bytes", (onGone) => {
      const streams = new ConnectionByteStreams();
      return {
        handler: bytesHandler(`server "${name}"`, options, onGone, streams),
        onOpen: (connection) => streams.use(connection),
      };
    });
  }

  /** Clients that are connected now. */
  get connections(): number {
    return this.#listener.connections.size;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Keeps the process alive until the server is closed; so it is from the start. */
  ref(): void {
    if (this.#referenced || this.#closed) return;
    this.#referenced = true;
    this.#realm.reactor.ref();
  }

  /** Lets the process end though the server is open. */
  unref(): void {
    if (!this.#referenced) return;
    this.#referenced = false;
    this.#realm.reactor.unref();
  }

  /**
   * Sends what is queued (for 5 s at most), then closes. Calls of clients that
   * wait are rejected with {@linkcode PeerGoneError}. Calling it again does nothing.
   */
  async close(): Promise<void> {
    const open = [...this.#listener.connections];
    await Promise.all(open.map((connection) => connection.drained(CLOSE_TIMEOUT)));
    if (this.#closed) return;
    this.unref();
    this.#closed = true;
    this.#closer();
  }

  /** The same as {@linkcode RpcServer.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Opens a server whose connections are served by what `factory` makes; its options are known ones. */
export async function startServer(
  name: string,
  options: ServerOptions,
  codec: string,
  factory: HandlerFactory,
): Promise<RpcServer> {
  const encoded = await encodeName(checkName(name));
  checkTimeout(options.timeout);
  const limits = limitsOf(options);
  const maxConnections = checkMaxConnections(options.maxConnections);
  const capacity = options.capacity === undefined ? 0 : checkCapacity(options.capacity);
  const what = `server "${name}"`;
  const onFailure = errorSink(options.onError, what);
  const onPeerError = peerErrorSink(options.onError, what);
  let listener: Listener | undefined;
  const closer = (): void => {
    listener?.close();
    realm.release(closer);
  };
  const notify = (event: "onConnect" | "onDisconnect"): void => {
    guarded(() => options[event]?.(listener?.connections.size ?? 0), onFailure, event);
  };
  const realm = await Realm.acquire(options.directory, closer);
  try {
    listener = new Listener(realm, {
      name,
      encoded,
      maxConnections,
      capacity,
      codec,
      limits,
      // Whatever lies at the door is the fault of somebody else: it must not end this process.
      onError: onPeerError,
      welcome(onGone) {
        const made = factory((_reason, cause) => {
          onGone();
          notify("onDisconnect");
          if (cause !== undefined) onPeerError(cause);
        });
        const onOpen = (connection: Connection): void => {
          made.onOpen(connection);
          // Clients that waited at the door are let in before there is a listener.
          queueMicrotask(() => notify("onConnect"));
        };
        return { handler: made.handler, onOpen };
      },
    });
  } catch (error) {
    realm.release(closer);
    throw error;
  }
  return new RpcServer(name, realm, listener, closer);
}

function checkMaxConnections(value: number | undefined): number {
  if (value === undefined) return DEFAULT_MAX_CONNECTIONS;
  if (Number.isInteger(value) && value >= 1) return value;
  throw new ArgumentError(`maxConnections is a whole number from 1, got ${value}`);
}
