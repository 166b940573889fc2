/**
 * connect: a client whose methods are the server's.
 *
 * @module
 */
import { checkCodec } from "../codec/codec.ts";
import type { Codec } from "../codec/codec.ts";
import { messagePack } from "../codec/messagepack.ts";
import { encodeArguments } from "../codec/refusal.ts";
import type { Connection } from "../connection/connection.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { OwnPromise } from "../failures.ts";
import { nameCaller } from "../stacks.ts";
import { checkOptions, checkTimeout, WAIT_OPTIONS } from "../options.ts";
import type { OptionsOf, WaitOptions } from "../options.ts";
import { BaseClient } from "./base_client.ts";
import { CLIENT_OPTIONS, ClientCore } from "./client_core.ts";
import type { ClientOptions } from "./client_core.ts";
import { Exchange } from "./exchange.ts";
import { methodProxy } from "./proxy.ts";
import type { Remote, RemoteOneway, RemoteSync } from "./types.ts";
import { readClock } from "../timers.ts";

/** Options of {@linkcode connect}. */
// deno-lint-ignore no-explicit-any
export interface ConnectOptions<Api = any> extends ClientOptions<Client<Api>> {
  /** How values become bytes; the server must use the same. Default {@linkcode messagePack}. */
  codec?: Codec;
}

const KNOWN: OptionsOf<ConnectOptions> = { ...CLIENT_OPTIONS, codec: true };
const WITH_OPTIONS = Object.keys(WAIT_OPTIONS);

/** The three ways to call the methods of a server. */
export interface Calls<Api> {
  /** Methods that return promises. */
  readonly remote: Remote<Api>;
  /** Methods that block the thread and return the value. */
  readonly sync: RemoteSync<Api>;
  /** Methods that send the call and expect no answer. */
  readonly oneway: RemoteOneway<Api>;
}

/**
 * Connects to a server made by {@linkcode serve}, which may start later.
 *
 * @throws {TimeoutError} There was no server within `connectTimeout`.
 * @throws {ConnectionLimitError} The server has as many clients as it accepts.
 * @throws {CodecMismatchError} The server uses another codec.
 * @throws {ArgumentError} An option is out of range, or there is none of that name.
 *
 * @example
 * ```ts
 * import { connect } from "@causeway/ipc";
 *
 * interface Api {
 *   add(a: number, b: number): number;
 * }
 * await using client = await connect<Api>("math");
 * console.log(await client.remote.add(1, 2), client.sync.add(3, 4));
 * ```
 */
export async function connect<Api>(
  name: string,
  options: ConnectOptions<Api> = {},
): Promise<Client<Api>> {
  checkOptions(options, Object.keys(KNOWN));
  const codec = checkCodec(options.codec ?? messagePack);
  const timeout = checkTimeout(options.timeout);
  const exchanges = new WeakMap<Connection, Exchange>();
  const core = await ClientCore.open(name, options, codec.name, (handle, onGone) => {
    const exchange = new Exchange({
      codec,
      api: undefined,
      exposeStacks: options.exposeStacks !== false,
      timeout,
      handle,
      onGone,
    });
    return {
      handler: exchange,
      onOpen(connection) {
        exchange.use(connection);
        exchanges.set(connection, exchange);
      },
    };
  });
  return new Client<Api>(name, core, exchanges, codec, timeout);
}

/**
 * A client of {@linkcode connect}. While it is idle it doesn't keep the process
 * alive. When its server is gone it connects again by itself; calls made meanwhile
 * wait for that within their own timeout.
 *
 * A call rejects, or throws where it blocks, with what the method threw, and with
 * {@linkcode TimeoutError}, {@linkcode PeerGoneError}, {@linkcode ClosedError},
 * {@linkcode UnknownMethodError}, {@linkcode CodecError} or
 * {@linkcode MessageTooLargeError}; a blocking one also with {@linkcode DeadlockError}.
 * A one-way call throws {@linkcode BackpressureError} if too much waits to be sent.
 */
export class Client<Api> extends BaseClient implements Calls<Api> {
  /** See {@linkcode Calls.remote}. */
  readonly remote: Remote<Api>;
  /** See {@linkcode Calls.sync}. */
  readonly sync: RemoteSync<Api>;
  /** See {@linkcode Calls.oneway}. */
  readonly oneway: RemoteOneway<Api>;
  readonly #link: ReconnectingConnection;
  readonly #exchanges: WeakMap<Connection, Exchange>;
  readonly #codec: Codec;
  readonly #timeout: number;

