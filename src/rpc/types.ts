/**
 * From the interface of a server to the types of its client.
 *
 * @module
 */

// deno-lint-ignore no-explicit-any
type Untyped = any;

/**
 * What a call gives: a promise of the result. If that is a stream, `for await` goes
 * through the call itself too, without `await` before it.
 */
export type RemoteResult<Result> = 0 extends 1 & Result ? Promise<Result>
  : [Result] extends [never] ? Promise<never>
  : [Result] extends [ReadableStream<infer Chunk>]
    ? Promise<ReadableStream<Chunk>> & AsyncIterable<Chunk>
  : [Result] extends [AsyncIterable<infer Value>]
    ? Promise<AsyncIterableIterator<Value>> & AsyncIterable<Value>
  : Promise<Result>;

/**
 * An API as a client sees it: each method returns a promise, at any depth. What is
 * neither a method nor an object with methods isn't there.
 *
 * @example
 * ```ts
 * import type { Remote } from "@causeway/ipc";
 *
 * interface Api {
 *   version: string;
 *   text: { upper(s: string): string };
 * }
 * type Client = Remote<Api>; // { text: { upper(s: string): Promise<string> } }
 * ```
 *
 * Of `any` it is `any`: a server without types can be called, too.
 */
export type Remote<Api> = 0 extends 1 & Api ? Untyped : {
  readonly [Key in keyof Api as Api[Key] extends object ? Key : never]: Api[Key] extends
    (...args: infer Args) => infer Result ? (...args: Args) => RemoteResult<Awaited<Result>>
    : Remote<Api[Key]>;
};

/** The same, blocking: each method returns what the server's promise would give. */
export type RemoteSync<Api> = 0 extends 1 & Api ? Untyped : {
  readonly [Key in keyof Api as Api[Key] extends object ? Key : never]: Api[Key] extends
    (...args: infer Args) => infer Result ? (...args: Args) => Awaited<Result>
    : RemoteSync<Api[Key]>;
};

/** The same without an answer: true if the call is in the ring, false if it waits for room. */
export type RemoteOneway<Api> = 0 extends 1 & Api ? Untyped : {
  readonly [Key in keyof Api as Api[Key] extends object ? Key : never]: Api[Key] extends
    (...args: infer Args) => unknown ? (...args: Args) => boolean
    : RemoteOneway<Api[Key]>;
};
