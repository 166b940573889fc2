/**
 * RpcClient: a client of a server, on bytes. {@linkcode connect} puts methods on
 * it.
 *
 * @module
 */
import { Assembly } from "../connection/assembly.ts";
import { bytesHandler } from "../connection/bytes_handler.ts";
import type { Connection } from "../connection/connection.ts";
import type { CallOptions } from "../connection/handler.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { OwnPromise } from "../failures.ts";
import { nameCaller } from "../stacks.ts";
import { checkOptions } from "../options.ts";
import { limitsOf } from "../connection/options.ts";
import type { WaitOptions } from "../options.ts";
import { ArgumentError, MessageTooLargeError } from "../errors.ts";
import { RecordFlag, RecordHeader } from "../ring/record.ts";
import { BaseClient } from "./base_client.ts";
import { ConnectionByteStreams, IncomingStream, isBytesSource } from "./byte_streams.ts";
import type { BytesSource } from "./byte_streams.ts";
import { bindSignal, endAll } from "./call_streams.ts";
import { CLIENT_OPTIONS, ClientCore } from "./client_core.ts";
import type { ClientOptions } from "./client_core.ts";

/**
 * A client on bytes. While it is idle it doesn't keep the process alive.
 *
 * @example
 * ```ts
 * import { RpcClient } from "@causeway/ipc";
 *
 * await using client = await RpcClient.open("echo");
 * const answer = await client.request(new Uint8Array([1, 2, 3]));
 * ```
 */
export class RpcClient extends BaseClient {
  readonly #link: ReconnectingConnection;
  readonly #streams: WeakMap<Connection, ConnectionByteStreams>;
  readonly #maxMessageBytes: number;

