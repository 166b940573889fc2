/**
 * RpcClient: a client of a server, on bytes. {@linkcode connect} puts methods on
 * it.
 *
 * @module
 */
import { bytesHandler } from "../connection/bytes_handler.ts";
import type { Link } from "../connection/link.ts";
import type { WaitOptions } from "../connection/options.ts";
import { BaseClient } from "./base_client.ts";
import { ClientCore } from "./client_core.ts";
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
  readonly #link: Link;

  private constructor(name: string, core: ClientCore) {
    super(name, core);
    this.#link = core.link;
  }

  /**
   * Connects to a server, which may start later.
   *
   * @throws {TimeoutError} There was no server within `connectTimeout`.
   * @throws {ConnectionLimitError} The server has as many clients as it accepts.
   * @throws {CodecMismatchError} The server isn't one of raw bytes.
   */
  static async open(name: string, options: ClientOptions = {}): Promise<RpcClient> {
    const core = await ClientCore.open(name, options, "bytes", (onGone) => ({
      handler: bytesHandler(options, onGone),
      onOpen() {},
    }));
    return new RpcClient(name, core);
  }

  /**
   * Sends a request and returns its answer; `undefined` if the server answered
   * that there is nothing.
   *
   * @throws {TimeoutError} There was no answer in time.
   * @throws {PeerGoneError} The server died or closed.
   */
  request(payload?: Uint8Array, options?: WaitOptions): Promise<Uint8Array | undefined> {
    return this.#link.request(zero, payload, options);
  }

  /**
   * The same, blocking the thread.
   *
   * @throws {TimeoutError} There was no answer in time.
   * @throws {PeerGoneError} The server died or closed.
   * @throws {DeadlockError} The server lives in this thread and didn't answer at once.
   */
  requestSync(payload?: Uint8Array, options?: { timeout?: number }): Uint8Array | undefined {
    return this.#link.requestSync(zero, payload, options?.timeout);
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
