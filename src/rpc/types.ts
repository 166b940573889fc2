/**
 * From the interface of a server to the types of its client, and back.
 *
 * What crosses keeps its type, but for functions: one that arrived is called across, so
 * it is asynchronous on this side.
 *
 * @module
 */

import type { SharedArray } from "../share/shared_array.ts";
import type { SharedMemory } from "../share/shared_memory.ts";

// deno-lint-ignore no-explicit-any
type Untyped = any;
type IsAny<T> = 0 extends 1 & T ? true : false;
type Callable = (...args: never[]) => unknown;
type Primitive = string | number | bigint | boolean | symbol | null | undefined | void;

/** What crosses as it is, or as itself on the other side. */
type Whole =
  | Primitive
  | ArrayBuffer
  | ArrayBufferView
  | AsyncIterable<unknown>
  | Date
  | Error
  | ReadableStream<Untyped>
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | RegExp
  | SharedArray<Untyped>
  | SharedMemory
  | WritableStream<Untyped>;

/** The type itself where the other says the same, so that it keeps its name. */
type Same<T, Other> = [T, Other] extends [Other, T] ? T : Other;

// -------------------------------------------------------------------- values

/**
 * Are there functions in it? Types without keep their names. It looks six levels deep,
 * since types can contain themselves.
 */
type HasFunctions<T, Depth extends 0[] = []> = Depth["length"] extends 6 ? false
  : unknown extends T ? false
  : T extends Whole ? false
  : T extends Callable ? true
  : T extends readonly unknown[] ? HasFunctions<T[number], [...Depth, 0]>
  : { [Key in keyof T]-?: HasFunctions<T[Key], [...Depth, 0]> }[keyof T];

/**
 * A function of the other side, as it is called here: it gives a promise of what it
 * returns. It may be called without awaiting that: then a failure hurts nobody.
 *
 * @example
 * ```ts
 * import { serve } from "@causeway/ipc";
 * import type { RemoteFunction } from "@causeway/ipc";
 *
 * await using server = await serve("import", {
 *   load(lines: string[], onProgress: RemoteFunction<(share: number) => void>) {
 *     for (const i of lines.keys()) onProgress.oneway((i + 1) / lines.length);
 *   },
 * });
 * ```
 */
export interface RemoteFunction<Origin extends Callable> {
  /** Calls it. */
  (...args: GivenAll<Parameters<Origin>>): RemoteResult<Awaited<ReturnType<Origin>>>;
  /**
   * Calls it and expects no answer: true if the call is in the ring, false if it waits for
   * room or the other side is gone.
   *
   * @throws {BackpressureError} Too much waits to be sent; this call was not queued.
   */
  oneway(...args: GivenAll<Parameters<Origin>>): boolean;
}

/** What the other side gives, as it arrives here: each function in it is a {@linkcode RemoteFunction}. */
export type Received<T> = true extends HasFunctions<T> ? T extends Whole ? T
  : T extends Callable ? Same<T, RemoteFunction<T>>
  : { [Key in keyof T]: Received<T[Key]> }
  : T;

/** What may be given where the other side wants a `T`: functions in it may be asynchronous, too. */
export type Given<T> = true extends HasFunctions<T> ? T extends Whole ? T
  : T extends (...args: infer Args) => infer Result
    ? Same<T, (...args: ReceivedAll<Args>) => MaybeLater<Given<Awaited<Result>>>>
  : { [Key in keyof T]: Given<T[Key]> }
  : T;

type GivenAll<Args extends readonly unknown[]> = { [Index in keyof Args]: Given<Args[Index]> };
type ReceivedAll<Args extends readonly unknown[]> = {
  [Index in keyof Args]: Received<Args[Index]>;
};
type MaybeLater<T> = T | PromiseLike<T>;

/**
 * What a call gives: a promise of the result. If that is a stream, `for await` goes
 * through the call itself too, without `await` before it.
 */
export type RemoteResult<Result> = IsAny<Result> extends true ? Promise<Result>
  : [Result] extends [never] ? Promise<never>
  : [Result] extends [ReadableStream<infer Chunk>]
    ? Promise<ReadableStream<Chunk>> & AsyncIterable<Chunk>
  : [Result] extends [AsyncIterable<infer Value>]
    ? Promise<AsyncIterableIterator<Value>> & AsyncIterable<Value>
  : Promise<Received<Result>>;