  private constructor(
    name: string,
    core: ClientCore,
    streams: WeakMap<Connection, ConnectionByteStreams>,
    maxMessageBytes: number,
  ) {
    super(name, core);
    this.#link = core.connection;
    this.#streams = streams;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Connects to a server, which may start later.
   *
   * @throws {TimeoutError} There was no server within `connectTimeout`.
   * @throws {ConnectionLimitError} The server has as many clients as it accepts.
   * @throws {CodecMismatchError} The server isn't one of raw bytes.
   * @throws {ArgumentError} An option is out of range, or there is none of that name.
   */
  static async open(name: string, options: ClientOptions<RpcClient> = {}): Promise<RpcClient> {
    checkOptions(options, Object.keys(CLIENT_OPTIONS));
    const streams = new WeakMap<Connection, ConnectionByteStreams>();
    const core = await ClientCore.open(name, options, "bytes", (handle, onGone) => {
      const own = new ConnectionByteStreams();
      return {
        handler: bytesHandler(handle, options, onGone, own),
        onOpen(connection) {
          own.use(connection);
          streams.set(connection, own);
        },
      };
    });
    return new RpcClient(name, core, streams, limitsOf(options).maxMessageBytes);
  }

  /**
   * Sends a request, which may be a stream of any length, and returns its answer;
   * `undefined` if the server answered that there is nothing. An answer that is a
   * stream is read to its end and joined.
   *
   * @throws {TimeoutError} There was no answer in time.
   * @throws {PeerGoneError} The server died or closed.
   * @throws {MessageTooLargeError} The answer has more than `maxMessageBytes`.
   */
  request(
    payload?: Uint8Array | BytesSource,
    options?: WaitOptions,
  ): Promise<Uint8Array | undefined> {
    const own = new OwnPromise();
    return own.is(this.#joined(own, payload, options));
  }

  async #joined(
    own: OwnPromise,
    payload: Uint8Array | BytesSource | undefined,
    options: WaitOptions | undefined,
  ): Promise<Uint8Array | undefined> {
    try {
      const answer = await this.#request(payload, options);
      return answer instanceof IncomingStream ? await join(answer, this.#maxMessageBytes) : answer;
    } catch (error) {
      throw own.fails(nameCaller(error, this.#joined, `"${this.name}"`, options?.signal));
    }
  }

  /**
   * Sends a request, and returns its answer as a stream of any length; `undefined`
   * if the server answered that there is nothing. The timeout is for the beginning of
   * the answer, the signal for all of it.
   *
   * @throws {TimeoutError} There was no answer in time.
   * @throws {PeerGoneError} The server died or closed; reading rejects with it, too.
   *
   * @example
   * ```ts ignore
   * const stream = await client.stream(new TextEncoder().encode("GET /large"));
   * for await (const bytes of stream ?? []) console.log(bytes.length);
   * ```
   */
  stream(
    payload?: Uint8Array | BytesSource,
    options?: WaitOptions,
  ): Promise<ReadableStream<Uint8Array> | undefined> {
    const own = new OwnPromise();
    return own.is(this.#streamed(own, payload, options));
  }

  async #streamed(
    own: OwnPromise,
    payload: Uint8Array | BytesSource | undefined,
    options: WaitOptions | undefined,
  ): Promise<ReadableStream<Uint8Array> | undefined> {
    try {
      const answer = await this.#request(payload, options);
      if (answer === undefined) return undefined;
      return answer instanceof IncomingStream ? answer.stream : streamOf(answer);
    } catch (error) {
      throw own.fails(nameCaller(error, this.#streamed, `"${this.name}"`, options?.signal));
    }
  }

  #request(
    payload: Uint8Array | BytesSource | undefined,
    options: WaitOptions | undefined,
  ): Promise<Uint8Array | IncomingStream | undefined> {
    const answer: Promise<Uint8Array | IncomingStream | undefined> = isBytesSource(payload)
      ? this.#link.requestOn((...on) => this.#sendStream(payload, ...on), options)
      : this.#link.request(zero, payload, options);
    const signal = options?.signal;
    return signal === undefined ? answer : answer.then((given) => {
      if (given instanceof IncomingStream) bindSignal([given.end], signal);
      return given;
    });
  }

  async #sendStream(
    source: BytesSource,
    connection: Connection,
    options: CallOptions,
  ): Promise<Uint8Array | undefined> {
    const { payload, sender } = this.#streams.get(connection)!.offer(source);
    try {
      const answer = await connection.request(0, payload, options, RecordFlag.references);
      if (options.signal !== undefined) bindSignal([sender], options.signal);
      return answer;
    } catch (error) {
      endAll([sender], error);
      throw error;
    }
  }

  /**
   * The same, blocking the thread.
   *
   * @throws {TimeoutError} There was no answer in time.
   * @throws {PeerGoneError} The server died or closed.
   * @throws {DeadlockError} The server lives in this thread and didn't answer at once.
   * @throws {ArgumentError} The answer is a stream.
   */
  requestSync(payload?: Uint8Array, options?: { timeout?: number }): Uint8Array | undefined {
    let answer: Uint8Array | IncomingStream | undefined;
    try {
      answer = this.#link.requestSync(zero, payload, options?.timeout);
    } catch (error) {
      throw nameCaller(error, this.requestSync, `"${this.name}"`);
    }
    if (!(answer instanceof IncomingStream)) return answer;
    answer.end.stop(undefined);
    throw new ArgumentError(
      "the answer is a stream, which a blocking request can't read: use `client.stream`",
    );
  }

  /**
   * Sends a message that has no answer. True: it is in the ring. False: it waits;
   * await {@linkcode BaseClient.writable} before sending more.
   *
   * @throws {BackpressureError} Too much waits to be sent; this message was not queued.
   */
  send(payload?: Uint8Array): boolean {
    return this.#link.send(zero, payload);
  }
}

function zero(): number {
  return 0;
}

/** A stream of these bytes. */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}

/** All bytes of a stream, up to a limit. */
async function join({ stream }: IncomingStream, limit: number): Promise<Uint8Array> {
  const assembly = new Assembly(new RecordHeader());
  for await (const bytes of stream) {
    assembly.add(bytes, limit);
    if (assembly.isTooLarge) {
      throw new MessageTooLargeError(assembly.size, limit, "the side that receives");
    }
  }
  return assembly.join();
}
