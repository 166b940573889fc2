/**
 * serve: puts the methods of an object on a server.
 *
 * @module
 */
import { checkCodec } from "../codec/codec.ts";
import type { Codec } from "../codec/codec.ts";
import { messagePack } from "../codec/messagepack.ts";
import { checkOptions, checkTimeout, show } from "../options.ts";
import type { OptionsOf } from "../options.ts";
import { ArgumentError } from "../errors.ts";
import { Exchange } from "./exchange.ts";
import { SERVER_OPTIONS, startServer } from "./server.ts";
import type { RpcServer, ServerOptions } from "./server.ts";
import type { Served } from "./types.ts";

/** Options of {@linkcode serve}. */
export interface ServeOptions extends ServerOptions {
  /** How values become bytes; clients must use the same. Default {@linkcode messagePack}. */
  codec?: Codec;
}

const KNOWN: OptionsOf<ServeOptions> = { ...SERVER_OPTIONS, codec: true };

/**
 * Serves an object: its methods, and those of the objects in it, can be called by
 * any number of clients of this machine's user. Methods may be asynchronous, take
 * functions and streams as arguments and return them; see {@linkcode currentCall} for the
 * call's signal and deadline.
 *
 * @throws {NameTakenError} A living server has the name.
 * @throws {ArgumentError} An option is out of range, or there is none of that name.
 *
 * @example
 * ```ts
 * import { serve } from "@causeway/ipc";
 *
 * const api = {
 *   add: (a: number, b: number) => a + b,
 *   text: { upper: (s: string) => s.toUpperCase() },
 * };
 * export type Api = typeof api;
 * await using server = await serve("math", api);
 * ```
 */
export function serve(name: string, api: object, options?: ServeOptions): Promise<RpcServer>;
/**
 * The same, and the type checker holds the object against an interface: the one that
 * clients give to {@linkcode connect}.
 *
 * @example
 * ```ts
 * import { serve } from "@causeway/ipc";
 *
 * interface Api {
 *   add(a: number, b: number): number;
 * }
 * await using server = await serve<Api>("math", { add: async (a, b) => a + b });
 * ```
 */
export function serve<Api extends object>(
  name: string,
  api: Served<Api>,
  options?: ServeOptions,
): Promise<RpcServer>;
export async function serve(
  name: string,
  api: object,
  options: ServeOptions = {},
): Promise<RpcServer> {
  if (typeof api !== "object" || api === null) {
    throw new ArgumentError(`serve needs an object with methods, got ${show(api)}`);
  }
  checkOptions(options, Object.keys(KNOWN));
  const codec = checkCodec(options.codec ?? messagePack);
  const timeout = checkTimeout(options.timeout);
  return await startServer(name, options, codec.name, (handle, onGone) => {
    const exchange = new Exchange({
      codec,
      api,
      exposeStacks: options.exposeStacks !== false,
      timeout,
      handle,
      onGone,
    });
    return { handler: exchange, onOpen: (connection) => exchange.use(connection) };
  });
}