// ------------------------------------------------------------------- methods

/** Names that a client can't reach, at any depth and below the top. */
type Never = "then" | "catch" | "finally" | "toJSON" | "constructor" | "prototype";
type OfFunctions = "apply" | "bind" | "call";

/** The key, if a client has something under it: a method, or an object that may have some. */
type Name<Key, Value, Hidden> = Key extends symbol | Never | Hidden ? never
  : IsAny<Value> extends true ? Key
  : [Value] extends [never] ? never
  : [Value] extends [Callable] ? Key
  : [Value] extends [Whole | readonly unknown[]] ? never
  : [Value] extends [object] ? Key
  : never;

/** What a property may be beside a method or an object: nothing, if it is optional. */
type Nothing<Value> = IsAny<Value> extends true ? never : Extract<Value, undefined>;

/**
 * An API as a client sees it: each method returns a promise, at any depth. What is
 * neither a method nor an object with methods isn't there.
 *
 * A method keeps its own type, with type parameters and overloads, if it says what a
 * client sees: that it returns a promise.
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
export type Remote<Api> = RemoteOf<Api, never>;

type RemoteOf<Api, Hidden> = IsAny<Api> extends true ? Untyped : {
  readonly [Key in keyof Api as Name<Key, NonNullable<Api[Key]>, Hidden>]:
    | RemoteMember<NonNullable<Api[Key]>>
    | Nothing<Api[Key]>;
};

type RemoteMember<Member> = Member extends (...args: infer Args) => infer Result
  ? Method<Member, [Args, Result], [GivenAll<Args>, RemoteResult<Awaited<Result>>]>
  : RemoteOf<Member, OfFunctions>;

/** The method itself where it takes and gives what is wanted: it may have type parameters. */
type Method<Member, Has extends [unknown[], unknown], Wants extends [unknown[], unknown]> =
  IsAny<Has[1]> extends false ? [Has, Wants] extends [Wants, Has] ? Member
    : (...args: Wants[0]) => Wants[1]
    : (...args: Wants[0]) => Wants[1];

/** The same, blocking: each method returns what the server's promise would give. */
export type RemoteSync<Api> = SyncOf<Api, never>;

type SyncOf<Api, Hidden> = IsAny<Api> extends true ? Untyped : {
  readonly [Key in keyof Api as Name<Key, NonNullable<Api[Key]>, Hidden>]:
    | SyncMember<NonNullable<Api[Key]>>
    | Nothing<Api[Key]>;
};

type SyncMember<Member> = Member extends (...args: infer Args) => infer Result
  ? Method<Member, [Args, Result], [GivenAll<Args>, Received<Awaited<Result>>]>
  : SyncOf<Member, OfFunctions>;

/** The same without an answer: true if the call is in the ring, false if it waits for room. */
export type RemoteOneway<Api> = OnewayOf<Api, never>;

type OnewayOf<Api, Hidden> = IsAny<Api> extends true ? Untyped : {
  readonly [Key in keyof Api as Name<Key, NonNullable<Api[Key]>, Hidden>]:
    | OnewayMember<NonNullable<Api[Key]>>
    | Nothing<Api[Key]>;
};

type OnewayMember<Member> = Member extends (...args: infer Args) => unknown
  ? (...args: GivenAll<Args>) => boolean
  : OnewayOf<Member, OfFunctions>;

/**
 * What {@linkcode serve} takes for an API: methods may be asynchronous or not, and the
 * functions among their arguments are {@linkcode RemoteFunction}s.
 */
export type Served<Api> = IsAny<Api> extends true ? Untyped : {
  readonly [Key in keyof Api]: Api[Key] extends Whole | readonly unknown[] ? Api[Key]
    : ServedMember<NonNullable<Api[Key]>> | Nothing<Api[Key]>;
};

type ServedMember<Member> = Member extends (...args: infer Args) => infer Result
  ? (...args: ReceivedAll<Args>) => MaybeLater<Given<Awaited<Result>>>
  : Served<Member>;
