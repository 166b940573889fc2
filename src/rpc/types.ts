/**
 * From the interface of a server to the types of its client.
 *
 * @module
 */

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
 */
export type Remote<Api> = {
  readonly [Key in keyof Api as Api[Key] extends object ? Key : never]: Api[Key] extends
    (...args: infer Args) => infer Result ? (...args: Args) => Promise<Awaited<Result>>
    : Remote<Api[Key]>;
};

/** The same, blocking: each method returns what the server's promise would give. */
export type RemoteSync<Api> = {
  readonly [Key in keyof Api as Api[Key] extends object ? Key : never]: Api[Key] extends
    (...args: infer Args) => infer Result ? (...args: Args) => Awaited<Result>
    : RemoteSync<Api[Key]>;
};

/** The same without an answer: true if the call is in the ring, false if it waits for room. */
export type RemoteOneway<Api> = {
  readonly [Key in keyof Api as Api[Key] extends object ? Key : never]: Api[Key] extends
    (...args: infer Args) => unknown ? (...args: Args) => boolean
    : RemoteOneway<Api[Key]>;
};