  /** Made by {@linkcode connect} only. */
  constructor(
    name: string,
    core: ClientCore,
    exchanges: WeakMap<Connection, Exchange>,
    codec: Codec,
    timeout: number,
  ) {
    super(name, core);
    this.#link = core.connection;
    this.#exchanges = exchanges;
    this.#codec = codec;
    this.#timeout = timeout;
    const calls = this.with({});
    this.remote = calls.remote;
    this.sync = calls.sync;
    this.oneway = calls.oneway;
  }

  /**
   * The same methods with another timeout, or a signal that gives the calls up.
   * A blocking call looks at the signal before it starts and not again; one-way
   * calls take neither.
   *
   * @throws {ArgumentError} An option is out of range, or there is none of that name.
   *
   * @example
   * ```ts ignore
   * await client.with({ timeout: 100 }).remote.add(1, 2);
   * ```
   */
  with(options: WaitOptions): Calls<Api> {
    checkOptions(options, WITH_OPTIONS);
    checkTimeout(options.timeout);
    return {
      remote: methodProxy((path, args) => iterable(this.#call(path, args, options))) as Remote<Api>,
      sync: methodProxy((path, args) => this.#callSync(path, args, options)) as RemoteSync<Api>,
      oneway: methodProxy((path, args) => this.#send(path, args)) as RemoteOneway<Api>,
    };
  }

  #call(path: string, args: unknown[], options: WaitOptions): Promise<unknown> {
    const { connection } = this.#link;
    if (connection === undefined) {
      const own = new OwnPromise();
      return own.is(this.#callLater(own, path, args, options));
    }
    const exchange = this.#exchanges.get(connection)!;
    return exchange.call(connection, path, args, {
      timeout: checkTimeout(options.timeout, this.#timeout),
      signal: options.signal,
    });
  }

  /** Arguments are encoded for a connection: wait for one first, within the same timeout. */
  async #callLater(
    own: OwnPromise,
    path: string,
    args: unknown[],
    options: WaitOptions,
  ): Promise<unknown> {
    try {
      const start = readClock();
      const timeout = checkTimeout(options.timeout, this.#timeout);
      await this.#link.whenConnected({ ...options, timeout });
      const left = Math.max(0, timeout - (readClock() - start));
      return await this.#call(path, args, { ...options, timeout: left });
    } catch (error) {
      throw own.fails(nameCaller(error, this.#callLater, path, options.signal));
    }
  }

  #callSync(path: string, args: unknown[], options: WaitOptions): unknown {
    const link = this.#link;
    options.signal?.throwIfAborted();
    let timeout = checkTimeout(options.timeout, this.#timeout);
    if (link.connection === undefined) timeout = link.connectSync(timeout);
    const connection = link.connection!;
    return this.#exchanges.get(connection)!.callSync(connection, path, args, timeout);
  }

  #send(path: string, args: unknown[]): boolean {
    const link = this.#link;
    const { connection } = link;
    if (connection !== undefined) {
      return this.#exchanges.get(connection)!.send(connection, path, args);
    }
    // Without a connection there is no side that could call a function among the arguments.
    const payload = encodeArguments(this.#codec, args);
    return link.send((used) => this.#exchanges.get(used)!.number(used, path), payload);
  }
}

/** A call that `for await` can go through, if its result is a stream. */
function iterable(call: Promise<unknown>): Promise<unknown> {
  (call as { [Symbol.asyncIterator]?: unknown })[Symbol.asyncIterator] = iterateResult;
  return call;
}

function iterateResult(this: Promise<unknown>): AsyncIterator<unknown> {
  let iterator: AsyncIterator<unknown> | undefined;
  const start = async (): Promise<AsyncIterator<unknown>> => {
    const result = await this as AsyncIterable<unknown>;
    return iterator ??= result[Symbol.asyncIterator]();
  };
  return {
    next: () => iterator === undefined ? start().then((made) => made.next()) : iterator.next(),
    return: async (value) => {
      return await (await start()).return?.(value) ?? { done: true, value };
    },
  };
}
