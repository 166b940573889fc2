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
import { checkOptions, checkTimeout } from "../options.ts";
import { limitsOf, OPEN_OPTIONS } from "../connection/options.ts";
import type { OpenOptions } from "../connection/options.ts";
import type { OptionsOf } from "../options.ts";
import { ArgumentError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import type { ConnectionStatistics } from "../statistics.ts";
import { checkName, encodeName } from "../memory/names.ts";
import { Handle } from "../wake/handle.ts";
import { ConnectionByteStreams } from "./byte_streams.ts";
import type { BytesSource } from "./byte_streams.ts";
import { Listener } from "./listener.ts";

/** Options of every server. */
export interface ServerOptions extends OpenOptions {
  /** Connections to accept at a time; more are refused at the door. Default 16,384. */
  maxConnections?: number;
  /** The only ring capacity to accept, in bytes. Default: what the client chooses. */
  capacity?: number;
  /**
   * A client was let in; `connections` of the server counts it. Of those that waited
   * already it is told when opening has resolved.
   */
  onConnect?: (server: RpcServer) => void;
  /** A client is gone; `connections` doesn't count it any longer. */
  onDisconnect?: (server: RpcServer) => void;
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
export type HandlerFactory = (
  handle: Handle,
  onGone: (reason: GoneReason, cause: unknown) => void,
) => {
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
  readonly #handle: Handle;
  readonly #listener: Listener;

  /** Made by {@linkcode RpcServer.open} and {@linkcode serve} only. */
  constructor(name: string, handle: Handle, listener: Listener) {
    this.name = name;
    this.#handle = handle;
    this.#listener = listener;
    handle.ref();
  }

  /**
   * Opens a server under a name.
   *
   * @throws {NameTakenError} A living server has the name.
   * @throws {ArgumentError} An option is out of range, or there is none of that name.
   */
  static async open(name: string, options: RpcServerOptions = {}): Promise<RpcServer> {
    checkOptions(options, Object.keys(KNOWN));
    return await startServer(name, options, "bytes", (handle, onGone) => {
      const streams = new ConnectionByteStreams();
      return {
        handler: bytesHandler(handle, options, onGone, streams),
        onOpen: (connection) => streams.use(connection),
      };
    });
  }

  /** Clients that are connected now. */
  get connections(): number {
    return this.#listener.connections.size;
  }

  /** What the server did so far, over all its connections. */
  get stats(): ConnectionStatistics {
    return { ...this.#listener.statistics };
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#handle.isClosed;
  }

  /** Keeps the process alive until the server is closed; so it is from the start. */
  ref(): void {
    this.#handle.ref();
  }

  /** Lets the process end though the server is open. */
  unref(): void {
    this.#handle.unref();
  }

  /**
   * Sends what is queued (for 5 s at most), then closes. Calls of clients that
   * wait are rejected with {@linkcode PeerGoneError}. Calling it again does nothing.
   */
  async close(): Promise<void> {
    const open = [...this.#listener.connections];
    await Promise.all(open.map((connection) => connection.drained(CLOSE_TIMEOUT)));
    this.#handle.close();
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
  const { directory, onError, signal } = options;
  return await Handle.open(
    { what: `server "${name}"`, directory, onError, hasCallbacks: true, signal },
    async (handle) => {
      const listener: Listener = await Listener.open(handle, {
        name,
        encoded,
        maxConnections,
        capacity,
        codec,
        limits,
        serve(onGone) {
          const made = factory(handle, (_reason, cause) => {
            onGone();
            handle.event("onDisconnect", () => options.onDisconnect?.(server));
            if (cause !== undefined) handle.reportPeer(cause);
          });
          const onOpen = (connection: Connection): void => {
            made.onOpen(connection);
            handle.event("onConnect", () => options.onConnect?.(server));
          };
          return { handler: made.handler, onOpen };
        },
      }, signal);
      const server = new RpcServer(name, handle, listener);
      return server;
    },
  );
}

function checkMaxConnections(value: number | undefined): number {
  if (value === undefined) return DEFAULT_MAX_CONNECTIONS;
  if (Number.isInteger(value) && value >= 1) return value;
  throw new ArgumentError(`maxConnections is a whole number from 1, got ${value}`);
}
